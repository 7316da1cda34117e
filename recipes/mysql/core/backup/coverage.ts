// What the archive covers: where it goes on after a failover, what it lacks, what can be recovered, and which binary logs
// a server may forget.
import { contains, gtidSet, isEmpty, restrictTo, subtract, union, type GtidSet } from "../gtid.ts";
import type { Manifest } from "./manifest.ts";
import { archivedSet, numberOf, stateAfter, type Segment, type Stamp } from "./segment.ts";

/** A binary log that a server has: what it had executed before it, and the hash of its head. */
export type LocalBinlog = {
  readonly file: string;
  readonly head: string;
  readonly previous: GtidSet;
};

/** Where to go on: in the newest file before which everything is accounted for; its own segments say how far that one is. */
export type Start = {
  readonly file: string;
  /** Byte to go on at, with all executed before it; null: at the file's first transaction. */
  readonly after: { readonly to: number; readonly state: GtidSet } | null;
};

/** What the archive goes through: it knows what it has, and what came before it or was missed on the way. */
export type Account = {
  readonly archived: GtidSet;
  /** All that had been executed at some place in the archive. */
  readonly accounted: GtidSet;
  /** Between two segments, and in none. What came before the first one is no gap: a backup holds that, or nothing does. */
  readonly gaps: GtidSet;
};

const NOTHING: Account = { archived: [], accounted: [], gaps: [] };

export function accountOf(timeline: readonly Segment[]): Account {
  return timeline.reduce(accountWith, NOTHING);
}

export function accountWith(before: Account, segment: Segment): Account {
  const added = gtidSet(segment.added);
  const isFirst = isEmpty(before.accounted);
  const missed = isFirst ? [] : subtract(gtidSet(segment.previous), before.accounted);
  return {
    archived: union(before.archived, added),
    accounted: union(before.accounted, stateAfter(segment)),
    gaps: subtract(union(before.gaps, missed), added),
  };
}

/** `logs`: oldest first, not empty. */
export function startIn(
  logs: readonly LocalBinlog[],
  uuid: string,
  segments: readonly Segment[],
  { accounted }: Account,
): Start {
  const from = logs.findLast(({ previous }) => contains(accounted, previous)) ?? logs[0];
  if (from === undefined) throw new RangeError("no binary logs");
  const own = segments
    .filter((one) => one.server.uuid === uuid && one.file === from.file && one.head === from.head)
    .toSorted((a, b) => a.to - b.to)
    .at(-1);
  const after = own === undefined ? null : { to: own.to, state: stateAfter(own) };
  return { file: from.file, after };
}

/**
 * Whether this server's binary logs begin anew, as after RESET BINARY LOGS AND GTIDS: it would give numbers to new
 * transactions that the archive holds under another content. Numbers of files only ever grow otherwise.
 */
export function wasReset(
  server: { readonly uuid: string; readonly executed: GtidSet },
  logs: readonly LocalBinlog[],
  segments: readonly Segment[],
): boolean {
  const own = segments.filter((one) => one.server.uuid === server.uuid);
  if (!isEmpty(subtract(restrictTo(archivedSet(own), server.uuid), server.executed))) return true;
  const heads = new Map(logs.map(({ file, head }) => [file, head]));
  const oldest = Math.min(...logs.map(({ file }) => numberOf(file)));
  return own.some(({ file, head }) => numberOf(file) >= oldest && heads.get(file) !== head);
}

/**
 * What no server need keep for the archive's sake: what is in it, and what was there before it began or before a prune. A gap
 * is none of that: only a backup settles it.
 */
export function settled({ accounted, gaps }: Account): GtidSet {
  return subtract(accounted, gaps);
}

/** What is lost to the archive: its gaps, and what was purged on the server before it came to that. */
export function lostToArchive(purged: GtidSet, { accounted, gaps }: Account): GtidSet {
  return isEmpty(accounted) ? [] : union(gaps, subtract(purged, accounted));
}

/** Of that, what no backup holds either: as long as there is any, nothing newer can be recovered. */
export function uncovered(lost: GtidSet, backups: readonly Pick<Manifest, "gtid">[]): GtidSet {
  return backups.some(({ gtid }) => contains(gtidSet(gtid), lost)) ? [] : lost;
}

/** Any moment between these two, both included, can be recovered. */
export type Window = { readonly from: Stamp; readonly to: Stamp };

export function recoverableWindows(
  timeline: readonly Segment[],
  backups: readonly Manifest[],
): readonly Window[] {
  const windows: { from: Stamp; to: Stamp }[] = [];
  const held = backups.map(({ gtid }) => gtidSet(gtid));
  let archived: GtidSet = [];
  let open = false;
  let before: GtidSet = [];
  for (const segment of timeline) {
    // What was committed in a gap, and when, is not known, whatever backup there is of its end.
    open &&= contains(before, gtidSet(segment.previous));
    archived = union(archived, gtidSet(segment.added));
    const state = stateAfter(segment);
    before = state;
    const reach = held.filter(
      (set) => contains(state, set) && contains(union(set, archived), state),
    );
    const last = windows.at(-1);
    if (reach.length === 0) open = false;
    else if (open && last !== undefined) last.to = segment.last;
    else {
      // A backup of the middle of a segment: from its end on is certain.
      const whole = reach.some((set) => contains(gtidSet(segment.previous), set));
      windows.push({ from: whole ? segment.first : segment.last, to: segment.last });
      open = true;
    }
  }
  return windows;
}

export type ServerBinlog = {
  readonly file: string;
  readonly previous: GtidSet;
  /** Since when it was not written any more, ms ago. */
  readonly ageMs: number;
};

/**
 * The file up to which (without itself) this server may forget its binary logs: what is before it is archived, received by
 * every replica, and older than `keepMs`. Null: nothing may go. `logs`: oldest first; the last one is being written.
 */
export function purgeUpTo(
  logs: readonly ServerBinlog[],
  rule: {
    readonly archived: GtidSet;
    /** Retrieved and executed, of each replica that is to be served from here. */
    readonly received: readonly GtidSet[];
    readonly keepMs: number;
  },
): string | null {
  let upTo: string | null = null;
  for (let at = 0; at + 1 < logs.length; at++) {
    const [log, next] = [logs[at], logs[at + 1]];
    if (log === undefined || next === undefined || log.ageMs < rule.keepMs) break;
    const isSafe = [rule.archived, ...rule.received].every((set) => contains(set, next.previous));
    if (!isSafe) break;
    upTo = next.file;
  }
  return upTo;
}

/** A run of small segments of one file that may become one, in order; null: there is none that is worth it. */
export function mergeable(
  segments: readonly Segment[],
  limits: { readonly count: number; readonly smallBytes: number },
): readonly Segment[] | null {
  const run: Segment[] = [];
  for (const segment of segments.toReversed()) {
    const next = run[0];
    const follows = next === undefined || isFollowedBy(segment, next);
    if (!follows || segment.to - segment.from >= limits.smallBytes) break;
    run.unshift(segment);
  }
  return run.length >= limits.count ? run : null;
}

function isFollowedBy(a: Segment, b: Segment): boolean {
  const sameFile = a.server.uuid === b.server.uuid && a.file === b.file && a.head === b.head;
  return sameFile && a.epoch === b.epoch && a.to === b.from;
}
