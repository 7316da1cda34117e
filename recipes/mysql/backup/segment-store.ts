// The archive in the store: segments are listed by their indexes, which are written behind their data and never change.
import { z } from "zod";
import { RefusedError, type ObjectStore } from "../../../src/index.ts";
import { segmentDataPrefix, segmentsPrefix } from "../core/backup/layout.ts";
import type { Segment } from "../core/backup/segment.ts";
import { parseChecked } from "./manifest.ts";
import { bytes, compression, data, encryption } from "./stored-schema.ts";

const FORMAT = 1;
const AT_ONCE = 16;
/** What an attempt leaves that was killed between data and index; one that is under way is younger. */
const ORPHAN_AFTER_MS = 24 * 3_600_000;

const stamp = z.object({ gtid: z.string().min(1), at: z.int().min(0) });
const schema = z.object({
  format: z.literal(FORMAT),
  server: z.object({
    uuid: z.string().min(1),
    flavor: z.enum(["mysql", "percona", "mariadb"]),
    version: z.string(),
  }),
  epoch: z.int(),
  file: z.string().min(1),
  head: z.string().min(1),
  from: bytes,
  to: bytes,
  previous: z.string(),
  added: z.string().min(1),
  transactions: z.int().min(1),
  first: stamp,
  last: stamp,
  latest: z.int().min(0),
  rawBytes: bytes,
  compression,
  encryption,
  data,
});

export type Segments = {
  readonly segments: readonly Segment[];
  /** Indexes that cannot be believed: what they name is as good as missing. */
  readonly damaged: readonly string[];
};

/** Those that can be believed. Errors: RefusedError AP_BACKUP_NEWER; AP_OBJECTS_*. */
export async function loadSegments(
  store: ObjectStore,
  clusterId: string,
  signal: AbortSignal,
): Promise<readonly Segment[]> {
  return (await readArchive(store, clusterId, signal)).segments;
}

/** All of a cluster's, in no order. Errors: RefusedError AP_BACKUP_NEWER; AP_OBJECTS_*. */
export async function readArchive(
  store: ObjectStore,
  clusterId: string,
  signal: AbortSignal,
): Promise<Segments> {
  const prefix = segmentsPrefix(clusterId);
  const segments: Segment[] = [];
  const damaged: string[] = [];
  const load = async (key: string): Promise<void> => {
    try {
      const segment = await loadSegment(store, key);
      if (segment !== null) segments.push(segment);
    } catch (error) {
      if (!(error instanceof RefusedError) || error.code !== "AP_BACKUP_DAMAGED") throw error;
      damaged.push(error.message);
    }
  };
  for (let after: string | null = ""; after !== null;) {
    const page = await store.list(prefix, after === "" ? {} : { after });
    for (let at = 0; at < page.items.length; at += AT_ONCE) {
      signal.throwIfAborted();
      await Promise.all(page.items.slice(at, at + AT_ONCE).map(({ key }) => load(key)));
    }
    after = page.next;
  }
  return { segments, damaged };
}

/** Null: it was merged into another one, or pruned, since it was listed. Errors: also AP_BACKUP_DAMAGED. */
export async function loadSegment(store: ObjectStore, key: string): Promise<Segment | null> {
  const there = await store.get(key);
  return there === null ? null : parseChecked(schema, key, there.body.toString());
}

/** Deletes data that no index names, and that is a day old. Returns how many. */
export async function sweepSegmentData(
  store: ObjectStore,
  o: {
    readonly clusterId: string;
    /** Of this server alone; null: of all. */
    readonly uuid: string | null;
    readonly segments: readonly Segment[];
    /** Wall clock, ms since 1970. */
    readonly now: number;
  },
): Promise<number> {
  const named = new Set(o.segments.map(({ data }) => data.key));
  const all = segmentDataPrefix(o.clusterId);
  const prefix = o.uuid === null ? all : `${all}${o.uuid}/`;
  let swept = 0;
  for (let after: string | null = ""; after !== null;) {
    const page = await store.list(prefix, after === "" ? {} : { after });
    const orphans = page.items
      .filter(({ key, modifiedAt }) => !named.has(key) && o.now - modifiedAt > ORPHAN_AFTER_MS)
      .map(({ key }) => key);
    if (orphans.length > 0) await store.delete(orphans);
    swept += orphans.length;
    after = page.next;
  }
  return swept;
}
