/// The demo page: who is signed in, which threads there are, and which of them is looked at.
import { Connection, expiry_of, random_id } from "./connection.js";
import { ThreadView, element } from "./view.js";

const find = (id) => document.getElementById(id);
const storage_key = "gangway.demo";
const untitled = "New thread";
let saved = JSON.parse(sessionStorage.getItem(storage_key) ?? "null"); // {user, tier, token, current, open, drafts}
let connection = null;
const threads = new Map(); // thread_id → {thread_id, title, live, open, error, view, item, …}
let current = null;
let countdown;

function save(changes = {}) {
  saved = {
    ...saved,
    ...changes,
    open: [...threads.values()].filter((thread) => thread.open).map((thread) => thread.thread_id),
  };
  sessionStorage.setItem(storage_key, JSON.stringify(saved));
}

// -- signing in -------------------------------------------------------------------------------------------------------

async function mint(user, tier) {
  const response = await fetch("/dev/token", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ user, tier }),
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer.token;
  const reason = answer.error?.message ?? `the server answered ${response.status}`;
  throw Object.assign(new Error(reason), { permanent: response.status >= 400 && response.status < 500 });
}

async function token(renew) {
  if (renew || expiry_of(saved.token) < Date.now() + 5000) save({ token: await mint(saved.user, saved.tier) });
  return saved.token;
}

find("sign_in").addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  const [user, tier] = [find("user").value.trim(), find("tier").value];
  find("sign_in_error").textContent = "";
  try {
    saved = { user, tier, token: await mint(user, tier), drafts: {}, open: [] };
    save();
    begin();
  } catch (error) {
    find("sign_in_error").textContent = `Could not sign in: ${error.message}.`;
  }
});

find("sign_out").addEventListener("click", () => {
  connection.close();
  sessionStorage.removeItem(storage_key);
  history.replaceState(null, "", location.pathname);
  location.reload();
});

function begin() {
  find("door").hidden = true;
  find("desk").hidden = find("session").hidden = false;
  find("who").textContent = saved.user;
  find("who").title = `${saved.user}, tier ${saved.tier}`;
  connection = new Connection({ url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, token });
  for (const [type, listener] of Object.entries({
    state: on_state,
    connected: on_connected,
    opened: on_opened,
    event: on_event,
    notice: on_notice,
    refused: on_refused,
  })) {
    connection.addEventListener(type, ({ detail }) => listener(detail));
  }
  for (const thread_id of saved.open) open(know({ thread_id }));
  const first = thread_of_address() ?? threads.get(saved.current);
  if (first) select(first);
  connection.connect();
  find("text").focus();
}

// -- the connection ---------------------------------------------------------------------------------------------------

function on_state({ state, retry_at, reason }) {
  const words = {
    connecting: "Connecting…",
    connected: "Connected",
    doubtful: "Offline? Asking the server…",
    waiting: navigator.onLine ? "Reconnecting" : "Offline",
    closed: "Closed",
  };
  find("connection").dataset.state = state;
  find("connection_state").textContent = words[state] + (state === "closed" && reason ? `: ${reason}` : "");
  find("connection_state").title = reason ?? "";
  find("dial").hidden = state !== "waiting" && state !== "closed";
  clearInterval(countdown);
  const tell = () =>
    (find("countdown").textContent =
      state === "waiting" ? `in ${Math.max(0, Math.ceil((retry_at - Date.now()) / 1000))} s` : "");
  if (state === "waiting") countdown = setInterval(tell, 500);
  tell();
}

find("dial").addEventListener("click", () => connection.connect());

async function on_connected({ limits }) {
  show_use(limits);
  await list_threads();
  if (!current) select(threads.get(saved.current) ?? threads.values().next().value ?? create());
}

function show_use({ managers_used, managers_max }) {
  const meter = find("managers");
  meter.max = managers_max;
  meter.high = managers_max * 0.9 - 0.5;
  meter.optimum = 0;
  meter.value = managers_used;
  find("managers_text").textContent = `${managers_used} of ${managers_max}`;
  find("limit").textContent =
    managers_used > managers_max
      ? "Beyond the limit of open threads for a short while"
      : managers_used === managers_max
        ? "At the limit of open threads"
        : managers_used > meter.high
          ? "Close to the limit of open threads"
          : "";
}

/// Asks for what other tabs and the server itself may have changed.
async function refresh() {
  if (!connection?.connected || document.hidden) return;
  await connection
    .request("status")
    .then(show_use)
    .catch(() => {});
  await list_threads();
}
setInterval(refresh, 15_000);

async function list_threads() {
  try {
    const list = (await connection.request("thread.list", { limit: 50 })).threads;
    for (const { thread_id, title, live } of list)
      show(Object.assign(know({ thread_id }), { live }, title ? { title } : {}));
  } catch (error) {
    if (error.code !== "disconnected") find("announcer").textContent = error.message;
  }
}

const why_evicted = {
  zombie: "nobody answered for it any more",
  inactive: "nobody was connected to it",
  idle: "nothing had happened in it for a while",
  least_recently_useful: "it was used longest ago",
};

