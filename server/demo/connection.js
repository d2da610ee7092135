/// A connection to Gangway that heals itself. It dials again with back-off and full jitter, opens its threads again
/// where they stopped, hands every event on exactly once, and sends again what was not answered. It knows no page.
///
/// Dispatches CustomEvents; `detail` is
///   state      {state: "connecting" | "connected" | "doubtful" | "waiting" | "closed", retry_at?, code?, reason?};
///              doubtful: the device says that it is offline, and the server is asked whether it is still there
///   connected  the `connected` frame
///   opened     the result of a `thread.open`, with a snapshot unless it resumed
///   event      an `event` frame: in order, no gap, never twice
///   notice     a `notice` frame
///   refused    {thread_id, error}: a thread could not be opened again; it is closed now
///   bad_frame  the error of a frame that the server could not read

const delay_min_ms = 500;
const delay_max_ms = 30_000;
const dial_timeout_ms = 15_000;
const doubt_ms = 3_000; // for an answer when the device says that it is offline
const settled_after_ms = 10_000; // a connection that ends sooner does not reset the back-off

/// Why a command failed: an error reply of the server, or `disconnected` if the answer was lost with the socket.
export class CommandError extends Error {
  constructor({ code, message, temporary = false, retry_after_ms, details }) {
    super(message);
    Object.assign(this, { code, temporary, retry_after_ms, details });
  }
}

/// Returns an id nobody else has. (randomUUID exists in secure contexts only.)
export function random_id() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/// Returns when a JWT expires, in UTC milliseconds; never, for one that does not say.
export function expiry_of(token) {
  try {
    const { exp } = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    return Number.isFinite(exp) ? exp * 1000 : Infinity;
  } catch {
    return Infinity;
  }
}

const base64url = (text) => btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

export class Connection extends EventTarget {
  #url;
  #token;
  #renew = false; // the next dial needs a new token
  #socket = null;
  #dials = 0; // tells a token that comes late from the one that is waited for
  #attempt = 0;
  #jitter_max_ms = 2000;
  #ping_interval_ms = 25_000;
  #pong_timeout_ms = 10_000;
  #connected_at = null;
  #goodbye = null; // the `disconnect` frame that announced the close
  #retry_timer;
  #silence_timer;
  #refresh_timer;
  #requests = new Map(); // id → {resolve, reject, accept}
  #last_id = 0;
  #threads = new Map(); // thread_id → {epoch, seq, opening, detached}
  #outbox = new Map(); // client_message_id → {thread_id, content, resolve, reject, in_flight}

