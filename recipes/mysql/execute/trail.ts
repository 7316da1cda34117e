// The audit record of a promotion (PROTOCOL §4 step 10): why it was needed, who promised what, and how long each step
// took. Kept in memory by the candidate and written once it is open; nothing is decided from it.
import type { PromiseRecord } from "../core/observation.ts";
import { heldSet, short } from "../core/state.ts";
import { formatGtidSet } from "../core/gtid.ts";
import type { Hands } from "./hands.ts";

type Step = "promised" | "published" | "marked" | "opened";

export type Trail = {
  readonly epoch: number;
  /** What the last holder of the lock left behind, or that its session ended. */
  readonly why: string;
  /** Milliseconds that nobody had held the lock when this node took it; null: it held it already. */
  readonly lockFreeMs: number | null;
  readonly electedAt: number;
  /** Milliseconds since the election began. */
  readonly steps: Readonly<Partial<Record<Step, number>>>;
  readonly promises: readonly Promised[];
};

type Promised = {
  readonly node: string;
  readonly uuid: string;
  readonly joined: number;
  /** Retrieved ∪ Executed. */
  readonly set: string;
  readonly amnesiac: boolean;
};

/** A set of many sources must not fill Consul's 512 KiB value. */
const LONGEST_SET = 4_096;

export function beginTrail(hands: Hands, epoch: number): void {
  const { memory, registry, clock } = hands;
  const value = registry.facts().leader?.value ?? null;
  const free = registry.leaderFreeSince();
  const now = clock.now();
  memory.trail = {
    epoch,
    why: value?.held === false ? value.reason : "the session of the last holder ended",
    lockFreeMs: free === null ? null : Math.round(now - free),
    electedAt: now,
    steps: {},
    promises: [],
  };
}

export function noteStep(hands: Hands, epoch: number, step: Step): void {
  const { memory, clock } = hands;
  const { trail } = memory;
  if (trail?.epoch !== epoch) return;
  const steps = { ...trail.steps, [step]: Math.round(clock.now() - trail.electedAt) };
  memory.trail = { ...trail, steps };
}

export function notePromises(hands: Hands, epoch: number): void {
  const { memory, registry } = hands;
  if (memory.trail?.epoch !== epoch) return;
  memory.trail = { ...memory.trail, promises: registry.facts().promises.map(promised) };
  noteStep(hands, epoch, "promised");
}

function promised(record: PromiseRecord): Promised {
  const { node, uuid, joined, amnesiac } = record;
  const set = formatGtidSet(heldSet(record));
  const cut = set.length > LONGEST_SET ? `${set.slice(0, LONGEST_SET)}…` : set;
  return { node, uuid: short(uuid), joined, set: cut, amnesiac };
}
