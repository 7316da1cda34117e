// The stage on which a scenario is played: the cluster as it was found, faults that are proven before anything is
// concluded from them, and what is expected then. Every wait has a limit; whatever happens, everything is healed, in the
// reverse order.
import { messageOf } from "../../../src/index.ts";
import type { Clock } from "../../../src/index.ts";
import { primaryOf, type Seen } from "../view.ts";
import type { Harm } from "./faults.ts";
import { monotonicNow } from "./ledger.ts";
import type { Healing } from "./network.ts";
import type { Fault } from "./result.ts";
import type { Target } from "./target.ts";

/** A fault did not take effect: the round proves nothing. */
export class NoEffect extends Error {}

/** The cluster did not do what the scenario expects of it. */
export class Missed extends Error {}

/** Who is who when the curtain rises. */
export type Scene = {
  readonly primary: string;
  /** In the order of their names. */
  readonly replicas: readonly [string, ...string[]];
  readonly epoch: number;
};

/** What the stage asks of the client that writes all along. */
export type Writes = {
  /** When the newest acknowledged write was sent, on the drill's clock; null: none was yet. */
  ackedSentAt(): number | null;
};

export type StageParts = {
  readonly target: Target;
  readonly scene: Scene;
  readonly writes: Writes;
  readonly clock: Clock;
  /** Numbers in [0, 1) from the round's seed. */
  readonly random: () => number;
  /** Factor of every limit: 1 on a quiet machine. */
  readonly patience: number;
  /** Factor of how long a fault is held: 1; less in tests. */
  readonly holding: number;
  readonly minutes: number;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
};

const PROOF_WITHIN_MS = 10_000;
/** A paused process is killed within seconds: the look at it must not come late. */
const LOOK_EVERY_MS = 10;
const ASK_EVERY_MS = 50;
const RECOVERS_WITHIN_MS = 60_000;
const SAYS_WITHIN_MS = 30_000;

type Inflicted = {
  readonly harm: Harm;
  readonly at: number;
  proof: string | null;
  healedAt: number | null;
};

export class Stage {
  readonly parts: StageParts;
  readonly target: Target;
  readonly scene: Scene;
  readonly signal: AbortSignal;
  readonly #inflicted: Inflicted[] = [];

  constructor(parts: StageParts) {
    this.parts = parts;
    this.target = parts.target;
    this.scene = parts.scene;
    this.signal = parts.signal;
  }

  say(text: string): void {
    this.parts.say(text);
  }

  /** On the drill's clock. */
  now(): number {
    return monotonicNow();
  }

  /** Errors: Missed. */
  expects(isSo: boolean, otherwise: string): void {
    if (!isSo) throw new Missed(otherwise);
  }

  random(): number {
    return this.parts.random();
  }

  /** What becomes of a cut's frozen connections: both happen in reality. */
  healing(): Healing {
    return this.random() < 0.5 ? "flow" : "reset";
  }

  one<T>(of: readonly T[]): T {
    const picked = of[Math.floor(this.random() * of.length)];
    if (picked === undefined) throw new Missed("there is nothing to choose from");
    return picked;
  }

