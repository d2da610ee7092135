/// Clients over TLS that a Python test orders: npm's `ws`, and a real Chromium on the demo page.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { launch_chromium } from "./chromium.mjs";
import WebSocket from "ws";
import { obey } from "./orders.mjs";

const patience = 20_000;
const question = "what is 12*(3+4)?";

await obey({
  /// Signs in, asks, and returns by which protocol and cipher that went, who greeted, and the answer.
  async ws({ url, ca_file, bearer, options = {} }) {
    const ca = ca_file ? await readFile(ca_file) : undefined;
    const socket = new WebSocket(url, { ca, headers: { authorization: `Bearer ${bearer}` }, ...options });
    const signal = AbortSignal.timeout(patience);
    let protocol, cipher;
    socket.on("upgrade", ({ socket: stream }) => {
      protocol = stream.getProtocol();
      cipher = stream.getCipher().standardName;
    });
    const frames = [];
    socket.on("message", (data) => {
      frames.push(JSON.parse(data));
      socket.emit("frame");
    });
    await once(socket, "open", { signal });
    const ask = (id, type, fields) => socket.send(JSON.stringify({ id, type, thread_id: "t1", ...fields }));
    ask(1, "thread.open");
    ask(2, "message.send", { content: question });
    const ended = () => frames.find((frame) => /^agent_(completed|failed)$/.test(frame.event?.type));
    while (!ended()) await once(socket, "frame", { signal });
    socket.close(1000);
    const [code] = await once(socket, "close", { signal });
    const answer = frames.find((frame) => frame.event?.type === "message_completed")?.event.content;
    return { protocol, cipher, greeting: frames[0], answer, code };
  },

  /// Opens the demo page, signs in and asks; returns by which protocol the page came, and the sockets that it opened.
  async browse({ page: url, key_hash, flags = [], user }) {
    const trust = key_hash ? [`--ignore-certificate-errors-spki-list=${key_hash}`] : [];
    const browser = await launch_chromium([...trust, ...flags]);
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(patience);
      const sockets = [];
      page.on("websocket", (socket) => sockets.push(socket.url()));
      const response = await page.goto(url);
      const { protocol } = await response.securityDetails();
      await page.getByLabel("User").fill(user);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.locator('#connection[data-state="connected"]').waitFor();
      await page.locator(".log").waitFor(); // the thread is open
      await page.getByLabel("Message", { exact: true }).fill(question);
      await page.keyboard.press("Enter");
      const answer = page.locator(".log .assistant p").filter({ hasText: "84" });
      await answer.waitFor();
      return { protocol, sockets, answer: await answer.innerText() };
    } finally {
      await browser.close();
    }
  },
});
