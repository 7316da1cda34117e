// Archived segments as relay logs: a batch of them in a directory of its own, so that the next one can be fetched while
// this one is applied, and the disk holds two at most. A transaction that is not wanted is not in them: what is applied
// cannot go beyond the target.
import { createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { ObjectStore } from "../../../src/index.ts";
import type { Segment } from "../core/backup/segment.ts";
import { memberOf } from "../core/gtid-members.ts";
import { contains, gtidSet, intersect, union, type GtidSet } from "../core/gtid.ts";
import { readHead } from "../mysqld/binlog-head.ts";
import { transactions } from "../mysqld/binlog.ts";
import { fileRange, unsealed } from "./segment-codec.ts";

export type Staged = {
  readonly dir: string;
  /** Absolute paths, in order, with the bytes of each. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  /** What has to be executed when it is applied. */
  readonly gtids: GtidSet;
};

export type Staging = {
  readonly store: ObjectStore;
  readonly workdir: string;
  /** To be applied: everything else is left out. */
  readonly wanted: GtidSet;
  readonly identities: readonly string[] | null;
  readonly signal: AbortSignal;
};

/** Batches of about so many bytes, in order; a larger segment is one of its own. */
export function batchesOf(
  segments: readonly Segment[],
  bytes: number,
): readonly (readonly Segment[])[] {
  const batches: Segment[][] = [];
  let room = 0;
  for (const segment of segments) {
    const last = batches.at(-1);
    if (last === undefined || segment.rawBytes > room) {
      batches.push([segment]);
      room = bytes - segment.rawBytes;
    } else {
      last.push(segment);
      room -= segment.rawBytes;
    }
  }
  return batches;
}

/** Errors: those of the store and of the disk; the signal's reason. */
export async function stage(
  o: Staging,
  batch: readonly Segment[],
  number: number,
): Promise<Staged> {
  const dir = join(o.workdir, `batch-${number}`);
  await mkdir(dir);
  const files: { path: string; bytes: number }[] = [];
  let gtids: GtidSet = [];
  for (const [at, segment] of batch.entries()) {
    const path = join(dir, `archived.${String(at + 1).padStart(6, "0")}`);
    await fetchSegment(o, segment, path);
    gtids = union(gtids, intersect(gtidSet(segment.added), o.wanted));
    files.push({ path, bytes: (await stat(path)).size });
  }
  return { dir, files, gtids };
}

async function fetchSegment(o: Staging, segment: Segment, path: string): Promise<void> {
  const isWhole = contains(o.wanted, gtidSet(segment.added));
  const fetched = `${path}.fetched`;
  await pipeline(unsealed(o.store, segment, o), createWriteStream(fetched, { mode: 0o600 }), {
    signal: o.signal,
  });
  if (isWhole) return await rename(fetched, path);
  await pipeline(wantedOf(o, fetched), createWriteStream(path, { mode: 0o600 }), {
    signal: o.signal,
  });
  await rm(fetched);
}

/** The head of the file, without which mysqld takes no log, and the transactions that are wanted. */
async function* wantedOf({ wanted }: Staging, path: string): AsyncGenerator<Buffer, void> {
  const head = await readHead(path);
  if (head !== null) yield head.bytes;
  const isWanted = memberOf(wanted);
  for await (const one of transactions([path]))
    if (isWanted(one)) for (const { start, end } of one.pieces) yield* fileRange(path, start, end);
}
