// Writes a segment: its data under a name that no other attempt uses, and then its index, which makes it exist.
import { randomBytes } from "node:crypto";
import { AutopilotError, type ObjectStore } from "../../../src/index.ts";
import { segmentDataKey, segmentKey, type SegmentPlace } from "../core/backup/layout.ts";
import type { Segment } from "../core/backup/segment.ts";
import { headOf } from "./binlogs-here.ts";
import { textOf } from "./manifest.ts";
import { fileRange, sealed, type Sealing } from "./segment-codec.ts";
import { loadSegment } from "./segment-store.ts";

export type SegmentDraft = Omit<
  Segment,
  "format" | "rawBytes" | "compression" | "encryption" | "data"
>;

export type Writing = {
  readonly store: ObjectStore;
  readonly clusterId: string;
  readonly sealing: Sealing;
  readonly signal: AbortSignal;
};

/** The file is not the one any more that it was: purged, or reset. */
export class BinlogChanged extends Error {}

/** Errors: BinlogChanged; AP_OBJECTS_*; the signal's reason. What was begun then is no segment, and is swept. */
export async function writeSegment(
  { store, clusterId, sealing, signal }: Writing,
  draft: SegmentDraft,
  path: string,
): Promise<Segment> {
  const place = placeOf(draft);
  const head = await sameHead(path, draft);
  const rawBytes = head.length + draft.to - draft.from;
  const key = segmentDataKey(clusterId, place, randomBytes(4).toString("hex"));
  await using upload = store.upload(key, { estimate: rawBytes, signal });
  for await (const chunk of sealed(withHead(head, path, draft), sealing)) await upload.write(chunk);
  // Read while somebody reset the binary logs, these may be bytes of another file of that name.
  await sameHead(path, draft);
  const { bytes, sha256, parts } = await upload.finish({ ifNoneMatch: true });
  const segment: Segment = {
    format: 1,
    ...draft,
    rawBytes,
    compression: { name: "zstd", level: sealing.level },
    encryption:
      sealing.recipients.length === 0 ? null : { name: "age", recipients: sealing.recipients },
    data: { key, bytes, sha256, parts },
  };
  return await publish(store, segmentKey(clusterId, place), segment);
}

/** The same bytes of the same file are the same segment, whoever was first. */
async function publish(store: ObjectStore, key: string, segment: Segment): Promise<Segment> {
  try {
    await store.put(key, textOf(segment), { ifNoneMatch: true });
    return segment;
  } catch (error) {
    if (!(error instanceof AutopilotError) || error.code !== "AP_OBJECTS_CONFLICT") throw error;
    const there = await loadSegment(store, key);
    if (there === null || there.added !== segment.added) throw error;
    // Unless it was ourselves, whose answer got lost.
    if (there.data.key !== segment.data.key) await store.delete([segment.data.key]);
    return there;
  }
}

function placeOf({ server, file, head, from, to }: SegmentDraft): SegmentPlace {
  return { uuid: server.uuid, file, head, from, to };
}

async function sameHead(path: string, { head }: SegmentDraft): Promise<Buffer> {
  const found = await headOf(path);
  if (found?.fingerprint === head) return found.bytes;
  throw new BinlogChanged(`${path} is another file by now`);
}

async function* withHead(
  head: Buffer,
  path: string,
  { from, to }: SegmentDraft,
): AsyncGenerator<Buffer, void> {
  yield head;
  yield* fileRange(path, from, to);
}

/** Deletes segments, index first: what is left of one that was deleted in part is swept. */
export async function deleteSegments(
  { store, clusterId }: Pick<Writing, "store" | "clusterId">,
  segments: readonly Segment[],
): Promise<void> {
  if (segments.length === 0) return;
  await store.delete(segments.map((one) => segmentKey(clusterId, placeOf(one))));
  await store.delete(segments.map(({ data }) => data.key));
}
