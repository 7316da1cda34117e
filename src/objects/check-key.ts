// The guard before every request: a key or a body that no store takes.
import { keyProblem } from "../core/object-key.ts";
import { RefusedError } from "../errors.ts";

/** What `put` and `get` take whole. */
export const SMALL_BYTES_MAX = 16 * 1024 * 1024;

export function checkKey(key: string): void {
  const problem = keyProblem(key);
  if (problem === null) return;
  const why = `${JSON.stringify(key.slice(0, 100))} is no key of an object: ${problem}`;
  throw new RefusedError("AP_OBJECTS_LIMIT", why, { hint: "choose another name" });
}

export function checkSmall(key: string, bytes: number): void {
  if (bytes <= SMALL_BYTES_MAX) return;
  const hint = "write it by an upload, and read it by ranges";
  const why = `${key}: ${bytes} bytes are too many for one piece`;
  throw new RefusedError("AP_OBJECTS_LIMIT", why, { hint });
}
