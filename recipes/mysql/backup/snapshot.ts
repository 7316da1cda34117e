// A backup is made: the engine's image, compressed, encrypted where somebody asked for it, uploaded with its last part
// withheld; then the engine proves that it was all; then the object appears, then the manifest. Until that last step
// there is no backup, and what a crash leaves before it is found by a sweep.
import { randomBytes } from "node:crypto";
import {
  AutopilotError,
  ConflictError,
  UnavailableError,
  messageOf,
  type Clock,
  type ObjectStore,
  type Upload,
  type Uploaded,
} from "../../../src/index.ts";
import { backupIdOf, dataKey, manifestKey } from "../core/backup/layout.ts";
import type { Manifest, ServerVersion } from "../core/backup/manifest.ts";
import { introduceCluster } from "./cluster-file.ts";
import { seal } from "./encrypt.ts";
import type { Engine, ImageFacts, Imaging } from "./engine.ts";
import { textOf } from "./manifest.ts";
import { meterOf, type Meter, type Progress } from "./progress.ts";
import { paceOf, type Pace } from "./rate.ts";
import { compress, type Zstd } from "./zstd.ts";

export type SnapshotParts = {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly engine: Engine;
  /** The start of zstd's command line. */
  readonly zstd: readonly string[];
};

export type SnapshotRequest = {
  readonly cluster: Manifest["cluster"] & {
    readonly restoredFrom: { readonly cluster: string; readonly backup: string } | null;
  };
  readonly node: Manifest["node"];
  readonly epoch: number;
  readonly server: ServerVersion;
  /** An incremental one on top of this; null: a full one. */
  readonly parent: Manifest | null;
  /** The node's directory for temporary files, on the file system of the datadir. */
  readonly scratch: string;
  /** Of zstd. */
  readonly level: number;
  /** Who may decrypt it; null: it is not encrypted. */
  readonly recipients: readonly string[] | null;
  /** Bytes of the image per second, at most; null: no limit. */
  readonly rate: number | null;
  readonly signal: AbortSignal;
  /** The image is whole: whether it may become a backup. Errors: of who asks. */
  readonly confirm?: (facts: ImageFacts) => Promise<void>;
  readonly progress: (progress: Progress) => void;
  /** Of the upload; only tests have a reason to give it. */
  readonly partBytes?: number;
};

/** Errors: AP_BACKUP_ENGINE_FAILED, AP_BACKUP_ZSTD_FAILED, AP_OBJECTS_*; the signal's reason. */
export async function takeSnapshot(
  parts: SnapshotParts,
  request: SnapshotRequest,
): Promise<Manifest> {
  const { store, clock } = parts;
  const { restoredFrom, ...cluster } = request.cluster;
  const startedAt = new Date(clock.wall()).toISOString();
  const id = backupIdOf(startedAt, request.node.name, randomBytes(2).toString("hex"));
  // Also the first look at the store: before a server is made to work for nothing.
  await introduceCluster(store, { ...cluster, since: startedAt, restoredFrom });
  try {
    const stored = await storeImage(parts, request, dataKey(cluster.id, id));
    const finishedAt = new Date(clock.wall()).toISOString();
    const manifest = manifestOf({ parts, request, id, startedAt, finishedAt }, stored);
    request.signal.throwIfAborted();
    await publish(store, manifest);
    return manifest;
  } catch (error) {
    // What also failed while cleaning up does not hide why it was cleaned up.
    throw error instanceof SuppressedError ? error.suppressed : error;
  }
}

type Stored = {
  readonly facts: ImageFacts;
  readonly format: Imaging["format"];
  readonly data: Uploaded;
  readonly rawBytes: number;
};

async function storeImage(
  { store, clock, engine, zstd: argv }: SnapshotParts,
  request: SnapshotRequest,
  key: string,
): Promise<Stored> {
  const stop = new AbortController();
  const signal = AbortSignal.any([request.signal, stop.signal]);
  const { scratch, parent, partBytes } = request;
  await using imaging = await engine.image(request.server, {
    scratch,
    since: parent?.lsn?.to ?? null,
    signal,
  });
  const { estimate, format } = imaging;
  await using upload = store.upload(key, {
    signal,
    ...(estimate === 0 ? {} : { estimate }),
    ...(partBytes === undefined ? {} : { partBytes }),
  });
  await using zstd = compress(argv, request.level);
  const meter = meterOf(clock, { estimate, tell: request.progress });
  const abandon = (): void => {
    zstd.kill();
    imaging.stream.destroy();
  };
  signal.addEventListener("abort", abandon, { once: true });
  const pace = paceOf(clock, request.rate);
  await together(request.signal, stop, [
    zstd.feed(imageOf(imaging, { meter, pace, signal })),
    send({ zstd, upload, meter }, request.recipients),
  ]);
  const facts = await prove(imaging, meter);
  await request.confirm?.(facts);
  meter.phase("storing");
  signal.throwIfAborted();
  const data = await upload.finish({ ifNoneMatch: true });
  return { facts, format, data, rawBytes: meter.rawBytes };
}

