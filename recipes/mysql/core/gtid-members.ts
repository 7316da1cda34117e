// Between GTID sets and single transactions, as they are read from a log: there may be very many of them.
import { gtidSet, type GtidSet } from "./gtid.ts";

/** One GTID; `tag` is "" for one without (tags: 8.3). */
export type Gtid = { readonly uuid: string; readonly tag: string; readonly n: number };

export function formatGtid({ uuid, tag, n }: Gtid): string {
  return tag === "" ? `${uuid}:${n}` : `${uuid}:${tag}:${n}`;
}

/** Numbers that follow each other are written as one interval at once. */
export function setOf(all: readonly Gtid[]): GtidSet {
  const numbers = new Map<string, number[]>();
  for (const { uuid, tag, n } of all) {
    const key = tag === "" ? uuid : `${uuid}:${tag}`;
    const known = numbers.get(key);
    if (known === undefined) numbers.set(key, [n]);
    else known.push(n);
  }
  return gtidSet([...numbers].map(([key, ns]) => `${key}:${intervalsOf(ns)}`).join(","));
}

function intervalsOf(numbers: readonly number[]): string {
  const intervals: { first: number; last: number }[] = [];
  for (const n of numbers.toSorted((a, b) => a - b)) {
    const last = intervals.at(-1);
    if (last !== undefined && n <= last.last + 1) last.last = n;
    else intervals.push({ first: n, last: n });
  }
  return intervals.map(({ first, last }) => `${first}-${last}`).join(":");
}

/** Whether a set holds a GTID; made once, asked for each transaction of a log. */
export function memberOf(set: GtidSet): (gtid: Gtid) => boolean {
  const intervals = new Map(set.map((o) => [`${o.uuid}:${o.tag}`, o.intervals]));
  return ({ uuid, tag, n }) =>
    intervals.get(`${uuid}:${tag}`)?.some(({ first, last }) => first <= n && n <= last) ?? false;
}