  /** All at once, as one event; returns when each has been seen to have taken effect. Errors: NoEffect. */
  async inflict(...harms: readonly Harm[]): Promise<void> {
    const begun: Inflicted[] = harms.map((harm) => {
      this.say(`${harm.node === null ? "" : `${harm.node}: `}${harm.what}`);
      return { harm, at: monotonicNow(), proof: null, healedAt: null };
    });
    // Noted first: what failed halfway is healed as well.
    this.#inflicted.push(...begun);
    await Promise.all(begun.map(({ harm }) => harm.inflict()));
    await Promise.all(begun.map((one) => this.#prove(one)));
  }

  async #prove(one: Inflicted): Promise<void> {
    const deadline = monotonicNow() + PROOF_WITHIN_MS * this.parts.patience;
    for (;;) {
      one.proof = await one.harm.proof();
      if (one.proof !== null) return this.say(`  took effect: ${one.proof}`);
      if (monotonicNow() > deadline)
        throw new NoEffect(`${one.harm.what}: nothing shows that it took effect`);
      await this.#sleep(LOOK_EVERY_MS);
    }
  }

  /** Takes everything back that has not been, the newest first; goes on where one fails. Errors: the first one's. */
  async heal(): Promise<void> {
    const failures: unknown[] = [];
    for (const one of this.#inflicted.toReversed()) {
      if (one.healedAt !== null || !one.harm.heals) continue;
      try {
        await one.harm.heal();
        one.healedAt = monotonicNow();
        this.say(`healed: ${one.harm.node === null ? "" : `${one.harm.node}: `}${one.harm.what}`);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0)
      throw new Error(`could not heal: ${failures.map(messageOf).join("; ")}`);
  }

  /** What was done, for the report; times since `began`. */
  faults(began: number): readonly Fault[] {
    return this.#inflicted.map(({ harm, at, proof, healedAt }) => ({
      what: harm.what,
      node: harm.node,
      at: at - began,
      proof,
      healedAt: healedAt === null ? null : healedAt - began,
    }));
  }

  /** Waits; shorter where the drill is told to hurry. */
  async hold(ms: number): Promise<void> {
    await this.#sleep(ms * this.parts.holding);
  }

  /** A primary of a newer epoch is open, and acknowledges a write that was sent since. Answers its name. */
  async recovers(after = this.scene.epoch): Promise<string> {
    const open = async (): Promise<Seen | null> => {
      const state = await this.target.state();
      if (state === null || state.epoch <= after || state.phase !== "open") return null;
      const seen = await this.target.see();
      return primaryOf(seen) === null ? null : seen;
    };
    const seen = await this.until(`a primary of an epoch after ${after}`, open);
    await this.acknowledges(monotonicNow());
    const name = primaryOf(seen)?.node ?? "";
    this.say(`${name} is primary at epoch ${seen.state?.epoch}, and acknowledges`);
    return name;
  }

  /** …and it is another node. */
  async moves(): Promise<string> {
    const now = await this.recovers();
    if (now === this.scene.primary) throw new Missed(`${now} is primary again: nothing moved`);
    return now;
  }

  async acknowledges(since: number): Promise<void> {
    await this.until("a new write is acknowledged", () =>
      Promise.resolve((this.parts.writes.ackedSentAt() ?? -Infinity) > since ? true : null),
    );
  }

  /** For so long nothing moves, and writes go on: at the end one that was just sent is acknowledged. */
  async staysFor(ms: number): Promise<void> {
    await this.hold(ms);
    await this.sameReign();
    await this.acknowledges(monotonicNow());
    this.say(`${this.scene.primary} is still the primary of epoch ${this.scene.epoch}`);
  }

  /** The epoch and the primary of the beginning. A Consul that is away is asked again when it is back. */
  async sameReign(): Promise<void> {
    if (!this.target.consul.running()) return;
    const { state, rows } = await this.target.see();
    const primary = rows.find(({ uuid }) => uuid === state?.primary)?.node ?? "nobody";
    const { epoch } = this.scene;
    if (state?.epoch === epoch && primary === this.scene.primary) return;
    throw new Missed(
      `expected ${this.scene.primary} to stay primary of epoch ${epoch}, found ${primary} at epoch ${state?.epoch}`,
    );
  }

  /** For so long nobody acknowledges anything, and a node gives the reason. */
  async closedFor(ms: number, reason: RegExp): Promise<void> {
    // What was under way when the fault came may still be answered.
    await this.hold(1_000);
    const from = monotonicNow();
    await this.until(
      `a node says ${reason.source}`,
      async () => {
        const { rows } = await this.target.see();
        const row = rows.find(({ says }) => reason.test(says));
        if (row !== undefined) this.say(`closed: ${row.node} says: ${row.says}`);
        return row ?? null;
      },
      SAYS_WITHIN_MS,
    );
    await this.hold(ms);
    const acked = this.parts.writes.ackedSentAt() ?? -Infinity;
    if (acked > from) throw new Missed("a write was acknowledged, though nobody may do so");
  }

  /** Polls until `look` gives something; a Consul or a server that does not answer is asked again. Errors: Missed. */
  async until<T>(
    what: string,
    look: () => Promise<T | null>,
    limitMs = RECOVERS_WITHIN_MS,
  ): Promise<T> {
    const deadline = monotonicNow() + limitMs * this.parts.patience;
    for (;;) {
      let last = "";
      try {
        const seen = await look();
        if (seen !== null) return seen;
      } catch (error) {
        this.signal.throwIfAborted();
        last = ` (${messageOf(error)})`;
      }
      if (monotonicNow() > deadline)
        throw new Missed(
          `waited ${Math.round((limitMs * this.parts.patience) / 1000)} s in vain: ${what}${last}`,
        );
      await this.#sleep(ASK_EVERY_MS);
    }
  }

  async #sleep(ms: number): Promise<void> {
    await this.parts.clock.sleep(ms, this.signal);
  }
}
