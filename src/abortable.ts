// What loops need that go on until somebody aborts them.
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "./errors.ts";

/** A property that changes under our feet: without the call the compiler takes the first look for the last. */
export function aborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Resolves early when it is aborted: the loop looks at the signal itself. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw new Error(messageOf(error), { cause: error });
  }
}
