// Waiting on conditions, never on time: each wait has a bound, and its failure says what was last seen.
import { setTimeout as sleep } from "node:timers/promises";

/** Generous: a test that fails is slow, one that passes never waits so long. Not a speed that anybody promises. */
export const LIMIT_MS = 60_000;

/**
 * Polls until `look` gives something that is neither null, undefined nor false. A throw counts as "not yet".
 * Throws with `what`, and what the last look threw, when `limitMs` has passed.
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  limitMs: number = LIMIT_MS,
): Promise<NonNullable<T>> {
  const limit = performance.now() + limitMs;
  for (;;) {
    let last: unknown = "it was never so";
    try {
      const seen = await look();
      if (seen !== null && seen !== undefined && seen !== false) return seen;
    } catch (error) {
      last = error;
    }
    if (performance.now() > limit)
      throw new Error(`waited ${limitMs} ms in vain: ${what}`, { cause: last });
    await sleep(25);
  }
}