function on_notice({ kind, thread_id, reason, position }) {
  if (kind.startsWith("limit_")) return refresh(); // the numbers say it
  const words = {
    queued: `Waiting for a free place, number ${position} in the queue.`,
    manager_evicted:
      `This thread was closed to make room for another (${why_evicted[reason] ?? reason}). ` +
      "Write, and it opens again.",
    thread_detached: `This thread was interrupted${reason ? ` (${reason})` : ""} and is being opened again.`,
    draining: "The server is about to restart; this page will come back by itself.",
  };
  const thread = threads.get(thread_id);
  const text = words[kind] ?? `Notice: ${kind}.`;
  (thread ?? current)?.view.show_line(text);
  if (thread && kind === "manager_evicted") {
    Object.assign(thread, { open: false });
    thread.view.set_run(null);
    give_up_waiting(thread);
    save();
    show(thread);
  }
  refresh();
}

// -- threads ----------------------------------------------------------------------------------------------------------

/// Returns the thread of that id, which is made if it is new to this page.
function know({ thread_id }) {
  const known = threads.get(thread_id);
  if (known) return known;
  const thread = { thread_id, title: untitled, live: false, open: false, error: null, waiting: [] };
  thread.view = new ThreadView({
    label: "Messages",
    announce: (text) => (find("announcer").textContent = thread === current ? text : `${thread.title}: ${text}`),
    read_history: (before_seq) => connection.request("thread.history", { thread_id, before_seq }),
  });
  thread.name = element("span", { class: "name", dir: "auto" });
  thread.mark = element("span", { class: "mark" });
  thread.choose = element(
    "button",
    { type: "button", class: "quiet", click: () => turn_to(thread) },
    thread.mark,
    thread.name,
  );
  thread.leave = element("button", { type: "button", class: "quiet close", click: () => leave(thread) }, "×");
  thread.item = element("li", {}, thread.choose, thread.leave);
  thread.failure = element("div", { class: "failure", role: "alert", hidden: true });
  thread.view.element.append(thread.failure);
  threads.set(thread_id, thread);
  find("thread_list").append(thread.item);
  show(thread);
  return thread;
}

function create() {
  const thread = know({ thread_id: random_id() });
  find("thread_list").prepend(thread.item);
  return thread;
}

function show(thread) {
  const state = thread.view.run ? "answering" : thread.open ? "open" : thread.live ? "live" : "closed";
  thread.name.textContent = thread.title;
  thread.mark.dataset.state = state;
  thread.mark.title = { answering: "answering", open: "open here", live: "live on the server", closed: "not live" }[
    state
  ];
  thread.choose.setAttribute("aria-label", `${thread.title}, ${thread.mark.title}`);
  thread.leave.setAttribute("aria-label", `Close ${thread.title}`);
  thread.leave.title = "Close: makes room for another thread";
  thread.leave.hidden = !thread.open && !thread.error;
  thread.failure.hidden = !thread.error;
  if (thread.error) {
    const { message, code } = thread.error;
    thread.failure.replaceChildren(
      element("p", {}, `${message} (${code})`),
      element("button", { type: "button", click: () => turn_to(open(thread)) }, "Try again"),
    );
  }
  if (thread !== current) return;
  find("title").textContent = thread.title;
  find("activity").dataset.live = Boolean(thread.view.run);
  find("activity_text").textContent = thread.stop_error ?? thread.view.activity;
  find("stop").hidden = !thread.view.run;
}

/// Looks at a thread. Every one has an address, `#` and its id.
function select(thread, { opened = true, as = "replaceState" } = {}) {
  if (location.hash !== `#${thread.thread_id}`) history[as](null, "", `#${thread.thread_id}`);
  current?.choose.removeAttribute("aria-current");
  current = thread;
  thread.choose.setAttribute("aria-current", "true");
  find("log").replaceChildren(thread.view.element);
  find("text").value = saved.drafts[thread.thread_id] ?? "";
  if (opened && !thread.open && !thread.error) open(thread);
  save({ current: thread.thread_id });
  show(thread);
  thread.view.restore();
}

/// Returns the thread that the page's address names, if it names one.
function thread_of_address() {
  const thread_id = location.hash.slice(1);
  return /^[A-Za-z0-9_-]{1,128}$/.test(thread_id) ? know({ thread_id }) : null;
}
addEventListener("popstate", () => {
  const thread = connection && thread_of_address();
  if (thread && thread !== current) select(thread);
});

/// What a click on a thread means: look at it, and go on writing.
function turn_to(thread) {
  select(thread, { as: "pushState" });
  show_menu(false);
  find("text").focus();
}

function open(thread) {
  Object.assign(thread, { open: true, error: null });
  connection.open_thread(thread.thread_id);
  save();
  show(thread);
  return thread;
}

