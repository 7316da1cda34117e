// Asks the store what a target takes: the indexes say in which segment it lies, and that segment's own transactions where.
// What cannot be recovered is refused, with what can.
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { RefusedError, type ObjectStore } from "../../../src/index.ts";
import { recoverableWindows } from "../core/backup/coverage.ts";
import type { Manifest } from "../core/backup/manifest.ts";
import type { Segment, Stamp } from "../core/backup/segment.ts";
import {
  cutAfter,
  cutWithin,
  latestBackupBeyond,
  locate,
  plan,
  planOfBackup,
  type Cut,
  type Refusal,
  type RestorePlan,
  type Target,
} from "../core/backup/target.ts";
import { transactions } from "../mysqld/binlog.ts";
import { stampOf } from "./archive-scan.ts";
import { unsealed } from "./segment-codec.ts";

export type Wanted = {
  /** Null: the backup as it is, which must be named then. */
  readonly target: Target | null;
  /** To begin with; null: the newest before the target. */
  readonly backup: Manifest | null;
};

export type Known = {
  /** In the order of the commits (timelineOf). */
  readonly timeline: readonly Segment[];
  readonly backups: readonly Manifest[];
};

type Reading = {
  readonly store: ObjectStore;
  readonly identities: readonly string[] | null;
  readonly signal: AbortSignal;
};

/** Another one than the named one is never taken. Errors: RefusedError AP_BACKUP_UNKNOWN. */
export function requireBackup(backups: readonly Manifest[], id: string): Manifest {
  const found = backups.find((one) => one.id === id);
  if (found !== undefined) return found;
  throw new RefusedError("AP_BACKUP_UNKNOWN", `there is no backup ${id}`);
}

/** Errors: RefusedError AP_RESTORE_TARGET, AP_RESTORE_GAP with what can be recovered; those of the store. */
export async function planRestore(
  reading: Reading,
  known: Known,
  { target, backup }: Wanted,
): Promise<RestorePlan> {
  if (target === null && backup !== null) return planOfBackup(backup);
  const goal = target ?? { to: "latest" };
  const from = { ...known, backups: backup === null ? known.backups : [backup] };
  if (goal.to === "latest") {
    const beyond = latestBackupBeyond(from.timeline, from.backups);
    if (beyond !== null) return planOfBackup(beyond);
  }
  if (from.timeline.length === 0)
    throw refused(
      { ok: false, why: from.backups.length === 0 ? "no-backup" : "no-archive", missing: "" },
      known,
      goal,
    );
  const cut = await cutAt(reading, from.timeline, goal);
  const found = "ok" in cut ? cut : plan(from.timeline, from.backups, cut);
  if (!found.ok) throw refused(found, known, goal);
  return found;
}

async function cutAt(
  reading: Reading,
  timeline: readonly Segment[],
  target: Target,
): Promise<Cut | Refusal> {
  const place = locate(timeline, target);
  if (!place.ok) return place;
  const segment = timeline[place.segment];
  if (place.whole || target.to === "latest" || segment === undefined)
    return cutAfter(timeline, place.segment);
  const stamps = await stampsOf(reading, segment);
  return cutWithin(timeline, { segment: place.segment, stamps, target });
}

/** Its transactions, from its data. */
async function stampsOf({ store, ...how }: Reading, segment: Segment): Promise<readonly Stamp[]> {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-"));
  try {
    const path = join(dir, "segment");
    const file = createWriteStream(path, { mode: 0o600 });
    await pipeline(unsealed(store, segment, how), file, { signal: how.signal });
    const stamps: Stamp[] = [];
    for await (const one of transactions([path])) stamps.push(stampOf(one));
    return stamps;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function refused(
  { why, missing }: Refusal,
  { timeline, backups }: Known,
  target: Target,
): RefusedError {
  const reasons = recoverable(timeline, backups);
  const goal =
    target.to === "time"
      ? timeText(target.at)
      : target.to === "gtid"
        ? target.gtid
        : "the newest state";
  if (why === "gap") {
    const says = `${goal} cannot be recovered: the archive lacks ${missing}`;
    return new RefusedError("AP_RESTORE_GAP", says, { reasons });
  }
  const says = {
    "no-backup": "there is no backup",
    "no-archive": "no binary logs are archived: only a backup as it is can be restored",
    "too-early": `${goal} is before the first backup, or the archive`,
    "too-late": `${goal} is after the last archived transaction`,
    "unknown-gtid": `${goal} is in no archived binary log`,
  }[why];
  return new RefusedError("AP_RESTORE_TARGET", says, { reasons });
}

/** One sentence each. */
function recoverable(
  timeline: readonly Segment[],
  backups: readonly Manifest[],
): readonly string[] {
  const windows = recoverableWindows(timeline, backups).map(
    ({ from, to }) =>
      `every moment from ${timeText(from.at)} (${from.gtid}) to ${timeText(to.at)} (${to.gtid})`,
  );
  const images = backups.map(({ id, finishedAt }) => `backup ${id} as it is, of ${finishedAt}`);
  const all = [...windows, ...images].map((what) => `recoverable: ${what}`);
  return all.length === 0 ? ["nothing is recoverable from this store"] : all;
}

/** With the microseconds. */
export function timeText(at: number): string {
  const micros = String(at % 1_000_000).padStart(6, "0");
  return `${new Date(Math.floor(at / 1_000)).toISOString().slice(0, 19)}.${micros}Z`;
}
