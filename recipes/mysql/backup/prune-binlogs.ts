// Archived binary logs go with the backups that needed them: after those, the oldest first, and of each its index before its
// data. So a crash leaves an archive that begins later, or data that no index names, which is swept.
import type { ObjectStore } from "../../../src/index.ts";
import { prunableSegments } from "../core/backup/prunable.ts";
import type { RetentionPlan } from "../core/backup/retention.ts";
import type { Segment } from "../core/backup/segment.ts";
import { deleteSegments } from "./archive-write.ts";
import type { Catalog } from "./catalog.ts";
import { readArchive, sweepSegmentData } from "./segment-store.ts";
import { GARBAGE_AFTER_MS } from "./sweep.ts";

export type BinlogPlan = {
  readonly segments: readonly Segment[];
  /** In the order of deletion. */
  readonly remove: readonly Segment[];
  /** As they are stored. */
  readonly bytes: number;
};

/** Deletes nothing. Errors: RefusedError AP_BACKUP_NEWER: nobody knows what that archive needs; AP_OBJECTS_*. */
export async function planBinlogs(
  store: ObjectStore,
  { clusterId, entries }: Pick<Catalog, "clusterId" | "entries">,
  { plan, now }: { readonly plan: RetentionPlan; readonly now: number },
): Promise<BinlogPlan> {
  const { segments } = await readArchive(store, clusterId, new AbortController().signal);
  const replayed = new Set(plan.keep.flatMap(({ id, replayed: is }) => (is ? [id] : [])));
  const backups = entries.flatMap(({ manifest: { id, gtid } }) => (replayed.has(id) ? [gtid] : []));
  const settledBefore = (now - GARBAGE_AFTER_MS) * 1_000;
  const remove = prunableSegments(segments, { backups, settledBefore });
  return { segments, remove, bytes: remove.reduce((sum, { data }) => sum + data.bytes, 0) };
}

/** Also sweeps what attempts left of any server, of which some never come back. Errors: AP_OBJECTS_*. */
export async function pruneBinlogs(
  store: ObjectStore,
  clusterId: string,
  { plan, now }: { readonly plan: BinlogPlan; readonly now: number },
): Promise<void> {
  await deleteSegments({ store, clusterId }, plan.remove);
  await sweepSegmentData(store, { clusterId, uuid: null, segments: plan.segments, now });
}