async function leave(thread) {
  const closing = connection.close_thread(thread.thread_id).catch(() => {});
  give_up_waiting(thread);
  Object.assign(thread, { open: false, live: false, error: null });
  thread.view.set_run(null);
  if (thread.title === untitled) {
    threads.delete(thread.thread_id); // nothing was said in it
    thread.item.remove();
  } else {
    thread.view.show_line("This thread is closed. Write, and it opens again.");
    show(thread);
  }
  save();
  if (thread === current)
    select(
      [...threads.values()].find((other) => other.open) ?? (threads.has(thread.thread_id) ? thread : create()),
      { opened: false },
    );
  find("text").focus();
  await closing;
  refresh();
}

function on_opened({ thread_id, snapshot }) {
  const thread = threads.get(thread_id);
  if (!thread) return;
  if (snapshot) thread.view.show_snapshot(snapshot);
  thread.accepted = undefined; // what is shown now is all there is
  show(thread);
  send_waiting(thread);
  refresh();
}

function on_refused({ thread_id, error }) {
  const thread = threads.get(thread_id);
  if (!thread) return;
  Object.assign(thread, { open: false, error });
  thread.view.set_run(null);
  give_up_waiting(thread);
  save();
  show(thread);
}

function on_event(frame) {
  const thread = threads.get(frame.thread_id);
  if (frame.event.type === "message_accepted" && thread.title === untitled) {
    thread.title = [frame.event.content]
      .flat()
      .map((part) => part.text ?? part)
      .join(" ")
      .slice(0, 80);
  }
  thread.view.apply(frame);
  if (!thread.view.run) thread.stop_error = undefined;
  if (frame.event.type !== "message_delta") show(thread);
  send_waiting(thread);
}

// -- writing ----------------------------------------------------------------------------------------------------------

/// Whether an answer is on its way, or a message that will have one.
const is_busy = ({ view, sending, accepted }) =>
  view.run !== null || sending || (accepted !== undefined && !view.has(accepted));

/// Sends a message, now or when the answer before it is complete: a thread has one run at a time.
async function send(thread, content, client_message_id = random_id()) {
  if (!thread.open) open(thread);
  if (is_busy(thread)) {
    thread.waiting.push({ content, client_message_id });
    return thread.view.show_pending(client_message_id, content, "waits until the answer is complete");
  }
  thread.sending = true;
  thread.view.show_pending(client_message_id, content, "sending…");
  try {
    const { message_id } = await connection.send(thread.thread_id, content, client_message_id);
    thread.accepted = message_id; // its event, and with it the run, comes behind the reply
    thread.view.show_sent(client_message_id, message_id);
  } catch (error) {
    show_failed(thread, client_message_id, content, error);
  }
  thread.sending = false;
  send_waiting(thread);
}

function send_waiting(thread) {
  if (thread.waiting.length === 0 || !thread.open || is_busy(thread)) return;
  const { content, client_message_id } = thread.waiting.shift();
  send(thread, content, client_message_id);
}

function give_up_waiting(thread) {
  const closed = { code: "not_open", message: "The thread was closed." };
  for (const { client_message_id, content } of thread.waiting.splice(0))
    show_failed(thread, client_message_id, content, closed);
}

function show_failed(thread, client_message_id, content, error) {
  const edit = () => {
    saved.drafts[thread.thread_id] = [content, saved.drafts[thread.thread_id]].filter(Boolean).join("\n");
    turn_to(thread);
  };
  thread.view.show_failed(client_message_id, error, () => send(thread, content, client_message_id), edit);
}

async function stop(thread) {
  if (!thread?.view.run) return;
  try {
    await connection.request("run.cancel", { thread_id: thread.thread_id, run_id: thread.view.run.run_id });
  } catch (error) {
    thread.stop_error = `Could not stop it: ${error.message} (${error.code})`;
    show(thread);
  }
}

find("composer").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  const content = find("text").value;
  if (!current || !content.trim()) return;
  find("text").value = "";
  delete saved.drafts[current.thread_id];
  save();
  send(current, content);
  find("text").focus();
});

find("text").addEventListener("keydown", (key) => {
  if (key.key === "Enter" && !key.shiftKey && !key.isComposing) {
    key.preventDefault();
    find("composer").requestSubmit();
  }
});
find("text").addEventListener(
  "input",
  () => current && save({ drafts: { ...saved.drafts, [current.thread_id]: find("text").value } }),
);
find("stop").addEventListener("click", () => {
  stop(current);
  find("text").focus();
});
find("new_thread").addEventListener("click", () => turn_to(create()));

function show_menu(shown) {
  find("desk").classList.toggle("menu", shown);
  find("menu").setAttribute("aria-expanded", String(shown));
}
find("menu").addEventListener("click", () => show_menu(find("menu").getAttribute("aria-expanded") !== "true"));
addEventListener("keydown", (key) => {
  if (key.key !== "Escape") return;
  if (!find("desk").classList.contains("menu")) return stop(current);
  show_menu(false);
  find("menu").focus();
});

if (saved) begin();
else {
  find("door").hidden = false;
  find("user").focus();
}
