/// npm's `oauth2-mock-server` as the issuer of tokens, for a Python test that changes its keys, counts who asks for
/// them, and has it misbehave.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as create_secure_server } from "node:https";
import { OAuth2Server } from "oauth2-mock-server";
import { obey } from "./orders.mjs";

const signing = new OAuth2Server(); // has every key that there ever was
let listing = new OAuth2Server(); // has those that /jwks shows
let listener;
let port = 0;
let asked = 0;
let behaviour = "well";
let headers = {};
let held; // answers that wait, while they are held back

/// Whatever an HTTP server may answer instead of a set of keys.
const misbehaviours = {
  garbage: (response) => response.end("\x00\xff{]"),
  nothing: (response) => response.end(),
  html: (response) => response.setHeader("Content-Type", "text/html").end("<h1>Sign in</h1>"),
  no_keys: (response) => response.end(JSON.stringify({ keys: "none" })),
  a_list: (response) => response.end("[]"),
  error: (response) => response.writeHead(500).end(JSON.stringify({ keys: listing.issuer.keys.toJSON() })),
  not_found: (response) => response.writeHead(404).end(),
  elsewhere: (response) => response.writeHead(302, { Location: "/other" }).end(),
  cut_short: (response) => {
    response.writeHead(200, { "Content-Length": 1000 }).write('{"keys":');
    setImmediate(() => response.destroy());
  },
  huge: (response) => {
    const filling = "x".repeat(1 << 20);
    response.write('{"filling":"');
    const more = (left) => {
      if (left === 0 || response.destroyed) return response.end('"}');
      response.write(filling, () => more(left - 1));
    };
    more(200);
  },
  slow: (response) => {
    response.write(" ");
    const drip = setInterval(() => response.write(" "), 200);
    response.on("close", () => clearInterval(drip));
  },
  silent: () => {},
};

function answer(request, response) {
  if (request.url !== "/jwks") return response.writeHead(404).end();
  asked += 1;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  const give = misbehaviours[behaviour] ?? (() => listing.service.requestHandler(request, response));
  if (held) held.push(() => give(response));
  else give(response);
}

await obey({
  /// Listens, at the same port as before if there was one, by TLS with a certificate; returns the port.
  async start({ certificate, key }) {
    listener = certificate
      ? create_secure_server({ cert: await readFile(certificate), key: await readFile(key) }, answer)
      : createServer(answer);
    listener.listen(port, "127.0.0.1");
    await once(listener, "listening");
    return (port = listener.address().port);
  },

  /// Is gone, as far as anybody can see, and so are the connections to it.
  async stop() {
    listener.close();
    listener.closeAllConnections();
    await once(listener, "close");
  },

  /// Has a new key, and shows it at /jwks.
  async add_key({ algorithm, kid }) {
    const options = algorithm === "EdDSA" ? { kid, crv: "Ed25519" } : { kid };
    const key = await signing.issuer.keys.generate(algorithm, options);
    await listing.issuer.keys.add(key);
  },

  /// Shows a key no more, but goes on signing with it.
  async remove_key({ kid }) {
    const rest = listing.issuer.keys.toJSON(true).filter((key) => key.kid !== kid);
    listing = new OAuth2Server();
    for (const key of rest) await listing.issuer.keys.add(key);
  },

  /// Returns a token with these claims beside the issuer's own.
  async mint({ kid, claims, expires_in = 3600 }) {
    signing.issuer.url = `http://127.0.0.1:${port}`;
    const scopesOrTransform = (_, payload) => Object.assign(payload, claims);
    return signing.issuer.buildToken({ kid, expiresIn: expires_in, scopesOrTransform });
  },

  /// Answers from now on "well", or by one of the misbehaviours, with these headers besides.
  behave(how) {
    behaviour = how.how;
    headers = how.headers ?? {};
  },

  /// Keeps its answers back, until they are released.
  hold() {
    held ??= [];
  },
  release() {
    const waiting = held ?? [];
    held = undefined;
    for (const give of waiting) give();
    return waiting.length;
  },

  misbehaviours: () => Object.keys(misbehaviours),
  asked: () => asked,
});
process.exit(); // whoever still asks is let down
