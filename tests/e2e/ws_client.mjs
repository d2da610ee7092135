/// npm's `ws` speaks to Gangway: signs in, asks, reads the answer, loses the socket and goes on.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { Server } from "./gangway.mjs";

let server;
before(async () => (server = await Server.start()));
after(() => server?.clean_up());

/// A socket whose frames are taken one by one, in order.
class Client {
  #frames = [];
  #next_id = 0;

  static async connect(token, protocols = [], options = {}) {
    const client = new Client();
    client.socket = new WebSocket(`ws://${server.address}/ws`, protocols, options);
    client.socket.on("message", (data, binary) => {
      assert.equal(binary, false);
      client.#frames.push(JSON.parse(data));
      client.socket.emit("frame");
    });
    await once(client.socket, "open", { signal: AbortSignal.timeout(10_000) });
    client.hello = await client.take((frame) => frame.type === "connected");
    return client;
  }

  /// Returns the next frame for which `wanted` holds, and leaves the others.
  async take(wanted) {
    const signal = AbortSignal.timeout(10_000);
    for (;;) {
      const index = this.#frames.findIndex(wanted);
      if (index >= 0) return this.#frames.splice(index, 1)[0];
      await once(this.socket, "frame", { signal });
    }
  }

  async request(type, fields) {
    const id = ++this.#next_id;
    this.socket.send(JSON.stringify({ id, type, ...fields }));
    const { result, error } = await this.take((frame) => frame.id === id);
    assert.equal(error, undefined, JSON.stringify(error));
    return result;
  }

  /// Returns the events up to and with the one of this type.
  async events_until(type) {
    const events = [];
    while (events.at(-1)?.event.type !== type) events.push(await this.take((frame) => frame.type === "event"));
    return events;
  }

  async close() {
    this.socket.close(1000);
    return (await once(this.socket, "close", { signal: AbortSignal.timeout(10_000) }))[0];
  }
}

async function by_subprotocol(user) {
  const token = await server.token(user);
  const credential = `base64url.bearer.authorization.gangway.${Buffer.from(token).toString("base64url")}`;
  return Client.connect(token, ["gangway.v1.json", credential]);
}

test("a question is answered step by step, in order", async () => {
  const client = await by_subprotocol("ada");
  assert.equal(client.socket.protocol, "gangway.v1.json");
  assert.equal(client.hello.user_id, "ada");
  assert.equal(client.hello.tier, "free");
  await client.request("thread.open", { thread_id: "t1" });
  const sent = await client.request("message.send", {
    thread_id: "t1",
    content: "what is 12*(3+4)?",
    client_message_id: "c1",
  });
  const frames = await client.events_until("agent_completed");
  assert.deepEqual(
    frames.map((frame) => frame.seq),
    frames.map((_, index) => sent.seq + index),
  );
  const types = frames.map((frame) => frame.event.type).filter((type, index, all) => type !== all[index - 1]);
  assert.deepEqual(types, [
    "message_accepted",
    "agent_started",
    "agent_thinking",
    "tool_executing",
    "tool_completed",
    "message_started",
    "message_delta",
    "message_completed",
    "agent_completed",
  ]);
  const of = (type) => frames.filter((frame) => frame.event.type === type).map((frame) => frame.event);
  assert.deepEqual(of("tool_executing")[0].arguments, { expression: "12*(3+4)" });
  assert.equal(of("tool_completed")[0].result, "84");
  const [completed] = of("message_completed");
  assert.match(completed.content, /84/);
  assert.equal(
    of("message_delta")
      .map((event) => event.delta)
      .join(""),
    completed.content,
  );
  assert.equal(await client.close(), 1000);
});

test("a thread goes on where a lost socket left it", async () => {
  const first = await by_subprotocol("grace");
  const { epoch } = await first.request("thread.open", { thread_id: "t1" });
  await first.request("message.send", { thread_id: "t1", content: "/stream 30 100" });
  const seen = await first.events_until("message_delta");
  first.socket.terminate();
  const second = await by_subprotocol("grace");
  const opened = await second.request("thread.open", { thread_id: "t1", epoch, after_seq: seen.at(-1).seq });
  assert.equal(opened.resumed, true);
  const frames = [...seen, ...(await second.events_until("agent_completed"))];
  assert.deepEqual(
    frames.map((frame) => frame.seq),
    frames.map((_, index) => index + 1),
  );
  assert.equal(frames.filter((frame) => frame.event.type === "message_delta").length, 30);
  await second.close();
});

test("a token in the header is as good as one in the subprotocol", async () => {
  const token = await server.token("linus", "pro");
  const client = await Client.connect(token, [], { headers: { authorization: `Bearer ${token}` } });
  assert.equal(client.hello.user_id, "linus");
  assert.equal(client.hello.tier, "pro");
  await client.close();
});

test("a wrong token is refused at the upgrade", async () => {
  const socket = new WebSocket(`ws://${server.address}/ws`, { headers: { authorization: "Bearer not.a.token" } });
  const [, response] = await once(socket, "unexpected-response", { signal: AbortSignal.timeout(10_000) });
  assert.equal(response.statusCode, 401);
  response.resume();
});