function manifestOf(
  made: {
    readonly parts: SnapshotParts;
    readonly request: SnapshotRequest;
    readonly id: string;
    readonly startedAt: string;
    readonly finishedAt: string;
  },
  { facts, format, data, rawBytes }: Stored,
): Manifest {
  const { parts, request, id, startedAt, finishedAt } = made;
  const { cluster, node, epoch, server, parent, recipients, level } = request;
  return {
    format: 1,
    id,
    cluster: { name: cluster.name, id: cluster.id },
    node,
    epoch,
    engine: { name: parts.engine.name, version: parts.engine.version },
    server,
    kind: parent === null ? "full" : "incremental",
    parent: parent?.id ?? null,
    ...facts,
    startedAt,
    finishedAt,
    rawBytes,
    stream: format,
    compression: { name: "zstd", level },
    encryption: recipients === null ? null : { name: "age", recipients },
    data: { key: data.key, bytes: data.bytes, sha256: data.sha256, parts: data.parts },
  };
}

/** All to their ends, or the first failure, after which the others are ended too: theirs are its consequences. */
async function together(
  asked: AbortSignal,
  stop: AbortController,
  stages: readonly Promise<void>[],
): Promise<void> {
  let first: { readonly error: unknown } | null = null;
  const failed = (error: unknown): void => {
    first ??= { error: asked.aborted ? asked.reason : error };
    stop.abort(first.error);
  };
  await Promise.all(stages.map((stage) => stage.catch(failed)));
  // Assigned in a callback, which the compiler does not see.
  const cause = first as { readonly error: unknown } | null;
  if (cause !== null) throw cause.error;
}

async function* imageOf(
  { stream }: Imaging,
  { meter, pace, signal }: { meter: Meter; pace: Pace; signal: AbortSignal },
): AsyncGenerator<Buffer, void> {
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      await pace(chunk.length, signal);
      meter.raw(chunk.length);
      yield chunk;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AutopilotError) throw error;
    const why = `the image broke off: ${messageOf(error)}`;
    throw new UnavailableError("AP_BACKUP_ENGINE_FAILED", why, { cause: error });
  }
}

async function send(
  { zstd, upload, meter }: { zstd: Zstd; upload: Upload; meter: Meter },
  recipients: readonly string[] | null,
): Promise<void> {
  const compressed = zstd.read();
  for await (const chunk of recipients === null ? compressed : seal(compressed, recipients)) {
    await upload.write(chunk);
    meter.stored(chunk.length);
  }
}

/** A stream that ended says nothing: an engine that died ends it too. */
async function prove(imaging: Imaging, meter: Meter): Promise<ImageFacts> {
  meter.phase("proving");
  const { gtid, binlog, lsn } = await imaging.finish();
  if (meter.rawBytes > 0) return { gtid, binlog, lsn };
  throw new UnavailableError("AP_BACKUP_ENGINE_FAILED", "the image has no bytes");
}

/**
 * From here on it is a backup, unless what it needs was deleted in the same moment. Both look after they wrote: here
 * whether the data and the base are there, and who deletes, whether somebody rests on it meanwhile (prune.ts, sweep.ts).
 */
async function publish(store: ObjectStore, manifest: Manifest): Promise<void> {
  const { id, cluster, parent, data } = manifest;
  const key = manifestKey(cluster.id, id);
  await store.put(key, textOf(manifest), { ifNoneMatch: true });
  const there = await store.head(data.key);
  const base =
    parent === null ? true : (await store.head(manifestKey(cluster.id, parent))) !== null;
  if (there?.bytes === data.bytes && base) return;
  await store.delete([key]);
  const what = base ? "its data" : `its base ${parent}`;
  throw new ConflictError("AP_BACKUP_UNKNOWN", `backup ${id}: ${what} was deleted meanwhile`);
}
