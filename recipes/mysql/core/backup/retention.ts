// Which backups stay, and why. What is not kept for a reason goes; what somebody may still need is never without one.
import { dayOf, monthOf, weekOf } from "./calendar.ts";

/** So many of each; a backup may count for several. */
export type Retention = {
  /** The newest. */
  readonly last: number;
  /** The newest of each of so many days, weeks (from Monday) and months, in UTC, of those that have a backup. */
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
  /** Every moment of this long, ms, can be recovered; 0: none is promised. */
  readonly window: number;
};

const DAY_MS = 86_400_000;
export const DEFAULT_RETENTION: Retention = {
  last: 7,
  daily: 7,
  weekly: 4,
  monthly: 3,
  window: 7 * DAY_MS,
};

/** What retention needs to know of a backup. */
export type Kept = {
  readonly id: string;
  /** When its image was whole, ms since 1970. */
  readonly at: number;
  /** Of an incremental: what it rests on. */
  readonly parent: string | null;
  /** The newest verification's word; null: it was never verified. */
  readonly verified: boolean | null;
  readonly hold: string | null;
};

export type RetentionPlan = {
  /** Newest first. */
  readonly keep: readonly {
    readonly id: string;
    readonly reasons: readonly string[];
    /** Moments after it are to be recovered from it: the binlogs since then are needed. */
    readonly replayed: boolean;
  }[];
  /** In the order of deletion: none before what rests on it. */
  readonly remove: readonly string[];
};

/** Why this retention is none, or null. */
export function retentionProblem(retention: Retention): string | null {
  const { last, daily, weekly, monthly, window } = retention;
  for (const [name, value] of Object.entries({ last, daily, weekly, monthly, window }))
    if (!Number.isSafeInteger(value) || value < 0) return `${name} is no whole number from 0 on`;
  return last + daily + weekly + monthly === 0
    ? "it keeps nothing: every backup would be deleted"
    : null;
}

/** `now`: ms since 1970. The retention must have no problem. */
export function planRetention(
  backups: readonly Kept[],
  retention: Retention,
  now: number,
): RetentionPlan {
  const newestFirst = backups.toSorted((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1));
  const byId = new Map(newestFirst.map((one) => [one.id, one]));
  const good = newestFirst.filter((one) => isGood(one, byId));
  const reasons = new Map<string, string[]>();
  const keep = (one: Kept | undefined, why: string): void => {
    if (one === undefined) return;
    const known = reasons.get(one.id);
    if (known === undefined) reasons.set(one.id, [why]);
    else if (!known.includes(why)) known.push(why);
  };
  for (const one of newestFirst) if (one.hold !== null) keep(one, `held: ${one.hold}`);
  keep(good[0], "the newest");
  keep(
    good.find(({ verified }) => verified === true),
    "the newest that was verified",
  );
  for (const one of good.slice(0, retention.last)) keep(one, `of the last ${retention.last}`);
  for (const [count, name, bucketOf] of [
    [retention.daily, "daily", dayOf],
    [retention.weekly, "weekly", weekOf],
    [retention.monthly, "monthly", monthOf],
  ] as const)
    for (const one of newestOfEach(good, bucketOf, count)) keep(one, name);
  for (const one of windowOf(good, retention.window, now)) keep(one, "the recovery window");
  keepSuspects(newestFirst, good, keep);
  keepBases(newestFirst, byId, reasons, keep);
  return planOf(newestFirst, reasons, replayedOf(good, retention.window, now, reasons));
}

/** It can be restored, as far as anybody knows. */
function isGood(one: Kept, byId: ReadonlyMap<string, Kept>): boolean {
  return one.verified !== false && chainOf(one, byId) !== null;
}

/** It and all that it rests on; null: something of that is missing, or was found to be bad. */
function chainOf(one: Kept, byId: ReadonlyMap<string, Kept>): readonly Kept[] | null {
  const chain = [one];
  for (let at = one; at.parent !== null;) {
    const parent = byId.get(at.parent);
    if (parent === undefined || parent.verified === false || chain.includes(parent)) return null;
    chain.push(parent);
    at = parent;
  }
  return chain;
}

function newestOfEach(
  newestFirst: readonly Kept[],
  bucketOf: (at: number) => number,
  count: number,
): readonly Kept[] {
  const found = new Map<number, Kept>();
  for (const one of newestFirst) {
    const bucket = bucketOf(one.at);
    if (found.size < count && !found.has(bucket)) found.set(bucket, one);
  }
  return [...found.values()];
}

/** All within the window, and the one that its first moment is recovered from. */
function windowOf(good: readonly Kept[], window: number, now: number): readonly Kept[] {
  if (window === 0) return [];
  const begin = good.findIndex(({ at }) => at <= now - window);
  return begin < 0 ? good : good.slice(0, begin + 1);
}

/** What failed its verification, or lacks its base, goes when a good one is newer: until then it may be all there is. */
function keepSuspects(
  newestFirst: readonly Kept[],
  good: readonly Kept[],
  keep: (one: Kept, why: string) => void,
): void {
  for (const one of newestFirst) {
    if (good.includes(one)) continue;
    const newer = good[0] !== undefined && good[0].at > one.at;
    if (!newer) keep(one, "nothing newer is known to be good");
  }
}

/** From the newest on: the base of a base is found in the same round, because it is older. */
function keepBases(
  newestFirst: readonly Kept[],
  byId: ReadonlyMap<string, Kept>,
  reasons: ReadonlyMap<string, readonly string[]>,
  keep: (one: Kept | undefined, why: string) => void,
): void {
  for (const one of newestFirst) {
    if (!reasons.has(one.id)) continue;
    const seen = new Set<string>([one.id]);
    for (let at: Kept | undefined = one; at?.parent != null && !seen.has(at.parent);) {
      seen.add(at.parent);
      keep(byId.get(at.parent), `the base of ${at.id}`);
      at = byId.get(at.parent);
    }
  }
}

/** Without a window, whatever is kept may be gone on from. */
function replayedOf(
  good: readonly Kept[],
  window: number,
  now: number,
  reasons: ReadonlyMap<string, unknown>,
): ReadonlySet<string> {
  const from = window === 0 ? good : windowOf(good, window, now);
  return new Set(from.filter(({ id }) => reasons.has(id)).map(({ id }) => id));
}

function planOf(
  newestFirst: readonly Kept[],
  reasons: ReadonlyMap<string, readonly string[]>,
  replayed: ReadonlySet<string>,
): RetentionPlan {
  const keep = newestFirst.flatMap(({ id }) => {
    const why = reasons.get(id);
    return why === undefined ? [] : [{ id, reasons: why, replayed: replayed.has(id) }];
  });
  const gone = newestFirst.filter(({ id }) => !reasons.has(id));
  const byId = new Map(gone.map((one) => [one.id, one]));
  // A clock that went back may have made a child older than its base: the chain decides, not the time.
  const depths = new Map(gone.map((one) => [one.id, depthOf(one, byId)]));
  const remove = gone
    .toReversed()
    .toSorted((a, b) => (depths.get(b.id) ?? 0) - (depths.get(a.id) ?? 0));
  return { keep, remove: remove.map(({ id }) => id) };
}

function depthOf(one: Kept, byId: ReadonlyMap<string, Kept>): number {
  const seen = new Set<string>();
  for (let at: Kept | undefined = one; at !== undefined && !seen.has(at.id);) {
    seen.add(at.id);
    at = byId.get(at.parent ?? "");
  }
  return seen.size;
}
