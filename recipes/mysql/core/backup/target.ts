// To which transaction a restore goes, and what it takes. In two steps, because an index does not name each transaction:
// `locate` says in which segment the target lies, `cut` finds it among that segment's transactions, `plan` the rest.
// The state at the target is what its server had executed there, so a branch that was given up is never mixed in.
import {
  contains,
  formatGtidSet,
  gtidSet,
  intersect,
  isEmpty,
  subtract,
  union,
  type GtidSet,
} from "../gtid.ts";
import type { Manifest } from "./manifest.ts";
import { archivedSet, stateAfter, type Segment, type Stamp } from "./segment.ts";

export type Target =
  | { readonly to: "latest" }
  /** Everything that was committed until then, µs since 1970. */
  | { readonly to: "time"; readonly at: number }
  /** This transaction, and everything that was committed before it. */
  | { readonly to: "gtid"; readonly gtid: string };

export type Refusal = {
  readonly ok: false;
  readonly why: "no-backup" | "no-archive" | "too-early" | "too-late" | "unknown-gtid" | "gap";
  /** Transactions that are missing; "" where that is not the reason. */
  readonly missing: string;
};

/** A place in the archive: the segment by its index in the timeline, all of it or not. */
export type Location =
  | { readonly ok: true; readonly segment: number; readonly whole: boolean }
  | Refusal;

export type Cut = {
  readonly segment: number;
  /** All that the server had executed there. */
  readonly state: GtidSet;
  readonly lastIncluded: Stamp | null;
  /** Null: nothing behind it is archived. */
  readonly firstExcluded: Stamp | null;
};

const refuse = (why: Refusal["why"], missing = ""): Refusal => ({ ok: false, why, missing });

/** `timeline`: not empty. */
export function locate(timeline: readonly Segment[], target: Target): Location {
  const last = timeline.length - 1;
  if (target.to === "latest") return { ok: true, segment: last, whole: true };
  if (target.to === "gtid") {
    const wanted = gtidSet(target.gtid);
    const segment = timeline.findIndex(({ added }) => contains(gtidSet(added), wanted));
    if (segment < 0) return refuse("unknown-gtid");
    return { ok: true, segment, whole: timeline[segment]?.last.gtid === target.gtid };
  }
  const segment = timeline.findIndex(({ latest }) => latest > target.at);
  if (segment >= 0) return { ok: true, segment, whole: false };
  // What was committed later than the archive goes is not known, nor what was until then.
  const reaches = Math.max(...timeline.map(({ latest }) => latest));
  return target.at > reaches ? refuse("too-late") : { ok: true, segment: last, whole: true };
}

/** At the end of a segment. */
export function cutAfter(timeline: readonly Segment[], at: number): Cut {
  const segment = given(timeline[at]);
  return {
    segment: at,
    state: stateAfter(segment),
    lastIncluded: segment.last,
    firstExcluded: timeline[at + 1]?.first ?? null,
  };
}

/** Among the transactions of the segment where the target lies, in their order. */
export function cutWithin(
  timeline: readonly Segment[],
  {
    segment: at,
    stamps,
    target,
  }: {
    readonly segment: number;
    readonly stamps: readonly Stamp[];
    readonly target: Exclude<Target, { to: "latest" }>;
  },
): Cut | Refusal {
  const first =
    target.to === "time"
      ? stamps.findIndex((stamp) => stamp.at > target.at)
      : stamps.findIndex(({ gtid }) => gtid === target.gtid) + 1;
  if (first < 0 || first === stamps.length) return cutAfter(timeline, at);
  if (target.to === "gtid" && first === 0) return refuse("unknown-gtid");
  const segment = given(timeline[at]);
  const before = timeline[at - 1];
  const previous = gtidSet(segment.previous);
  if (first === 0) {
    // When the transactions between two segments were committed is known only where there are none.
    if (before === undefined) return refuse("too-early");
    const missing = subtract(previous, stateAfter(before));
    if (!isEmpty(missing)) return refuse("gap", formatGtidSet(missing));
  }
  const included = stamps.slice(0, first);
  return {
    segment: at,
    state: union(previous, gtidSet(included.map(({ gtid }) => gtid).join(","))),
    lastIncluded: included.at(-1) ?? before?.last ?? null,
    firstExcluded: stamps[first] ?? null,
  };
}

export type RestorePlan = {
  readonly ok: true;
  readonly backup: Manifest;
  /** What the restored server will have executed. */
  readonly state: GtidSet;
  /** To be replayed, in this order; only transactions of `state` of them. */
  readonly segments: readonly Segment[];
  readonly lastIncluded: Stamp | null;
  readonly firstExcluded: Stamp | null;
};

/** From the newest backup that holds nothing beyond the target and from which the archive goes on without a gap. */
export function plan(
  timeline: readonly Segment[],
  backups: readonly Manifest[],
  cut: Cut,
): RestorePlan | Refusal {
  const { state, lastIncluded, firstExcluded } = cut;
  const before = backups.filter(({ gtid }) => contains(state, gtidSet(gtid)));
  if (before.length === 0) return refuse(backups.length === 0 ? "no-backup" : "too-early");
  const upTo = timeline.slice(0, cut.segment + 1);
  const archived = archivedSet(upTo);
  const newestFirst = before.toSorted((a, b) => (a.finishedAt < b.finishedAt ? 1 : -1));
  let missing: GtidSet = [];
  for (const backup of newestFirst) {
    const wanted = subtract(state, gtidSet(backup.gtid));
    missing = subtract(wanted, archived);
    if (!isEmpty(missing)) continue;
    const segments = upTo.filter(({ added }) => !isEmpty(intersect(gtidSet(added), wanted)));
    return { ok: true, backup, state, segments, lastIncluded, firstExcluded };
  }
  return refuse("gap", formatGtidSet(missing));
}

/** A backup as it is, without the archive. */
export function planOfBackup(backup: Manifest): RestorePlan {
  const state = gtidSet(backup.gtid);
  return { ok: true, backup, state, segments: [], lastIncluded: null, firstExcluded: null };
}

/** The newest state there is: the end of the archive, or a backup that holds all of that and more. */
export function latestBackupBeyond(
  timeline: readonly Segment[],
  backups: readonly Manifest[],
): Manifest | null {
  const last = timeline.at(-1);
  const state = last === undefined ? [] : stateAfter(last);
  let best: Manifest | null = null;
  for (const one of backups)
    if (contains(gtidSet(one.gtid), best === null ? state : gtidSet(best.gtid))) best = one;
  return best;
}

function given<T>(value: T | undefined): T {
  if (value === undefined) throw new RangeError("no such segment");
  return value;
}
