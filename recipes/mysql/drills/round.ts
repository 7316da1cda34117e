// One round: a whole cluster and clients that write, the scenario's play, healing whatever happened, a whole cluster
// again, and the verdict. Nothing that goes wrong ends the drill: it becomes the round's verdict, with the reason.
import { messageOf, type Clock } from "../../../src/index.ts";
import { primaryOf } from "../view.ts";
import { monotonicNow } from "./ledger.ts";
import { randomFrom } from "./random.ts";
import type { Outage, Outcome, Round } from "./result.ts";
import type { Scenario } from "./scenario.ts";
import { Missed, NoEffect, Stage, type Scene } from "./stage.ts";
import type { Target } from "./target.ts";
import { phasesOf, timelineOf } from "./timeline.ts";
import { whyNotWhole } from "./whole.ts";
import type { Judgement, Witness } from "./witness.ts";

export type Manner = {
  readonly clock: Clock;
  /** Factor of every limit: 1 on a quiet machine. */
  readonly patience: number;
  /** Factor of how long faults are held: 1; less in tests. */
  readonly holding: number;
  /** Of the mix. */
  readonly minutes: number;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
};

export type RoundParts = Manner & {
  readonly target: Target;
  readonly scenario: Scenario;
  readonly round: number;
  readonly seed: number;
  readonly startWitness: (target: Target) => Promise<Witness>;
};

/** A clone takes some seconds, a check that expires twenty; a slow machine several times that. */
const WHOLE_WITHIN_MS = 180_000;
const LOOK_EVERY_MS = 250;

/** What went wrong, in the order in which it did; the first decides what the round is. */
type Wrong = { readonly outcome: Exclude<Outcome, "passed">; readonly reason: string };

/** Never throws. */
export async function playRound(parts: RoundParts): Promise<Round> {
  const { scenario, target, say } = parts;
  const startedAt = new Date().toISOString();
  const began = monotonicNow();
  const wrong: Wrong[] = [];
  let stage: Stage | null = null;
  let judged: Judgement | null = null;
  try {
    await whole(parts, parts.signal).catch((error: unknown) => {
      throw new NoEffect(`before the fault: ${messageOf(error)}`, { cause: error });
    });
    await using witness = await parts.startWitness(target);
    stage = await openStage(parts, witness);
    await play(scenario, stage, wrong);
    judged = await settleAndJudge(parts, { stage, witness, began }, wrong);
  } catch (error) {
    wrong.push(wrongBy(error, parts.signal));
  }
  const ended = monotonicNow();
  const faults = stage?.faults(began) ?? [];
  const outage = judged === null ? null : outageOf(judged, faults[0]?.at ?? 0, began);
  wrong.push(...tooLong(scenario, outage, parts.patience));
  const verdict: Outcome = outcomeOf(wrong);
  for (const { reason } of wrong) say(`  ${reason}`);
  const { events, nodes } = {
    events: target.events(),
    nodes: target.nodes.map(({ name }) => name),
  };
  const told = { began, ended, nodes, events, faults, gaps: judged?.gaps ?? null };
  return {
    scenario: scenario.name,
    round: parts.round,
    seed: parts.seed,
    target: target.kind,
    size: nodes.length,
    startedAt,
    tookMs: ended - began,
    faults,
    verdict,
    reasons: wrong.map(({ reason }) => reason),
    outage,
    stalledMs: Math.max(0, ...(judged?.stalls ?? []).map(({ ms }) => ms)),
    phases: phasesOf(events, faults[0] === undefined ? null : faults[0].at + began),
    ledger: judged?.counts ?? null,
    nodes: judged?.nodes ?? [],
    timeline: timelineOf(told),
  };
}

async function openStage(parts: RoundParts, witness: Witness): Promise<Stage> {
  const scene = await sceneOf(parts.target);
  const stage = new Stage({ ...parts, scene, writes: witness, random: randomFrom(parts.seed) });
  await stage.acknowledges(monotonicNow());
  parts.say(`${scene.primary} is primary of epoch ${scene.epoch}, writes are acknowledged`);
  return stage;
}

async function sceneOf(target: Target): Promise<Scene> {
  const seen = await target.see();
  const primary = primaryOf(seen)?.node;
  const [first, ...rest] = target.nodes.flatMap(({ name }) => (name === primary ? [] : [name]));
  if (primary === undefined || first === undefined || seen.state === null)
    throw new NoEffect("there is no primary with a replica");
  return { primary, replicas: [first, ...rest], epoch: seen.state.epoch };
}

/** Healing comes whatever the play did, and its own failure is one more thing that went wrong. */
async function play(scenario: Scenario, stage: Stage, wrong: Wrong[]): Promise<void> {
  try {
    await scenario.play(stage);
  } catch (error) {
    wrong.push(wrongBy(error, stage.signal));
  }
  try {
    await stage.heal();
  } catch (error) {
    wrong.push({ outcome: "failed", reason: messageOf(error) });
  }
}

/** Also after a play that failed, or was broken off: what is lost is lost. */
async function settleAndJudge(
  parts: RoundParts,
  { stage, witness, began }: { stage: Stage; witness: Witness; began: number },
  wrong: Wrong[],
): Promise<Judgement | null> {
  const never = new AbortController().signal;
  try {
    parts.say("settling");
    await whole(parts, never);
    const after = new Stage({ ...stage.parts, signal: never });
    await after.acknowledges(monotonicNow());
    const judged = await witness.judge(began);
    wrong.push(...judged.violations.map((reason) => ({ outcome: "failed" as const, reason })));
    return judged;
  } catch (error) {
    wrong.push({ outcome: "failed", reason: messageOf(error) });
    return null;
  }
}

async function whole(parts: RoundParts, signal: AbortSignal): Promise<void> {
  const deadline = monotonicNow() + WHOLE_WITHIN_MS * parts.patience;
  for (;;) {
    const why = await whyNotWhole(parts.target).catch(messageOf);
    if (why === null) return;
    if (monotonicNow() > deadline) throw new Missed(`the cluster is not whole: ${why}`);
    await parts.clock.sleep(LOOK_EVERY_MS, signal);
  }
}

function wrongBy(error: unknown, signal: AbortSignal): Wrong {
  if (signal.aborted) return { outcome: "invalid", reason: "broken off" };
  if (error instanceof NoEffect) return { outcome: "invalid", reason: messageOf(error) };
  return { outcome: "failed", reason: messageOf(error) };
}

/** A violation fails a round whatever else it was. */
function outcomeOf(wrong: readonly Wrong[]): Outcome {
  if (wrong.some(({ outcome }) => outcome === "failed")) return "failed";
  return wrong[0]?.outcome ?? "passed";
}

/** The longest time without acknowledgements from the first fault on. */
function outageOf({ gaps }: Judgement, faultAt: number, began: number): Outage {
  const after = gaps.filter(({ to }) => to === null || to >= began + faultAt);
  const worst = after.toSorted((a, b) => b.ms - a.ms)[0];
  if (worst === undefined) return { from: faultAt, to: faultAt, ms: 0 };
  const { from, to, ms } = worst;
  return { from: from - began, to: to === null ? null : to - began, ms };
}

function tooLong({ limits }: Scenario, outage: Outage | null, patience: number): readonly Wrong[] {
  if (limits === null || outage === null || outage.ms <= limits.maxMs * patience) return [];
  const found = `${Math.round(outage.ms)} ms without an acknowledgement`;
  return [
    { outcome: "failed", reason: `${found}, at most ${limits.maxMs * patience} are allowed` },
  ];
}
