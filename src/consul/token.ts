// The ACL token that its file holds now. A file of its own, because the lease's thread imports as little as it can.
import { readFileSync } from "node:fs";
import type { ConsulConfig } from "./config.ts";

/**
 * After a refusal: an operator who replaces a revoked token writes the file, and no agent need be restarted. The known
 * token where there is no file, or it holds none that could be sent. Never printed.
 */
export function freshToken({ token, tokenFile }: ConsulConfig): string | null {
  if (tokenFile === null) return token;
  try {
    const text = readFileSync(tokenFile, "utf8").trim();
    return isToken(text) ? text : token;
  } catch {
    return token; // Gone, or being replaced: Consul's next refusal asks again.
  }
}

/** It becomes a header: one that could end it early, or begin another, is refused. */
export function isToken(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}
