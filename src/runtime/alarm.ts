// What ends the loop's sleep. Any number of wake-ups before or during a wait end it once (they are coalesced):
// an event says only that something happened, what happened is for the next observation to see.
import type { Clock } from "../ports.ts";

export type Alarm = {
  readonly wake: () => void;
  /** Resolves true as soon as somebody woke us, also if that was before the call; false after `ms`. One waiter only. */
  wait(ms: number): Promise<boolean>;
};

/** Why a sleep ended early. One for all: an abort without a reason makes an exception with a stack, each time. */
const WOKEN = new Error("woken");

export function makeAlarm(clock: Clock): Alarm {
  let woken = false;
  let asleep = false;
  // One for all sleeps that end by themselves.
  let sleeper = new AbortController();
  return {
    wake() {
      woken = true;
      if (asleep) sleeper.abort(WOKEN);
    },
    async wait(ms) {
      if (!woken) {
        if (sleeper.signal.aborted) sleeper = new AbortController();
        asleep = true;
        try {
          await clock.sleep(ms, sleeper.signal);
        } catch (error) {
          if (!sleeper.signal.aborted) throw error;
        } finally {
          asleep = false;
        }
      }
      const was = woken;
      woken = false;
      return was;
    },
  };
}
