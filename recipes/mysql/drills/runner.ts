// Plays rounds: scenario by scenario, all of one shape on one living cluster. A cluster that failed a round is left to
// whoever has to explain it, and the next round gets a new one.
import type { Manner } from "./round.ts";
import { playRound } from "./round.ts";
import { seedOf } from "./random.ts";
import type { Round } from "./result.ts";
import type { Scenario } from "./scenario.ts";
import { shapeOf } from "./scenarios.ts";
import type { Target, TargetMaker } from "./target.ts";
import type { Witness } from "./witness.ts";

export type Plan = Manner & {
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  readonly seed: number;
  readonly maker: TargetMaker;
  readonly startWitness: (target: Target) => Promise<Witness>;
  /** Rounds of it that an earlier run played: counting goes on. */
  readonly played: (scenario: string) => number;
  /** A round begins; what is said from now on is of it. */
  readonly onBegin: (scenario: string, round: number) => void;
  /** After each round: the report is written. */
  readonly onRound: (round: Round) => void;
};

/** A datadir and its logs take some hundred MB: of more failures only the report is kept. */
const CLUSTERS_KEPT = 3;

/** Until all are played, or the signal aborts. Errors: a cluster cannot be made. */
export async function runDrills(plan: Plan): Promise<void> {
  await using house = new House(plan);
  for (const scenario of plan.scenarios) {
    await house.use(shapeOf(scenario));
    const refusal = plan.maker.refuses(scenario.shape);
    for (let i = 1; i <= plan.rounds && !plan.signal.aborted; i++) {
      const round = plan.played(scenario.name) + 1;
      plan.onBegin(scenario.name, round);
      if (refusal !== null) {
        plan.say(`SKIPPED: ${refusal}`);
        plan.onRound(skipped(plan, scenario, { round, reason: refusal }));
        break;
      }
      const seed = seedOf(plan.seed, scenario.name, round);
      const target = await house.target(scenario);
      if (target === null) return;
      const played = await playRound({ ...plan, target, scenario, round, seed });
      plan.onRound(played);
      if (played.verdict !== "passed") await house.leave(played.verdict === "failed");
    }
  }
}

/** The one cluster that lives. */
class House implements AsyncDisposable {
  readonly #plan: Plan;
  #shape = "";
  #target: Target | null = null;
  #kept = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** Of another shape than before: the old one is taken down. */
  async use(shape: string): Promise<void> {
    if (shape !== this.#shape) await this.leave(false);
    this.#shape = shape;
  }

  /** Null: broken off before it was ready. */
  async target({ shape }: Scenario): Promise<Target | null> {
    const { maker, say, signal } = this.#plan;
    if (this.#target !== null) return this.#target;
    say(`a new cluster of ${shape.nodes} nodes`);
    try {
      this.#target = await maker.make(shape, signal);
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    }
    return this.#target;
  }

  async leave(evidence: boolean): Promise<void> {
    const target = this.#target;
    this.#target = null;
    if (target === null) return;
    if (evidence && this.#kept < CLUSTERS_KEPT) {
      this.#kept += 1;
      this.#plan.say(`the cluster's logs and data are kept in ${target.keep()}`);
    }
    await target[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.leave(false);
  }
}

function skipped(
  { maker, seed }: Plan,
  { name, shape }: Scenario,
  told: { readonly round: number; readonly reason: string },
): Round {
  return {
    scenario: name,
    round: told.round,
    seed,
    target: maker.kind,
    size: shape.nodes,
    startedAt: new Date().toISOString(),
    tookMs: 0,
    faults: [],
    verdict: "skipped",
    reasons: [told.reason],
    outage: null,
    stalledMs: 0,
    phases: null,
    ledger: null,
    nodes: [],
    timeline: [],
  };
}
