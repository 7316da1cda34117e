// What happens when we are wrong: an InvariantError of the loop, an unhandled rejection, an uncaught exception.
//   fence the node (bounded) → write the black box → say so → exit 70
// The exit takes the supervised server along. There is no way back from here, and only one way through.
import { InvariantError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Clock } from "../ports.ts";
import type { BlackBox } from "./blackbox.ts";

export type Fence = { fence(why: string): Promise<void> };

export type Guard = Disposable & {
  /** Whom to fence; before this there is nothing that could acknowledge. */
  fenceWith(reconciler: Fence): void;
  /** Runs the body; an InvariantError of it never comes back. */
  run(body: () => Promise<void>): Promise<void>;
};

function endProcess(code: number): never {
  process.exit(code);
}

export type GuardParts = {
  readonly log: Log;
  readonly blackBox: BlackBox;
  readonly clock: Clock;
  /** Ends the process; another one in tests. */
  readonly exit?: (code: number) => never;
};

// A fence that takes longer hangs on the server; the exit kills that.
const FENCE_WITHIN_MS = 3_000;

export function guardAgainstBugs({ log, blackBox, clock, exit = endProcess }: GuardParts): Guard {
  let fence: Fence | null = null;
  let crashing = false;
  async function crash(error: unknown): Promise<void> {
    // An error of the way down must not start another one.
    if (crashing) return log.error("while crashing", { err: error });
    crashing = true;
    const why = messageOf(error);
    log.error(`a bug of autopilot: ${why}`, { err: error });
    await Promise.race([fence?.fence(why), clock.sleep(FENCE_WITHIN_MS)]);
    const path = blackBox.dump(why);
    log.error(`exiting with 70${path === null ? "" : `; the last ticks are in ${path}`}`);
    exit(70);
  }
  const onError = (error: unknown): void => {
    crash(error).catch(() => exit(70)); // even saying so failed
  };
  process.on("uncaughtException", onError);
  process.on("unhandledRejection", onError);
  return {
    fenceWith(reconciler) {
      fence = reconciler;
    },
    async run(body) {
      try {
        await body();
      } catch (error) {
        if (!(error instanceof InvariantError)) throw error;
        await crash(error);
      }
    },
    [Symbol.dispose]() {
      process.off("uncaughtException", onError);
      process.off("unhandledRejection", onError);
    },
  };
}
