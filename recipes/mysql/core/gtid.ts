// GTID sets as intervals: parse, print, compare by containment. Pure, imports nothing.
// A set is a sorted, merged, immutable value: two equal sets print the same text and are deeply equal.
// Never decide anything by `size`: a set with more transactions may still lack one (PROTOCOL §1).
// Text form: Reference Manual, "GTID Format and Storage"; tags (uuid:tag:1-5) exist since MySQL 8.3.

/** Transaction numbers from `first` to `last`, both included; 1 ≤ first ≤ last. */
export type Interval = { readonly first: number; readonly last: number };

/** All transactions of one origin. `tag` "" is the untagged sequence. Intervals are sorted and never touch. */
export type Origin = {
  readonly uuid: string;
  readonly tag: string;
  readonly intervals: readonly Interval[];
};

/** Sorted by uuid, then tag; no origin is empty. Compare with `equal` or `contains`, never by length. */
export type GtidSet = readonly Origin[];

export const EMPTY: GtidSet = [];

const UUID =
  /^(?:[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}|\{[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\})$/;
const TAG = /^[a-z_][a-z0-9_]{0,31}$/;
const INTERVAL = /^(\d+)(?:\s*-\s*(\d+))?$/;

/** Sets are values, and the rules of one tick read the same few texts again and again: the last ones are remembered. */
const REMEMBERED = 256;
const REMEMBERED_LENGTH = 10_000;
const known = new Map<string, GtidSet | null>();
/** Of a set that grew, all parts but one are as they were. */
const knownParts = new Map<string, readonly Origin[] | null>();

function remembered<T>(all: Map<string, T>, text: string, read: (text: string) => T): T {
  const before = all.get(text);
  if (before !== undefined) return before;
  const now = read(text);
  if (all.size >= REMEMBERED) all.clear();
  if (text.length <= REMEMBERED_LENGTH) all.set(text, now);
  return now;
}

/**
 * Reads MySQL's text form, as @@gtid_executed and SHOW REPLICA STATUS print it: newlines, any case, any order.
 * Null: malformed, or a number that JavaScript cannot hold exactly (above 2^53 − 1).
 */
export function parseGtidSet(text: string): GtidSet | null {
  return remembered(known, text, parsed);
}

function parsed(text: string): GtidSet | null {
  const origins: Origin[] = [];
  for (const part of text.toLowerCase().split(",")) {
    if (part.trim() === "") continue;
    const found = remembered(knownParts, part, parseOrigins);
    if (found === null) return null;
    origins.push(...found);
  }
  return canonical(origins);
}

/** Like parseGtidSet, for text that must be a set. Errors: RangeError. */
export function gtidSet(text: string): GtidSet {
  const set = parseGtidSet(text);
  if (set === null) throw new RangeError(`not a GTID set: ${text}`);
  return set;
}

/** MySQL's own canonical text: one uuid per part, its tags behind it, no whitespace. */
export function formatGtidSet(set: GtidSet): string {
  let text = "";
  let uuid = "";
  for (const origin of set) {
    if (origin.uuid !== uuid) text += `${text === "" ? "" : ","}${origin.uuid}`;
    uuid = origin.uuid;
    if (origin.tag !== "") text += `:${origin.tag}`;
    for (const { first, last } of origin.intervals) {
      text += first === last ? `:${first}` : `:${first}-${last}`;
    }
  }
  return text;
}

export function union(a: GtidSet, b: GtidSet): GtidSet {
  if (contains(a, b)) return a;
  return contains(b, a) ? b : canonical([...a, ...b]);
}

/** Everything of `a` that is not in `b`. */
export function subtract(a: GtidSet, b: GtidSet): GtidSet {
  return combine(a, b, subtractIntervals);
}

export function intersect(a: GtidSet, b: GtidSet): GtidSet {
  return combine(a, b, intersectIntervals);
}

/** True when every transaction of `b` is in `a` (b ⊆ a). */
export function contains(a: GtidSet, b: GtidSet): boolean {
  if (a === b) return true;
  return b.every((origin) => {
    const whole = a.find((o) => o.uuid === origin.uuid && o.tag === origin.tag)?.intervals ?? [];
    // Intervals of a set never touch: what is contained lies within one of them.
    return origin.intervals.every((part) =>
      whole.some(({ first, last }) => first <= part.first && part.last <= last),
    );
  });
}

export function equal(a: GtidSet, b: GtidSet): boolean {
  return a === b || formatGtidSet(a) === formatGtidSet(b);
}

export function isEmpty(set: GtidSet): boolean {
  return set.length === 0;
}

/** The transactions of one origin uuid, all its tags. */
export function restrictTo(set: GtidSet, uuid: string): GtidSet {
  return set.filter((origin) => origin.uuid === uuid.toLowerCase());
}

/** Everything but the transactions of one origin uuid. */
export function without(set: GtidSet, uuid: string): GtidSet {
  return set.filter((origin) => origin.uuid !== uuid.toLowerCase());
}

/** The highest untagged number of a uuid, 0 if there is none: under the marker uuid this is joined() (PROTOCOL §1). */
export function maxOf(set: GtidSet, uuid: string): number {
  const origin = set.find((o) => o.uuid === uuid.toLowerCase() && o.tag === "");
  return origin?.intervals.at(-1)?.last ?? 0;
}

/** How many transactions: for people and for ranking equals, never for a comparison of two nodes. */
export function size(set: GtidSet): number {
  let count = 0;
  for (const { intervals } of set) {
    for (const { first, last } of intervals) count += last - first + 1;
  }
  return count;
}

/** One comma-separated part: a uuid, intervals, and then tags with theirs. */
function parseOrigins(part: string): readonly Origin[] | null {
  const [head, ...fields] = part.split(":").map((field) => field.trim());
  if (head === undefined || !UUID.test(head) || fields.length === 0) return null;
  const uuid = withDashes(head);
  const origins: { uuid: string; tag: string; intervals: Interval[] }[] = [];
  let tag = "";
  for (const field of fields) {
    if (TAG.test(field)) {
      tag = field;
      continue;
    }
    const interval = parseInterval(field);
    if (interval === null) return null;
    // MySQL takes an interval that ends before it starts as empty.
    if (interval.first > interval.last) continue;
    const last = origins.at(-1);
    if (last?.tag === tag) last.intervals.push(interval);
    else origins.push({ uuid, tag, intervals: [interval] });
  }
  return origins;
}

function parseInterval(field: string): Interval | null {
  const match = INTERVAL.exec(field);
  if (match === null) return null;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  if (first < 1 || !Number.isSafeInteger(first) || !Number.isSafeInteger(last)) return null;
  return { first, last };
}

function withDashes(uuid: string): string {
  // Matched already: of this length it has all four.
  if (uuid.length === 36) return uuid;
  const hex = uuid.replaceAll(/[-{}]/g, "");
  return [0, 8, 12, 16, 20].map((at, i, all) => hex.slice(at, all[i + 1] ?? 32)).join("-");
}

function keyOf(origin: Origin): string {
  return `${origin.uuid}:${origin.tag}`;
}

/** Whether it is a set already: origins in order, their intervals in order and apart. MySQL prints it so. */
function isCanonical(origins: readonly Origin[]): boolean {
  return origins.every(({ uuid, tag, intervals }, at) => {
    const before = origins[at - 1];
    if (before !== undefined && !(before.uuid < uuid || (before.uuid === uuid && before.tag < tag)))
      return false;
    return intervals.every((next, n) => n === 0 || next.first > (intervals[n - 1]?.last ?? 0) + 1);
  });
}

/** Merges origins of the same key, sorts everything, joins intervals that overlap or touch. */
function canonical(origins: readonly Origin[]): GtidSet {
  if (isCanonical(origins)) return origins;
  const byKey = new Map<string, Interval[]>();
  for (const origin of origins) {
    const key = keyOf(origin);
    byKey.set(key, [...(byKey.get(key) ?? []), ...origin.intervals]);
  }
  return [...byKey]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, intervals]) => ({
      uuid: key.slice(0, 36),
      tag: key.slice(37),
      intervals: merge(intervals),
    }));
}

