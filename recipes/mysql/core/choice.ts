// Who should win among promises (PROTOCOL §4 step 5): the newest epoch marker first, then the greatest set by inclusion;
// among those that hold everything, tags and backlog. Sets are compared by containment only; never by count.
import { contains, formatGtidSet, gtidSet, subtract, union, type GtidSet } from "./gtid.ts";
import type { Observation, PromiseRecord } from "./observation.ts";
import { heldSet } from "./state.ts";

export type Choice =
  | { readonly kind: "refuse"; readonly why: string }
  /**
   * `target` is T. `winner` holds it; null: no eligible promiser does. Then `fetcher` may copy the rest from one of
   * `holders`; null: nobody may.
   */
  | {
      readonly kind: "chosen";
      readonly target: GtidSet;
      readonly winner: PromiseRecord | null;
      readonly fetcher: PromiseRecord | null;
      readonly holders: readonly PromiseRecord[];
    };

/** Over the promises of one epoch, of voters that are not amnesiac; at least one. */
export function choose(o: Observation, promises: readonly PromiseRecord[]): Choice {
  const newest = Math.max(...promises.map((p) => p.joined));
  const best = promises.filter((p) => p.joined === newest);
  const sets = best.map((p) => heldSet(p));
  const target = sets.reduce((all, set) => union(all, set), sets[0] ?? []);
  const holders = best.filter((_, at) => contains(sets[at] ?? [], target));
  if (holders.length === 0) {
    const extra = best.map(
      (p, at) => `${p.node} lacks ${formatGtidSet(subtract(target, sets[at] ?? []))}`,
    );
    return {
      kind: "refuse",
      why: `incomparable GTID sets, nobody holds everything: ${extra.join("; ")}`,
    };
  }
  const winner = prefer(o, holders.filter(eligible));
  const able = winner === null ? promises.filter((p) => mayFetch(p, target, holders)) : [];
  return { kind: "chosen", target, winner, fetcher: prefer(o, able), holders };
}

const eligible = (p: PromiseRecord): boolean => !p.noFailover && !p.stopping;

/**
 * Everything that it holds is part of T, so that nothing of its own is mixed in (an old primary's tail is errant), and
 * some holder still has all that it lacks.
 */
function mayFetch(p: PromiseRecord, target: GtidSet, holders: readonly PromiseRecord[]): boolean {
  const mine = heldSet(p);
  return eligible(p) && contains(target, mine) && holders.some((holder) => canFeed(holder, mine));
}

/** Nothing that `mine` lacks has been purged from its binary logs. */
export function canFeed(holder: PromiseRecord, mine: GtidSet): boolean {
  return contains(mine, gtidSet(holder.purged));
}

/** Transactions of backlog below which another holder is not worth one more round. */
const BACKLOG_WORTH_A_ROUND = 10_000;

/** §4 step 5: room on the disk, priority, the last primary's zone, the smallest apply backlog; this node where they are equal. */
function prefer(o: Observation, candidates: readonly PromiseRecord[]): PromiseRecord | null {
  // One that was offered the election and did not take it does not get it again, where there is anybody else.
  const willing = candidates.filter((p) => p.uuid !== o.passedOver);
  const field = willing.length > 0 ? willing : candidates;
  const zone = lastZone(o);
  const better = (a: PromiseRecord, b: PromiseRecord): number =>
    Number(a.diskFull) - Number(b.diskFull) ||
    b.priority - a.priority ||
    Number(isIn(zone, b)) - Number(isIn(zone, a));
  const sorted = field.toSorted(
    (a, b) => better(a, b) || a.backlog - b.backlog || (a.uuid < b.uuid ? -1 : 1),
  );
  const first = sorted[0] ?? null;
  const mine = sorted.find((p) => p.uuid === o.me.uuid);
  if (first === null || mine === undefined) return first;
  const worth = better(first, mine) < 0 || mine.backlog - first.backlog > BACKLOG_WORTH_A_ROUND;
  return worth ? first : mine;
}

/** Zone of the last published primary: clients and its replicas were nearest to it. "" where nobody said. */
export function lastZone(o: Observation): string {
  const state = o.consul.state?.value;
  const last = state?.primary ?? state?.prevPrimary ?? null;
  return o.consul.peers.find((p) => p.uuid === last)?.zone ?? "";
}

/** Nobody is in the zone that has no name. */
export function isIn(zone: string, node: { readonly zone: string }): boolean {
  return zone !== "" && node.zone === zone;
}
