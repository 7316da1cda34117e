// A limit on bytes per second: who comes too early waits. A short burst is let through, so that nothing sleeps for less
// than a timer can.
import type { Clock } from "../../../src/index.ts";

const BURST_MS = 50;

/** Resolves when `bytes` more may go. */
export type Pace = (bytes: number, signal: AbortSignal) => Promise<void>;

/** `perSecond` null: no limit. */
export function paceOf(clock: Pick<Clock, "now" | "sleep">, perSecond: number | null): Pace {
  if (perSecond === null) return async () => {};
  let due = clock.now();
  return async (bytes, signal) => {
    const now = clock.now();
    // What was not used is not saved up.
    due = Math.max(due, now) + (bytes / perSecond) * 1000;
    if (due - now > BURST_MS) await clock.sleep(due - now, signal);
  };
}
