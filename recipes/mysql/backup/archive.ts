// Keeps the archive of binary logs up with the primary that this process belongs to: looks a few times per `within`, and
// sends what the server has executed since. It holds nothing but a place in a file: where the store is away it lags, and
// after a restart, or on another node after a failover, the store itself says where to go on.
import { basename } from "node:path";
import { AutopilotError, messageOf, type Clock, type ObjectStore } from "../../../src/index.ts";
import {
  accountOf,
  accountWith,
  lostToArchive,
  mergeable,
  settled,
  type Account,
} from "../core/backup/coverage.ts";
import { timelineOf, type Segment } from "../core/backup/segment.ts";
import { formatGtidSet, union, type GtidSet } from "../core/gtid.ts";
import { mergeSegments } from "./archive-merge.ts";
import { findPlace, placeBehind, stillThere, type Place } from "./archive-place.ts";
import { scan, type Piece } from "./archive-scan.ts";
import { BinlogChanged, deleteSegments, writeSegment, type Writing } from "./archive-write.ts";
import type { PrimaryLook } from "./primary-look.ts";
import type { Sealing } from "./segment-codec.ts";
import { readArchive, sweepSegmentData } from "./segment-store.ts";

export type ArchiveJob = {
  readonly store: ObjectStore;
  readonly cluster: { readonly id: string };
  /** Of which this server is the primary. */
  readonly epoch: number;
  readonly look: () => Promise<PrimaryLook>;
  /** How old an acknowledged transaction may be before it is archived. */
  readonly withinMs: number;
  readonly sealing: Sealing;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly tell: (progress: ArchiveProgress) => void;
};

/** One line of JSON each. */
export type ArchiveProgress = {
  readonly type: "archive";
  /** All that is archived. */
  readonly archived: string;
  /** All that no server need keep for it. */
  readonly settled: string;
  /** When the newest archived transaction was committed; null: there is none. */
  readonly recoveryPoint: string | null;
  /** How long the oldest transaction waits that is not archived; 0: none does. */
  readonly lagSeconds: number;
  readonly segments: number;
  /** Since this process began. */
  readonly rawBytes: number;
  readonly storedBytes: number;
  /** Executed, in no binary log any more and not archived: where no backup holds it either, a full one is due. */
  readonly lost: string;
  /** Segments of which the index cannot be believed, one sentence each. */
  readonly damaged: readonly string[];
  /** Why it is behind; null: it is not. */
  readonly late: string | null;
  readonly alarm: {
    readonly code: "AP_ARCHIVE_LATE" | "AP_ARCHIVE_GAP";
    readonly says: string;
  } | null;
};

type Archive = {
  segments: readonly Segment[];
  damaged: readonly string[];
  account: Account;
  place: Place | null;
  /** Commit of the oldest transaction that is not archived, as far as is known, µs. */
  waiting: number | null;
  purged: GtidSet;
  rawBytes: number;
  storedBytes: number;
  problem: string | null;
};

const ROUNDS_PER_WITHIN = 2;
const MERGE = { count: 32, smallBytes: 1_048_576 };

/**
 * Until the signal aborts. Errors: RefusedError AP_ARCHIVE_DIVERGED, ConfigError AP_ARCHIVE_UNREADABLE, and those of the
 * server. A store that fails is said as an alarm, and asked again in the next round.
 */
export async function archiveBinlogs(job: ArchiveJob): Promise<void> {
  let archive: Archive | null = null;
  const none: Archive = {
    segments: [],
    damaged: [],
    account: accountOf([]),
    place: null,
    waiting: null,
    purged: [],
    rawBytes: 0,
    storedBytes: 0,
    problem: null,
  };
  while (!job.signal.aborted) {
    try {
      archive ??= await open(job, none);
      await round(job, archive);
      archive.problem = null;
    } catch (error) {
      if (job.signal.aborted) return;
      if (error instanceof BinlogChanged && archive !== null) archive.place = null;
      else if (isOfStore(error)) (archive ?? none).problem = messageOf(error);
      else throw error;
    }
    job.tell(progressOf(job, archive ?? none));
    await job.clock.sleep(job.withinMs / ROUNDS_PER_WITHIN, job.signal).catch(() => undefined);
  }
}

