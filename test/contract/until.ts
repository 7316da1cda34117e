// Waiting for a condition instead of for time: the only way in which the contract suites wait.
import { setTimeout as sleep } from "node:timers/promises";

/** Longer than anything that a suite waits for, a restart of Consul included. */
const LIMIT_MS = 45_000;
const EACH_MS = 20;

/**
 * Polls until `look` gives something that is neither null, undefined nor false, and returns it. A failed look counts
 * as "not yet". Throws with `what`, and the last failure, when the limit has passed.
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
): Promise<Exclude<T, null | undefined | false>> {
  const end = performance.now() + LIMIT_MS;
  let failure: unknown;
  while (performance.now() < end) {
    try {
      const seen = await look();
      if (seen !== null && seen !== undefined && seen !== false)
        return seen as Exclude<T, null | undefined | false>;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    await sleep(EACH_MS);
  }
  throw new Error(`in vain waited until ${what}`, { cause: failure });
}
