/// Makes tokens with npm's `jose`, honest and forged ones, for a Python test that orders them.
import { createSecretKey } from "node:crypto";
import { SignJWT, exportJWK, exportSPKI, generateKeyPair, importPKCS8 } from "jose";
import { obey } from "./orders.mjs";

const pairs = new Map();

await obey({
  /// Makes a key pair and keeps it under its name; returns its public half.
  async make_key({ name, algorithm, options = {} }) {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true, ...options });
    pairs.set(name, privateKey);
    return { pem: await exportSPKI(publicKey), jwk: { ...(await exportJWK(publicKey)), alg: algorithm, use: "sig" } };
  },

  /// Keeps somebody else's private key under a name.
  async take_key({ name, algorithm, pem }) {
    pairs.set(name, await importPKCS8(pem, algorithm));
  },

  /// Returns a token that `jose` signs with a named key, or by HS256 with the bytes of `secret` (base64).
  async sign({ key, secret, header, claims, critical }) {
    const by = key ? pairs.get(key) : createSecretKey(Buffer.from(secret, "base64"));
    return new SignJWT(claims).setProtectedHeader(header).sign(by, { crit: critical });
  },
});
