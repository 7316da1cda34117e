// The loop: wake → observe → decide → execute → report, for one node, until the reconciler says that it stopped.
// After a tick that did something it looks again at once; after a failure it pauses, longer each time, unless woken.
// An InvariantError, and any error of `decide`, leaves `run`: the caller fences and crashes.
import { pauseAfter } from "../core/backoff.ts";
import { InvariantError, messageOf } from "../errors.ts";
import type { RootLog } from "../log.ts";
import type { Clock, Lease } from "../ports.ts";
import type { Reconciler, Report } from "../recipe.ts";
import type { Alarm } from "./alarm.ts";
import type { BlackBox } from "./blackbox.ts";
import { makeVoice, type Voice } from "./voice.ts";

type AnyAction = { readonly do: string; readonly why?: string };

export type LoopParts<O, A extends AnyAction> = {
  readonly reconciler: Reconciler<O, A>;
  readonly alarm: Alarm;
  readonly clock: Clock;
  readonly lease: Pick<Lease, "tick">;
  readonly log: RootLog;
  readonly blackBox: BlackBox;
  readonly publish: (type: string, what: string, facts?: Readonly<Record<string, unknown>>) => void;
};

export type LoopFacts = {
  readonly tick: number;
  /** When the last tick began, on the monotonic clock; null before the first. */
  readonly tickedAt: number | null;
  readonly report: Report | null;
};

const RETRY = { firstMs: 50, longestMs: 2_000 };
// The lease keeper and /liveness take 5 s without a tick for a dead loop; this leaves room for two slow ticks.
const LONGEST_IDLE_MS = 1_500;
// More ticks than this in a window are a recipe that never comes to rest: slow down, so that the machine stays usable.
const BUSY_TICKS = 200;
const BUSY_WINDOW_MS = 2_000;
const BUSY_PAUSE_MS = 100;

/** How a tick ended: what the loop does next. */
type Turn =
  | { readonly kind: "failed" }
  | { readonly kind: "busy" }
  | { readonly kind: "idle"; readonly ms: number };

export class Loop<O, A extends AnyAction> {
  readonly #parts: LoopParts<O, A>;
  readonly #voice: Voice;
  #tick = 0;
  #tickedAt: number | null = null;
  #report: Report | null = null;
  #failures = 0;
  #window: { readonly from: number; readonly ticks: number };

  constructor(parts: LoopParts<O, A>) {
    this.#parts = parts;
    this.#voice = makeVoice(parts);
    this.#window = { from: parts.clock.now(), ticks: 0 };
  }

  /** Resolves when the reconciler stopped. Throws InvariantError only. */
  async run(): Promise<void> {
    while (!this.#parts.reconciler.stopped()) await this.#rest(await this.#turn());
  }

  facts(): LoopFacts {
    return { tick: this.#tick, tickedAt: this.#tickedAt, report: this.#report };
  }

  async #turn(): Promise<Turn> {
    const { reconciler, clock, lease } = this.#parts;
    this.#tick += 1;
    this.#tickedAt = clock.now();
    lease.tick();
    let observation: O | null = null;
    let actions: readonly A[] = [];
    let current: A | null = null;
    try {
      const seen = (observation = await reconciler.observe());
      actions = pure("decide", () => reconciler.decide(seen));
      const report = (this.#report = pure("report", () => reconciler.report(seen, actions)));
      this.#voice.moment(this.#tick, report);
      const busy = actions.some((action) => action.do !== "hold");
      let done = false;
      try {
        for (current of actions) await this.#execute(current);
        done = true;
      } finally {
        this.#voice.says(report, busy && done);
      }
      this.#record(observation, actions, "done");
      if (busy) return { kind: "busy" };
      return { kind: "idle", ms: reconciler.idleMs(seen, actions) };
    } catch (error) {
      this.#record(observation, actions, messageOf(error));
      if (error instanceof InvariantError) throw error;
      if (isOurs(error))
        throw new InvariantError("AP_BUG_INVARIANT", "a bug of ours", { cause: error });
      this.#voice.setback(error, current);
      return { kind: "failed" };
    }
  }

  async #execute(action: A): Promise<void> {
    if (action.do === "hold") return;
    const startedAt = this.#parts.clock.now();
    await this.#parts.reconciler.execute(action);
    this.#voice.did(action, this.#parts.clock.now() - startedAt);
  }

  #record(observation: O | null, actions: readonly A[], outcome: string): void {
    this.#parts.blackBox.record({ tick: this.#tick, observation, actions, outcome });
  }

  async #rest(last: Turn): Promise<void> {
    const { alarm } = this.#parts;
    this.#failures = last.kind === "failed" ? this.#failures + 1 : 0;
    if (await this.#slowedDown()) return;
    if (last.kind === "failed") await alarm.wait(pauseAfter(this.#failures, RETRY));
    if (last.kind === "idle") await alarm.wait(Math.min(Math.max(last.ms, 0), LONGEST_IDLE_MS));
  }

  async #slowedDown(): Promise<boolean> {
    const { clock } = this.#parts;
    const now = clock.now();
    if (now - this.#window.from > BUSY_WINDOW_MS) this.#window = { from: now, ticks: 0 };
    this.#window = { ...this.#window, ticks: this.#window.ticks + 1 };
    if (this.#window.ticks <= BUSY_TICKS) return false;
    this.#voice.busy(this.#window.ticks);
    await clock.sleep(BUSY_PAUSE_MS);
    return true;
  }
}

/** What only a programmer's mistake throws: the world's faults are errors of ours or of a library, never these. */
function isOurs(error: unknown): boolean {
  return error instanceof TypeError || error instanceof ReferenceError;
}

/** `decide` and `report` are pure and must not throw: if one does, it is our bug, not the world's. */
function pure<T>(name: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw new InvariantError("AP_BUG_INVARIANT", `${name} threw`, { cause: error });
  }
}
