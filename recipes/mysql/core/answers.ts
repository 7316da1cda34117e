// What the nodes answered to an operator's wish (PROTOCOL §7a), and what follows from their sets alone: who holds the
// most, and what is known to exist elsewhere. Who has not answered is missing; an amnesiac is too.
import { contains, formatGtidSet, isEmpty, subtract, union, type GtidSet } from "./gtid.ts";
import type { NodeRecord, State, WishAnswer } from "./records.ts";
import { heldSet, short } from "./state.ts";

/** One wish, and all of Consul that bears on it. */
export type Asked = {
  /** Id of the intent that the answers name. */
  readonly intent: string;
  readonly state: State | null;
  readonly initialize: string | null;
  /** All records, also of nodes that did not answer. */
  readonly records: readonly NodeRecord[];
};

export type Answered = NodeRecord & { readonly answer: WishAnswer };

export type Refusal = {
  readonly kind: "refuse";
  readonly why: string;
  readonly reasons: readonly string[];
  /** The flag that accepts the risk; null: none does. */
  readonly accept: string | null;
};

/** What may be lost where an operator accepts it. */
export type Loss = {
  /** Newest epoch whose marker any record names: what was acknowledged in it, or later, may be missing. */
  readonly epoch: number;
  /** GTIDs that some record names and the new history lacks; "": none is known. */
  readonly gtids: string;
  readonly missing: readonly string[];
};

/** A new `state`, to be written by `actor` in one transaction. */
export type Rewrite = {
  readonly kind: "rewrite";
  /** keep: no election; elect: nothing is lost; loss: only with the operator's word. */
  readonly how: "keep" | "elect" | "loss";
  readonly actor: Answered;
  readonly next: State;
  /** Why it is not free of loss; [] where it is. */
  readonly reasons: readonly string[];
  readonly loss: Loss | null;
};

export function answeredBy({ records, intent }: Asked): readonly Answered[] {
  return records.filter((r): r is Answered => r.answer?.intent === intent);
}

export function nameIn(records: readonly NodeRecord[], uuid: string): string {
  return records.find((r) => r.uuid === uuid)?.node ?? short(uuid);
}

export type Greatest = {
  readonly joined: number;
  readonly target: GtidSet;
  /** Hold all of `target`; [] when sets are incomparable. */
  readonly holders: readonly Answered[];
};

/** §4 step 5 over answers: newest marker first, then inclusion. */
export function greatest(nodes: readonly Answered[]): Greatest {
  const joined = Math.max(0, ...nodes.map((n) => n.joined));
  const best = nodes.filter((n) => n.joined === joined);
  const target = best.reduce<GtidSet>((all, n) => union(all, heldSet(n)), []);
  return { joined, target, holders: best.filter((n) => contains(heldSet(n), target)) };
}

/** What `nodes` would lose as the new history, as far as any record tells. */
export function lossOf({ records }: Asked, nodes: readonly Answered[]): Loss {
  const { target } = greatest(nodes);
  const known = records.reduce<GtidSet>((all, r) => union(all, heldSet(r)), []);
  const rest = subtract(known, target);
  const others = records.filter((r) => nodes.every((n) => n.uuid !== r.uuid));
  return {
    epoch: Math.max(0, ...records.map((r) => r.joined)),
    gtids: isEmpty(rest) ? "" : formatGtidSet(rest),
    missing: [...new Set(others.map((r) => r.node))].toSorted(),
  };
}

/** May win an election. */
export const eligible = (n: NodeRecord): boolean => !n.noFailover && !n.stopping && !n.stopped;

/** Among equals: priority, then any order that all agree on. */
export function preferred(nodes: readonly Answered[]): Answered | null {
  const sorted = nodes.toSorted((a, b) => b.priority - a.priority || (a.uuid < b.uuid ? -1 : 1));
  return sorted[0] ?? null;
}

export function refuse(
  why: string,
  reasons: readonly string[] = [],
  accept: string | null = null,
): Refusal {
  return { kind: "refuse", why, reasons, accept };
}

/** Said where the winner of all that is here cannot be told. */
export function incomparable(nodes: readonly Answered[]): Refusal {
  const { target, joined } = greatest(nodes);
  const reasons = nodes
    .filter((n) => n.joined === joined)
    .map((n) => `${n.node} lacks ${formatGtidSet(subtract(target, heldSet(n)))}`);
  return refuse("incomparable GTID sets: stop all but the node whose data is to stay", reasons);
}
