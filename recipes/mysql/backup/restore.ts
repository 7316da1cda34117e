// From the store to a datadir: a plan first, which says exactly what will be in it, and then the newest image before the
// target, and the transactions in between. What comes out has executed exactly the set that the plan names, or is refused.
import { availableParallelism } from "node:os";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import {
  RefusedError,
  UnavailableError,
  type ObjectStore,
  type Supervise,
  type Tool,
} from "../../../src/index.ts";
import type { Manifest } from "../core/backup/manifest.ts";
import { seriesProblem } from "../core/backup/version.ts";
import type { RestorePlan } from "../core/backup/target.ts";
import {
  contains,
  equal,
  formatGtidSet,
  gtidSet,
  isEmpty,
  subtract,
  type GtidSet,
} from "../core/gtid.ts";
import { quote, type Sql } from "../mysqld/connection.ts";
import { executedBy, replay } from "./replay.ts";
import { openRestoreDir, publishRestored, type RestoreDir } from "./restore-dir.ts";
import { startScratch } from "./scratch-server.ts";

export type RestoreJob = {
  readonly store: ObjectStore;
  /** mysqld of the backup's series. */
  readonly tool: Tool;
  readonly spawn: Supervise;
  readonly signal: AbortSignal;
  /** Absolute; empty, or not there. */
  readonly into: string;
  readonly identities: readonly string[] | null;
  /** Makes a datadir of the backup in an empty directory. */
  readonly fetch: (backup: Manifest, into: string) => Promise<unknown>;
  readonly tell: (progress: RestoreProgress) => void;
  /** Bytes of binary log on the disk at the same time, twice. */
  readonly batchBytes?: number;
};

export type RestoreProgress =
  | { readonly phase: "fetching" | "starting" | "stopping" }
  /** Bytes of binary log. */
  | { readonly phase: "replaying"; readonly done: number; readonly of: number };

/** What a restored datadir says of itself, beside its files. */
export type RestoreNote = {
  readonly what: string;
  readonly from: string;
  readonly cluster: { readonly name: string; readonly id: string };
  readonly backup: string;
  readonly server: string;
  readonly gtid: string;
  readonly lastIncluded: RestorePlan["lastIncluded"];
  readonly firstExcluded: RestorePlan["firstExcluded"];
  /** Prepared XA transactions that nobody ended before the target: XA RECOVER lists them. */
  readonly preparedXa: number;
  readonly restoredAt: string;
};

const STATEMENT_MS = 60_000;

/** Errors: RefusedError AP_RESTORE_VERSION with the way to upgrade. */
export function requireSeries(backup: Manifest, tool: Tool): void {
  const problem = seriesProblem(backup.server, tool.version);
  if (problem === null) return;
  const { why, hint } = problem;
  throw new RefusedError("AP_RESTORE_VERSION", why, { hint });
}

/**
 * Leaves in `into` a datadir that mysqld starts on, and a note. Errors: RefusedError AP_RESTORE_VERSION, AP_RESTORE_INTO
 * before anything is fetched; UnavailableError AP_RESTORE_FAILED; those of the store; the signal's reason.
 */
export async function restore(job: RestoreJob, plan: RestorePlan): Promise<RestoreNote> {
  const { backup } = plan;
  requireSeries(backup, job.tool);
  const at = await openRestoreDir(job.into);
  job.tell({ phase: "fetching" });
  await job.fetch(backup, at.datadir);
  // Of the server that the image was taken from: a new one is made at the first start.
  await rm(join(at.datadir, "auto.cnf"), { force: true });
  const preparedXa = await catchUp(job, plan, at);
  job.signal.throwIfAborted();
  const note = noteOf(job, plan, preparedXa);
  await publishRestored(at, note);
  return note;
}

async function catchUp(job: RestoreJob, plan: RestorePlan, at: RestoreDir): Promise<number> {
  job.tell({ phase: "starting" });
  const workers = Math.min(Math.max(availableParallelism(), 2), 16);
  await using server = await startScratch({ ...job, ...at, workers });
  const { sql } = server;
  // Of the node that the image was taken from.
  await sql.rows("RESET REPLICA ALL", STATEMENT_MS);
  await requireGtids(sql, gtidSet(plan.backup.gtid));
  await replay({
    ...job,
    sql,
    workdir: at.workdir,
    wanted: subtract(plan.state, gtidSet(plan.backup.gtid)),
    segments: plan.segments,
    progress: (bytes) => job.tell({ phase: "replaying", ...bytes }),
  });
  const executed = await executedBy(sql);
  if (!equal(executed, plan.state)) {
    const [less, more] = [subtract(plan.state, executed), subtract(executed, plan.state)];
    const why = `it lacks ${formatGtidSet(less) || "nothing"}, and has ${formatGtidSet(more) || "nothing"} beyond the target`;
    throw new UnavailableError("AP_RESTORE_FAILED", why);
  }
  const prepared = await sql.rows("XA RECOVER", STATEMENT_MS);
  job.tell({ phase: "stopping" });
  await server.close();
  return prepared.length;
}

/** Some engines' images do not say what they hold, or not all of it; the manifest does. */
async function requireGtids(sql: Sql, wanted: GtidSet): Promise<void> {
  const executed = await executedBy(sql);
  if (equal(executed, wanted)) return;
  if (!contains(wanted, executed)) {
    const more = formatGtidSet(subtract(executed, wanted));
    const why = `the image holds ${more}, of which its manifest does not know`;
    throw new UnavailableError("AP_RESTORE_FAILED", why);
  }
  await sql.rows("RESET BINARY LOGS AND GTIDS", STATEMENT_MS).catch(async () => {
    // Its name before 8.2.
    await sql.rows("RESET MASTER", STATEMENT_MS);
  });
  if (!isEmpty(wanted))
    await sql.rows(`SET GLOBAL gtid_purged = ${quote(formatGtidSet(wanted))}`, STATEMENT_MS);
}

function noteOf({ store }: RestoreJob, plan: RestorePlan, preparedXa: number): RestoreNote {
  const { backup, state, lastIncluded, firstExcluded } = plan;
  return {
    what:
      "A datadir restored by autopilot. It belongs to no cluster that runs: its server has a uuid of its own, and the " +
      "accounts and passwords are those of the cluster that it was taken from.",
    from: store.name,
    cluster: backup.cluster,
    backup: backup.id,
    server: backup.server.version,
    gtid: formatGtidSet(state),
    lastIncluded,
    firstExcluded,
    preparedXa,
    restoredAt: new Date().toISOString(),
  };
}
