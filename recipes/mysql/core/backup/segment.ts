// A piece of an archived binary log: whole transactions that follow each other in one file of one server, as plain data.
// A segment exists when its index does. Its data is a binary log of its own: the head of its file, then its bytes.
import { gtidSet, union, type GtidSet } from "../gtid.ts";
import type { ServerVersion, StoredData } from "./manifest.ts";

/** A transaction and when its server committed it, in µs since 1970 by that server's clock. */
export type Stamp = { readonly gtid: string; readonly at: number };

export type Segment = {
  readonly format: 1;
  readonly server: ServerVersion & { readonly uuid: string };
  /** Of which the server was the primary. */
  readonly epoch: number;
  readonly file: string;
  /** What the head of the file hashes to: see layout.ts. */
  readonly head: string;
  /** Bytes of the file: the first one, and the one behind the last. */
  readonly from: number;
  readonly to: number;
  /** All that the server had executed before the first transaction. */
  readonly previous: string;
  readonly added: string;
  readonly transactions: number;
  readonly first: Stamp;
  readonly last: Stamp;
  /** The latest commit in it: a clock that was set back makes the last one an earlier one. */
  readonly latest: number;
  /** Of the data before compression. */
  readonly rawBytes: number;
  readonly compression: { readonly name: "zstd"; readonly level: number };
  readonly encryption: { readonly name: "age"; readonly recipients: readonly string[] } | null;
  readonly data: StoredData;
};

/** What the server had executed behind the last transaction. */
export function stateAfter(segment: Segment): GtidSet {
  return union(gtidSet(segment.previous), gtidSet(segment.added));
}

export function numberOf(file: string): number {
  return Number(/\.(\d+)$/.exec(file)?.[1] ?? 0);
}

const inOneFile = (a: Segment, b: Segment): boolean =>
  a.server.uuid === b.server.uuid && a.file === b.file && a.head === b.head;

function compare(a: Segment, b: Segment): number {
  return (
    a.epoch - b.epoch ||
    (a.server.uuid < b.server.uuid ? -1 : a.server.uuid > b.server.uuid ? 1 : 0) ||
    numberOf(a.file) - numberOf(b.file) ||
    a.from - b.from ||
    b.to - a.to
  );
}

/** In the order of the commits; one that lies within another behind that. */
export function inOrder(segments: readonly Segment[]): readonly Segment[] {
  return segments.toSorted(compare);
}

/** In the order of the commits, without those that lie within another: merged ones, until their pieces are deleted. */
export function timelineOf(segments: readonly Segment[]): readonly Segment[] {
  const kept: Segment[] = [];
  for (const next of inOrder(segments)) {
    const last = kept.at(-1);
    if (last !== undefined && inOneFile(last, next) && next.to <= last.to) continue;
    kept.push(next);
  }
  return kept;
}

/** All transactions that the archive holds. */
export function archivedSet(segments: readonly Segment[]): GtidSet {
  // Many small sets: joined in pairs, so that the large one is not made anew for each.
  let sets = segments.map(({ added }) => gtidSet(added));
  while (sets.length > 1)
    sets = sets.flatMap((set, at) => (at % 2 === 0 ? [union(set, sets[at + 1] ?? [])] : []));
  return sets[0] ?? [];
}