function isOfStore(error: unknown): boolean {
  return error instanceof AutopilotError && error.code.startsWith("AP_OBJECTS_");
}

async function open(
  { store, cluster, look, clock, signal }: ArchiveJob,
  none: Archive,
): Promise<Archive> {
  const { segments, damaged } = await readArchive(store, cluster.id, signal);
  const { uuid } = await look();
  const timeline = timelineOf(segments);
  // Of a merge that was killed: within another one.
  const within = segments.filter((one) => one.server.uuid === uuid && !timeline.includes(one));
  await deleteSegments({ store, clusterId: cluster.id }, within);
  await sweepSegmentData(store, { clusterId: cluster.id, uuid, segments, now: clock.wall() });
  return { ...none, segments: timeline, damaged, account: accountOf(timeline) };
}

/** Archives all that is executed by now. */
async function round(job: ArchiveJob, archive: Archive): Promise<void> {
  const server = await job.look();
  const { executed } = server;
  if (executed === null) return;
  archive.purged = server.purged;
  for (;;) {
    const place = (await stillThere(archive.place)) ?? (await findPlace(archive, server, executed));
    const { accounted } = archive.account;
    // Asked before the file is read: what is in it then is all that there will be.
    const next = await placeBehind(place, server);
    const { path, at } = place;
    const found = await scan({ path, from: at, executed, accounted, signal: job.signal });
    const state = union(place.state, found.skipped);
    if (found.piece !== null) {
      archive.waiting ??= found.piece.first.at;
      archive.place = { ...place, state };
      await write(job, archive, { server, piece: found.piece });
      continue;
    }
    archive.place = { ...place, at: found.to, state };
    if (!found.ended || next === null) return;
    archive.place = next;
  }
}

/** Where the file went away meanwhile, the place is to be found anew. */
async function write(
  job: ArchiveJob,
  archive: Archive,
  { server, piece }: { readonly server: PrimaryLook; readonly piece: Piece },
): Promise<void> {
  const { place } = archive;
  if (place === null) return;
  const { first, last, latest, transactions, from, to } = piece;
  const writing: Writing = { ...job, clusterId: job.cluster.id };
  const draft = {
    server: { ...server.server, uuid: server.uuid },
    epoch: job.epoch,
    file: basename(place.path),
    head: place.head,
    from,
    to,
    previous: formatGtidSet(place.state),
    added: formatGtidSet(piece.added),
    transactions,
    first,
    last,
    latest,
  };
  try {
    const segment = await writeSegment(writing, draft, place.path);
    archive.segments = [...archive.segments, segment];
    archive.account = accountWith(archive.account, segment);
    archive.place = { ...place, at: to, state: union(place.state, piece.added) };
    archive.waiting = null;
    archive.rawBytes += segment.rawBytes;
    archive.storedBytes += segment.data.bytes;
    const run = mergeable(archive.segments, MERGE);
    if (run !== null)
      archive.segments = await mergeSegments(writing, archive.segments, run, place.path);
  } catch (error) {
    if (!(error instanceof BinlogChanged)) throw error;
    archive.place = null;
  }
}

function progressOf({ clock, withinMs }: ArchiveJob, archive: Archive): ArchiveProgress {
  const newest = archive.segments.at(-1);
  const { waiting } = archive;
  const lagSeconds = waiting === null ? 0 : Math.max(0, clock.wall() / 1_000 - waiting / 1e6);
  const late = archive.problem ?? (lagSeconds * 1_000 > withinMs ? "the archive is behind" : null);
  const lost = formatGtidSet(lostToArchive(archive.purged, archive.account));
  const alarm =
    lost !== ""
      ? { code: "AP_ARCHIVE_GAP" as const, says: `purged before it was archived: ${lost}` }
      : late === null
        ? null
        : { code: "AP_ARCHIVE_LATE" as const, says: late };
  return {
    type: "archive",
    archived: formatGtidSet(archive.account.archived),
    settled: formatGtidSet(settled(archive.account)),
    recoveryPoint: newest === undefined ? null : new Date(newest.last.at / 1_000).toISOString(),
    lagSeconds: Math.round(lagSeconds * 10) / 10,
    segments: archive.segments.length,
    rawBytes: archive.rawBytes,
    storedBytes: archive.storedBytes,
    lost,
    damaged: archive.damaged,
    late,
    alarm,
  };
}