  /// `url` of the endpoint; `token(renew)` resolves to a token, a new one if `renew`. It may reject with an error that
  /// is `permanent`: then the connection closes; otherwise it tries again.
  constructor({ url, token }) {
    super();
    this.#url = url;
    this.#token = token;
    addEventListener("online", () => this.#retry_timer && this.connect());
    addEventListener("offline", () => this.#doubt());
  }

  get connected() {
    return this.#connected_at !== null;
  }

  /// Dials now, unless there is a socket already; also cuts a waiting time short.
  connect() {
    if (!this.#socket) this.#dial();
  }

  /// Closes for good, until `connect` is called.
  close() {
    this.#drop(1000, "closed by the user", false);
  }

  /// Sends a command; resolves to its result or rejects with a CommandError.
  request(type, fields = {}, accept) {
    return new Promise((resolve, reject) => {
      if (!this.connected) return reject(lost());
      const id = ++this.#last_id;
      this.#requests.set(id, { resolve, reject, accept });
      this.#socket.send(JSON.stringify({ id, type, ...fields }));
    });
  }

  /// Opens a thread and keeps it open until `close_thread`, across lost sockets too. `opened` or `refused` follows.
  open_thread(thread_id) {
    if (!this.#threads.has(thread_id)) this.#threads.set(thread_id, { detached: 0 });
    this.#open(thread_id);
  }

  close_thread(thread_id) {
    this.#threads.delete(thread_id);
    this.#give_up((entry) => entry.thread_id === thread_id, lost("The thread was closed."));
    return this.request("thread.close", { thread_id });
  }

  /// Sends a message and keeps at it, with the same client_message_id, until the server has answered.
  send(thread_id, content, client_message_id = random_id()) {
    return new Promise((resolve, reject) => {
      if (!this.#threads.has(thread_id))
        return reject(new CommandError({ code: "not_open", message: "The thread is not open." }));
      this.#outbox.set(client_message_id, { thread_id, content, resolve, reject, in_flight: false });
      this.#flush(thread_id);
    });
  }

  // -- the socket -----------------------------------------------------------------------------------------------------

  async #dial() {
    clearTimeout(this.#retry_timer);
    this.#retry_timer = undefined;
    const dial = ++this.#dials;
    this.#enter("connecting");
    let token;
    try {
      token = await this.#token(this.#renew);
    } catch (error) {
      if (dial === this.#dials) this.#end(error.permanent ? 4500 : 1006, error.message);
      return;
    }
    if (dial !== this.#dials) return;
    // Browsers hide the status of a refused upgrade: until this token has proved good, the next dial takes a new one.
    this.#renew = true;
    const socket = new WebSocket(this.#url, [
      "gangway.v1.json",
      `base64url.bearer.authorization.gangway.${base64url(token)}`,
    ]);
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data), token);
    socket.onclose = ({ code, reason }) => this.#end(code, reason);
    this.#silence_timer = setTimeout(() => this.#drop(1006, "no answer"), dial_timeout_ms);
  }

  /// Leaves the socket without waiting for the other side, which may be gone.
  #drop(code, reason, again = true) {
    ++this.#dials;
    if (this.#socket) {
      this.#socket.onclose = this.#socket.onmessage = null;
      this.#socket.close();
    }
    this.#end(code, reason, again);
  }

  #end(code, reason, again = true) {
    for (const timer of [this.#retry_timer, this.#silence_timer, this.#refresh_timer]) clearTimeout(timer);
    const goodbye = this.#goodbye ?? { code, reason };
    if (this.connected && performance.now() - this.#connected_at > settled_after_ms) this.#attempt = 0;
    this.#socket = this.#connected_at = this.#goodbye = null;
    if (code === 4005) this.#renew = true;
    for (const thread of this.#threads.values()) thread.opening = false;
    for (const { reject } of this.#requests.values()) reject(lost());
    this.#requests.clear();
    // Sending it again would end the next socket the same way.
    if (code === 1009) this.#give_up((entry) => entry.in_flight, new CommandError(too_large));

    const after_a_while = goodbye.retry_after_ms !== undefined;
    const by_the_user_only = code >= 4440 && code <= 4449 && !after_a_while;
    if (!again || by_the_user_only || goodbye.reconnect === false || (code >= 4500 && code <= 4999)) {
      this.#enter("closed", goodbye);
      return;
    }
    const spread = Math.min(delay_max_ms, Math.max(this.#jitter_max_ms, delay_min_ms * 2 ** this.#attempt++));
    const delay = (goodbye.retry_after_ms ?? 0) + Math.random() * spread;
    this.#retry_timer = setTimeout(() => this.#dial(), delay);
    this.#enter("waiting", { ...goodbye, retry_at: Date.now() + delay });
  }

  #enter(state, detail = {}) {
    this.#tell("state", { code: detail.code, reason: detail.reason, retry_at: detail.retry_at, state });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /// Pages do not see WebSocket pings, so silence is ended by a question, and no answer ends the socket.
  #heard() {
    clearTimeout(this.#silence_timer);
    this.#silence_timer = setTimeout(() => {
      this.request("ping").catch(() => {});
      this.#silence_timer = setTimeout(() => this.#drop(1006, "no answer"), this.#pong_timeout_ms);
    }, this.#ping_interval_ms);
  }

  /// A device that is offline may still reach a server on itself, so the server is asked.
  async #doubt() {
    if (!this.connected) return;
    this.#enter("doubtful");
    clearTimeout(this.#silence_timer);
    this.#silence_timer = setTimeout(() => this.#drop(1006, "this device is offline"), doubt_ms);
    try {
      await this.request("ping");
      this.#enter("connected");
    } catch {
      // the socket is gone, and that was said
    }
  }

  #keep_token(token) {
    const left = expiry_of(token) - Date.now();
    if (left === Infinity) return;
    const socket = this.#socket;
    this.#refresh_timer = setTimeout(
      async () => {
        try {
          const fresh = await this.#token(true);
          if (socket !== this.#socket) return;
          await this.request("token.refresh", { token: fresh });
          this.#keep_token(fresh);
        } catch {
          this.#renew = true; // the server closes with 4005, and the next dial renews
        }
      },
      Math.min(Math.max(left - 60_000, left / 2, 1000), 2 ** 31 - 1),
    );
  }

  // -- frames ---------------------------------------------------------------------------------------------------------

  #receive(frame, token) {
    if (frame.type === "connected") this.#welcome(frame, token);
    this.#heard();
    if (frame.id !== undefined) this.#answered(frame);
    else if (frame.error) this.#tell("bad_frame", new CommandError(frame.error));
    else if (frame.type === "event") this.#apply(frame);
    else if (frame.type === "notice") this.#noticed(frame);
    else if (frame.type === "disconnect") this.#goodbye = frame;
    else if (frame.type === "ping") this.#socket.send('{"type":"pong"}');
  }

  #welcome(frame, token) {
    this.#connected_at = performance.now();
    this.#renew = false;
    this.#jitter_max_ms = frame.reconnect?.jitter_max_ms ?? this.#jitter_max_ms;
    this.#ping_interval_ms = frame.ping_interval_ms || this.#ping_interval_ms;
    this.#pong_timeout_ms = frame.pong_timeout_ms || this.#pong_timeout_ms;
    this.#keep_token(token);
    this.#enter("connected");
    this.#tell("connected", frame);
    for (const thread_id of this.#threads.keys()) this.#open(thread_id);
  }

  #answered({ id, result, error }) {
    const request = this.#requests.get(id);
    if (!request) return;
    this.#requests.delete(id);
    if (error) return request.reject(new CommandError(error));
    request.accept?.(result); // at once: the events of an opened thread come right behind
    request.resolve(result);
  }

  /// Exactly once: what was applied is left out, and what is missing is asked for.
  #apply(frame) {
    const { thread_id, epoch, seq, first_seq = seq } = frame;
    const thread = this.#threads.get(thread_id);
    if (!thread || thread.opening || (epoch === thread.epoch && seq <= thread.seq)) return;
    if (epoch !== thread.epoch || first_seq > thread.seq + 1) return this.#open(thread_id);
    if (first_seq <= thread.seq) {
      delete thread.epoch; // half of a coalesced frame cannot be applied: begin anew, with a snapshot
      return this.#open(thread_id);
    }
    thread.seq = seq;
    thread.detached = 0;
    this.#tell("event", frame);
  }

  #noticed(frame) {
    const thread = this.#threads.get(frame.thread_id);
    if (thread && frame.kind === "manager_evicted") this.#threads.delete(frame.thread_id); // two tabs must not fight
    if (thread && frame.kind === "thread_detached") {
      thread.opening = true;
      const spread = Math.min(delay_max_ms, 250 * 2 ** thread.detached++);
      setTimeout(() => this.#open(frame.thread_id), Math.random() * spread);
    }
    this.#tell("notice", frame);
  }

  // -- threads --------------------------------------------------------------------------------------------------------

  /// Opens a known thread where it stopped, or with a snapshot if there is no place to go on from.
  async #open(thread_id) {
    const thread = this.#threads.get(thread_id);
    if (!thread || !this.connected) return; // the next `connected` opens it
    thread.opening = true;
    const position = thread.epoch === undefined ? {} : { epoch: thread.epoch, after_seq: thread.seq };
    try {
      await this.request("thread.open", { thread_id, ...position }, (result) => {
        if (thread !== this.#threads.get(thread_id)) return; // closed meanwhile
        if (!result.resumed) Object.assign(thread, { epoch: result.epoch, seq: result.seq });
        thread.opening = false;
        this.#tell("opened", result);
        this.#flush(thread_id);
      });
    } catch (error) {
      if (error.code === "disconnected" || thread !== this.#threads.get(thread_id)) return;
      // It was open before and only cannot be opened right now: nothing of it is given up.
      if (error.temporary && error.code !== "manager_limit" && thread.epoch !== undefined) {
        setTimeout(() => this.#open(thread_id), (error.retry_after_ms ?? 1000) * (1 + Math.random()));
        return;
      }
      this.#threads.delete(thread_id);
      this.#give_up((entry) => entry.thread_id === thread_id, error);
      this.#tell("refused", { thread_id, error });
    }
  }

  // -- messages -------------------------------------------------------------------------------------------------------

  #flush(thread_id) {
    const thread = this.#threads.get(thread_id);
    if (!this.connected || !thread || thread.opening) return;
    for (const [client_message_id, entry] of this.#outbox) {
      if (entry.thread_id === thread_id && !entry.in_flight) this.#transmit(client_message_id, entry);
    }
  }

  async #transmit(client_message_id, entry) {
    const { thread_id, content } = entry;
    entry.in_flight = true;
    try {
      const result = await this.request("message.send", { thread_id, content, client_message_id });
      this.#outbox.delete(client_message_id);
      entry.resolve(result);
    } catch (error) {
      entry.in_flight = false;
      if (error.code === "disconnected") return; // sent again when its thread is open again
      if (error.code === "not_open" && !entry.reopened) {
        entry.reopened = true;
        if (!this.#threads.get(thread_id)?.opening) this.#open(thread_id);
        return;
      }
      this.#outbox.delete(client_message_id);
      entry.reject(error);
    }
  }

  #give_up(concerns, error) {
    for (const [client_message_id, entry] of this.#outbox) {
      if (!concerns(entry)) continue;
      this.#outbox.delete(client_message_id);
      entry.reject(error);
    }
  }
}

const too_large = { code: "too_large", message: "The message is too large." };

function lost(message = "The connection was lost before the answer came.") {
  return new CommandError({ code: "disconnected", message, temporary: true });
}