function merge(intervals: readonly Interval[]): readonly Interval[] {
  const merged: Interval[] = [];
  for (const next of intervals.toSorted((a, b) => a.first - b.first)) {
    const previous = merged.at(-1);
    if (previous === undefined || next.first > previous.last + 1) merged.push(next);
    else if (next.last > previous.last) {
      merged[merged.length - 1] = { first: previous.first, last: next.last };
    }
  }
  return merged;
}

type Combine = (a: readonly Interval[], b: readonly Interval[]) => readonly Interval[];

function combine(a: GtidSet, b: GtidSet, each: Combine): GtidSet {
  const others = new Map(b.map((origin) => [keyOf(origin), origin.intervals]));
  return a
    .map((origin) => ({
      uuid: origin.uuid,
      tag: origin.tag,
      intervals: each(origin.intervals, others.get(keyOf(origin)) ?? []),
    }))
    .filter((origin) => origin.intervals.length > 0);
}

function subtractIntervals(a: readonly Interval[], b: readonly Interval[]): readonly Interval[] {
  const left: Interval[] = [];
  for (const { first, last } of a) {
    let from = first;
    for (const hole of b) {
      if (hole.last < from || hole.first > last) continue;
      if (hole.first > from) left.push({ first: from, last: hole.first - 1 });
      from = hole.last + 1;
    }
    if (from <= last) left.push({ first: from, last });
  }
  return left;
}

function intersectIntervals(a: readonly Interval[], b: readonly Interval[]): readonly Interval[] {
  return a.flatMap((x) =>
    b
      .map((y) => ({ first: Math.max(x.first, y.first), last: Math.min(x.last, y.last) }))
      .filter((both) => both.first <= both.last),
  );
}
