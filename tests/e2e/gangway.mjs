/// Starts Gangway for a test that is written for Node: on free ports, in a folder of its own, ended by its pid.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { openSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises"; // tidy: allow (between questions whether it is ready)

const program = process.env.GANGWAYD ?? fileURLToPath(new URL("../../build/release/gangwayd", import.meta.url));

/// Returns ports below those that the kernel hands out by itself, so that nobody gets them by accident meanwhile.
async function free_ports(count) {
  const ports = [];
  while (ports.length < count) {
    const port = randomInt(20_000, 32_000);
    const server = createServer().listen(port, "127.0.0.1");
    const free = await once(server, "listening").then(() => once(server.close(), "close"), () => false);
    if (free) ports.push(port);
  }
  return ports;
}

export class Server {
  /// `options` are lines of the configuration, by section.
  static async start(options = {}) {
    const server = new Server();
    server.folder = await mkdtemp(join(tmpdir(), "gangway-e2e-"));
    const [port, admin_port] = await free_ports(2);
    server.address = `127.0.0.1:${port}`;
    const lines = [`listen = "${server.address}"`];
    const sections = {
      admin: [`listen = "127.0.0.1:${admin_port}"`],
      auth: ['secret = "a secret for the end-to-end tests only"'],
      store: [`path = "${join(server.folder, "gangway.db")}"`],
      ...options,
    };
    for (const [name, section] of Object.entries(sections)) lines.push(`[${name}]`, ...section);
    server.log = join(server.folder, "log");
    await writeFile(join(server.folder, "gangway.toml"), lines.join("\n") + "\n");
    await server.run();
    return server;
  }

  get url() {
    return `http://${this.address}/`;
  }

  /// Starts the program, again too, and returns when it is ready.
  async run() {
    const log = openSync(this.log, "a");
    const command = ["--pdeathsig", "KILL", program, "--dev", "--config", join(this.folder, "gangway.toml")];
    this.process = spawn("setpriv", command, { stdio: ["ignore", log, log] }); // does not outlive a test that is killed
    this.ended = once(this.process, "exit");
    const deadline = Date.now() + 20_000;
    for (;;) {
      const ready = await fetch(`${this.url}health/ready`).then(
        (response) => response.ok,
        () => false,
      );
      if (ready) return;
      if (this.process.exitCode !== null || Date.now() > deadline) {
        throw new Error(`gangwayd did not become ready:\n${await readFile(this.log, "utf8")}`);
      }
      await pause(20);
    }
  }

  /// Ends the program by a signal and returns its exit code.
  async end(signal = "SIGTERM") {
    const { process, ended } = this;
    AbortSignal.timeout(20_000).addEventListener("abort", () => process.kill("SIGKILL"));
    process.kill(signal);
    return (await ended)[0];
  }

  async clean_up() {
    if (this.process?.exitCode === null && this.process.signalCode === null) await this.end();
    await rm(this.folder, { recursive: true, force: true });
  }

  /// Returns a token of the page's own kind.
  async token(user, tier = "free") {
    const response = await fetch(`${this.url}dev/token`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user, tier }),
    });
    if (!response.ok) throw new Error(`no token: ${response.status} ${await response.text()}`);
    return (await response.json()).token;
  }
}
