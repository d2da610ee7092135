/// What is seen of a thread: its log, as elements that are only ever added to or filled with text.

/// Returns an element with these attributes and children; text stays text.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/// Returns a message's content, a string or an array of parts, as text.
export function text_of(content) {
  if (typeof content === "string") return content;
  return content.map((part) => part.text ?? `[${part.type}]`).join("\n");
}

function described(value) {
  if (typeof value !== "object" || value === null) return String(value);
  return Object.entries(value)
    .map(([name, field]) => `${name}: ${typeof field === "string" ? field : JSON.stringify(field)}`)
    .join(", ");
}

export class ThreadView {
  run = null; // {run_id} while the agent is at work
  activity = ""; // what it is doing, in words
  #messages = new Map(); // message_id → {item, text}
  #steps = new Map(); // tool_call_id → {item, state, given, result, pending_arguments}
  #pending = new Map(); // client_message_id → item
  #thoughts = null;
  #first_seq = Infinity;
  #at_end = true; // and so kept at the newest; not while the reader reads back
  #top = 0; // where it was scrolled to

  /// `announce(text)` says something to who cannot see it; `read_history(before_seq)` resolves to a page of messages.
  constructor({ label, announce, read_history }) {
    this.announce = announce;
    this.read_history = read_history;
    this.earlier = element(
      "button",
      { type: "button", class: "earlier quiet", hidden: true, click: () => this.#show_earlier() },
      "Earlier messages",
    );
    this.list = element("ol", {});
    this.element = element(
      "div",
      { class: "log", tabindex: "0", role: "group", "aria-label": label },
      this.earlier,
      this.list,
    );
    // What grows below moves nobody: only who goes up reads back, and only who comes down to the end follows again.
    this.element.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.element;
      if (scrollTop < this.#top) this.#at_end = false;
      if (scrollHeight - scrollTop - clientHeight < 2) this.#at_end = true;
      this.#top = scrollTop;
    });
    // Before the element has moved: the next piece of an answer may come first.
    this.element.addEventListener("wheel", ({ deltaY }) => {
      if (deltaY < 0 && this.#top > 0) this.#at_end = false;
    });
    this.element.addEventListener("keydown", ({ key }) => {
      if (["ArrowUp", "PageUp", "Home"].includes(key) && this.#top > 0) this.#at_end = false;
    });
  }

  /// Scrolls to the newest, unless the reader has gone up to read.
  follow(anyway = false) {
    if (anyway) this.#at_end = true;
    requestAnimationFrame(() => this.#at_end && this.#scroll_to(this.element.scrollHeight));
  }

  /// Shows what was shown when it was last on the page.
  restore() {
    if (this.#at_end) this.follow();
    else this.#scroll_to(this.#top);
  }

  has(message_id) {
    return this.#messages.has(message_id);
  }

  #scroll_to(top) {
    this.element.scrollTop = top;
    this.#top = this.element.scrollTop;
  }

  /// Shows what a snapshot says instead of everything shown so far, except what waits to be sent.
  show_snapshot({ messages, run }) {
    const top = this.#top;
    this.list.replaceChildren(...this.#pending.values());
    this.#messages.clear();
    this.#steps.clear();
    this.#thoughts = null;
    this.#first_seq = Infinity;
    this.set_run(null);
    for (const message of messages) this.#show_message(message);
    this.#remember_first(messages, (messages[0]?.seq ?? 1) > 1);
    if (run) {
      this.set_run(run.run_id, "Working…");
      for (const call of run.tool_calls ?? []) {
        this.#step_started(call);
        if (call.result !== undefined && call.result !== null) this.#step_ended(call);
      }
      if (run.message_id) this.#show_message({ message_id: run.message_id, role: "assistant", content: run.content });
    }
    this.#scroll_to(top);
    this.follow();
  }

  /// Shows one event.
  apply({ run_id, event }) {
    switch (event.type) {
      case "message_accepted":
        this.#pending.get(event.client_message_id)?.remove();
        this.#pending.delete(event.client_message_id);
        this.#show_message({ role: "user", ...event });
        if (run_id) this.set_run(run_id, "Waiting for the agent…");
        break;
      case "agent_started":
        this.set_run(run_id, "Working…");
        break;
      case "agent_thinking":
        this.set_run(run_id, "Thinking…");
        if (event.delta) this.#think(event.delta);
        break;
      case "message_started":
        this.set_run(run_id, "Answering…");
        this.#show_message({ content: "", ...event });
        break;
      case "message_delta":
        this.#messages.get(event.message_id)?.text.appendData(event.delta);
        break;
      case "message_completed":
        this.#show_message({ role: "assistant", ...event });
        this.announce(`Answer: ${event.content}`);
        break;
      case "tool_executing":
        this.set_run(run_id, `Using ${event.name}…`);
        this.#step_started(event);
        break;
      case "tool_arguments":
        this.#steps.get(event.tool_call_id)?.given.append(event.delta);
        break;
      case "tool_completed":
        this.set_run(run_id, "Working…");
        this.#step_ended(event);
        break;
      case "agent_interrupted":
        this.show_line("The agent waits for a decision that this page cannot make.");
        break;
      case "agent_completed":
        this.set_run(null);
        break;
      case "agent_cancelled":
        this.set_run(null);
        this.show_line("Stopped.");
        break;
      case "agent_failed":
        this.set_run(null);
        this.show_line(`The agent failed: ${event.message} (${event.code})`, "error");
        break;
    }
    this.follow();
  }

  set_run(run_id, activity = "") {
    if (!run_id) this.#thoughts = null;
    this.run = run_id ? { run_id } : null;
    this.activity = activity;
  }

  /// Adds a line that is nobody's message.
  show_line(text, kind = "note") {
    this.#add(element("li", { class: kind, dir: "auto" }, text));
    this.announce(text);
    this.follow();
  }

  /// Shows a message that the server has not accepted yet; `state` says why.
  show_pending(client_message_id, content, state) {
    const item = element(
      "li",
      { class: "user pending" },
      element("p", { dir: "auto" }, content),
      element("small", {}, state),
    );
    this.#pending.get(client_message_id)?.remove();
    this.#pending.set(client_message_id, item);
    this.list.append(item);
    this.follow(true);
  }

  /// The server has the message; its event may have been part of a snapshot.
  show_sent(client_message_id, message_id) {
    if (!this.#messages.has(message_id)) return;
    this.#pending.get(client_message_id)?.remove();
    this.#pending.delete(client_message_id);
  }

  /// Says at the message why it was refused, and offers what can be done about it.
  show_failed(client_message_id, error, again, discard) {
    const item = this.#pending.get(client_message_id);
    if (!item) return;
    const gone = (then) => () => {
      item.remove();
      this.#pending.delete(client_message_id);
      then();
    };
    item.classList.add("failed");
    item.lastChild.replaceWith(
      element("small", { role: "alert" }, `Not sent. ${error.message} (${error.code}) `),
      element(
        "span",
        { class: "choices" },
        element("button", { type: "button", click: gone(again) }, "Send again"),
        element("button", { type: "button", class: "quiet", click: gone(discard) }, "Edit"),
      ),
    );
    this.follow();
  }

  #show_message({ message_id, role, content }, before) {
    const known = this.#messages.get(message_id);
    const text = text_of(content);
    if (known) {
      if (known.text.data !== text) known.text.data = text;
      return;
    }
    const node = document.createTextNode(text);
    const who = element("span", { class: "hidden" }, role === "user" ? "You: " : "Agent: ");
    const said = element("p", { dir: "auto" }, node);
    const item = element("li", { class: role === "user" ? "user" : "assistant" }, who, said);
    this.#messages.set(message_id, { item, text: node });
    this.#add(item, before);
  }

  /// Adds to the log, in front of what waits to be sent.
  #add(item, before = this.#pending.values().next().value ?? null) {
    this.list.insertBefore(item, before);
  }

  #think(delta) {
    if (!this.#thoughts) {
      this.#thoughts = element("p", { dir: "auto" });
      this.#add(
        element("li", {}, element("details", { class: "step" }, element("summary", {}, "Thoughts"), this.#thoughts)),
      );
    }
    this.#thoughts.append(delta);
  }

  #step_started({ tool_call_id, name, arguments: given }) {
    const state = element("span", { class: "hidden" }, "running");
    const result = element("output", {});
    const shown = element("code", {}, described(given));
    const whole = element("pre", {}, JSON.stringify(given, null, 2));
    const item = element(
      "details",
      { class: "step running" },
      element("summary", {}, element("b", {}, name), " ", shown, " ", state, result),
      whole,
    );
    this.#steps.set(tool_call_id, { item, state, given: whole, result });
    this.#add(element("li", {}, item));
  }

  #step_ended({ tool_call_id, result, is_error }) {
    const step = this.#steps.get(tool_call_id);
    if (!step) return;
    step.item.classList.replace("running", is_error ? "failed" : "done");
    step.state.textContent = is_error ? "failed: " : "done: ";
    step.result.textContent = result;
    step.item.append(element("pre", {}, result));
  }

  #remember_first(messages, more) {
    this.#first_seq = messages[0]?.seq ?? this.#first_seq;
    this.earlier.hidden = !more;
  }

  async #show_earlier() {
    try {
      const { messages, more } = await this.read_history(this.#first_seq);
      const height = this.element.scrollHeight;
      const first = this.list.firstChild ?? undefined;
      for (const message of messages) this.#show_message(message, first);
      this.#remember_first(messages, more);
      this.#scroll_to(this.element.scrollTop + this.element.scrollHeight - height);
    } catch (error) {
      this.show_line(error.message, "error");
    }
  }
}
