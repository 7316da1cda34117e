// Trying again, bounded: what a store answers when it is busy, or does not answer at all, is waited out; nothing else is.
import { pauseAfter, type Backoff } from "../core/backoff.ts";
import type { ErrorCode } from "../error-codes.ts";
import { AutopilotError } from "../errors.ts";
import type { Clock } from "../ports.ts";

/** ¼, ½, 1 … 20 s: ten tries outlast a store that is away for a minute. */
const BACKOFF: Backoff = { firstMs: 250, longestMs: 20_000 };
export const TRIES = 10;

/** How often each failure is tried in all, at most; what is not here is final at once. */
const LIMITS: Partial<Record<ErrorCode, number>> = {
  AP_OBJECTS_UNREACHABLE: TRIES,
  AP_OBJECTS_BUSY: TRIES,
  AP_OBJECTS_TRUNCATED: TRIES,
  // A bit that flips on the way flips once; a broken line does it every time.
  AP_OBJECTS_DAMAGED: 4,
  // The SDK corrects its clock by the store's answer: the second try tells whether that was enough.
  AP_OBJECTS_CLOCK: 2,
};

export type Patience = {
  readonly clock: Clock;
  /** The most tries of anything. */
  readonly tries: number;
};

/** Whether the failed attempt may have been done all the same: the answer was lost, not the request refused. */
export function isDoubtful(error: unknown): boolean {
  if (!(error instanceof AutopilotError)) return false;
  return error.code === "AP_OBJECTS_UNREACHABLE" || error.code === "AP_OBJECTS_BUSY";
}

/** Runs `attempt` until it succeeds, fails for good, or the limit is reached. `number` counts from 1. */
export async function retrying<T>(
  { clock, tries }: Patience,
  signal: AbortSignal | undefined,
  attempt: (number: number) => Promise<T>,
): Promise<T> {
  for (let number = 1; ; number++) {
    signal?.throwIfAborted();
    try {
      return await attempt(number);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof AutopilotError)) throw error;
      if (number >= Math.min(LIMITS[error.code] ?? 1, tries)) throw error;
    }
    await clock.sleep(pauseAfter(number, BACKOFF, Math.random()), signal);
  }
}
