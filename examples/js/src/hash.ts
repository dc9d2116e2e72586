import { EngineError } from "./errors.js";

/** Return the hexadecimal SHA-256 of some bytes, by WebCrypto. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  if (!globalThis.crypto?.subtle) {
    throw new EngineError(
      "WebCrypto is missing, so files cannot be checked: browsers offer it on https and " +
        "localhost only; serve the page there, or pass { checkSha256: false }",
    );
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as BufferSource));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
