// Applies archived transactions to a restored datadir by MySQL's own applier, in parallel: segments become relay logs of a
// channel that has no source. Four times faster than piping mysqlbinlog into a client, and every transaction keeps its
// GTID, so one that is there already is passed over. In batches: the disk holds two of them.
import { rm, writeFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { UnavailableError } from "../../../src/index.ts";
import type { Segment } from "../core/backup/segment.ts";
import { contains, formatGtidSet, gtidSet, subtract, type GtidSet } from "../core/gtid.ts";
import { quote, type Row, type Sql } from "../mysqld/connection.ts";
import { relayIndex } from "./scratch-server.ts";
import { batchesOf, stage, type Staged, type Staging } from "./stage.ts";

export type Replay = Staging & {
  readonly sql: Sql;
  readonly segments: readonly Segment[];
  readonly batchBytes?: number;
  /** Bytes of binary log that are applied, of all. */
  readonly progress: (bytes: { readonly done: number; readonly of: number }) => void;
};

const BATCH_BYTES = 128 * 1_048_576;
const STATEMENT_MS = 60_000;
/** Its workers may still be busy when it has read all: only who stands still for so many looks stays where he is. */
const STILL_LOOKS = 100;
/** STOP REPLICA waits for what the applier is about to end. */
const STOP_MS = 10 * 60_000;
const LOOK_EVERY_MS = 100;

/** Errors: UnavailableError AP_RESTORE_FAILED with the applier's own words; those of the store; the signal's reason. */
export async function replay(o: Replay): Promise<void> {
  const batches = batchesOf(o.segments, o.batchBytes ?? BATCH_BYTES);
  const of = o.segments.reduce((sum, { rawBytes }) => sum + rawBytes, 0);
  let done = 0;
  let coming: Promise<Staged> | null = null;
  try {
    for (const [number, batch] of batches.entries()) {
      const staged = await (coming ?? stage(o, batch, number));
      const next = batches[number + 1];
      coming = next === undefined ? null : stage(o, next, number + 1);
      // Heard of when it is needed.
      coming?.catch(() => undefined);
      await apply(o, staged, (bytes) => o.progress({ done: Math.min(of, done + bytes), of }));
      done += batch.reduce((sum, { rawBytes }) => sum + rawBytes, 0);
      o.progress({ done, of });
      await rm(staged.dir, { recursive: true });
    }
  } finally {
    await coming?.catch(() => undefined);
  }
}

async function apply(
  { sql, workdir, signal }: Replay,
  staged: Staged,
  progress: (bytes: number) => void,
): Promise<void> {
  const [first] = staged.files;
  if (first === undefined) return;
  // Without a channel mysqld has the list open and nothing to do with it; configuring one reads it.
  await writeFile(relayIndex(workdir), staged.files.map(({ path }) => `${path}\n`).join(""));
  await sql.rows(
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'archive', RELAY_LOG_FILE = ${quote(first.path)}, RELAY_LOG_POS = 4`,
    STATEMENT_MS,
  );
  await sql.rows("START REPLICA SQL_THREAD", STATEMENT_MS);
  await applied(sql, staged, { signal, progress });
  await sql.rows("STOP REPLICA SQL_THREAD", STOP_MS);
  await sql.rows("RESET REPLICA ALL", STATEMENT_MS);
}

async function applied(
  sql: Sql,
  staged: Staged,
  {
    signal,
    progress,
  }: { readonly signal: AbortSignal; readonly progress: (bytes: number) => void },
): Promise<void> {
  let still = 0;
  let before = "";
  for (;;) {
    signal.throwIfAborted();
    const [status] = await sql.rows("SHOW REPLICA STATUS", STATEMENT_MS);
    const executed = await executedBy(sql);
    if (contains(executed, staged.gtids)) return;
    const now = formatGtidSet(executed);
    still = now === before && hasReadAll(status) && !(await isApplying(sql)) ? still + 1 : 0;
    before = now;
    const why = problemOf(status) ?? (still < STILL_LOOKS ? null : "the applier came to the end");
    if (why !== null) {
      const missing = formatGtidSet(subtract(staged.gtids, executed));
      const where = `${textIn(status, "Relay_Log_File")}:${textIn(status, "Relay_Log_Pos")}`;
      throw new UnavailableError(
        "AP_RESTORE_FAILED",
        `${why} at ${where}; not applied: ${missing}`,
      );
    }
    progress(bytesOf(status, staged));
    await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
  }
}

/** A transaction that takes an hour is no standstill. */
async function isApplying(sql: Sql): Promise<boolean> {
  const rows = await sql.rows(
    "SELECT APPLYING_TRANSACTION AS gtid FROM performance_schema.replication_applier_status_by_worker WHERE APPLYING_TRANSACTION <> ''",
    STATEMENT_MS,
  );
  return rows.length > 0;
}

function hasReadAll(status: Row | undefined): boolean {
  return /has read all relay log/i.test(textIn(status, "Replica_SQL_Running_State"));
}

export async function executedBy(sql: Sql): Promise<GtidSet> {
  const [row] = await sql.rows("SELECT @@GLOBAL.gtid_executed AS executed", STATEMENT_MS);
  return gtidSet(textIn(row, "executed"));
}

function textIn(row: Row | undefined, name: string): string {
  const value = row?.[name];
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** Why it will not get any further; null: it is at work. */
function problemOf(status: Row | undefined): string | null {
  if (status === undefined) return "the applier is gone";
  const text = (name: string): string => textIn(status, name);
  if (status["Last_SQL_Errno"] !== 0)
    return `the applier stopped (${text("Last_SQL_Errno")}): ${text("Last_SQL_Error")}`;
  return text("Replica_SQL_Running") === "Yes" ? null : "the applier stopped";
}

/** As far as it has read: every relay log before its one, and that one's part. */
function bytesOf(status: Row | undefined, { dir, files }: Staged): number {
  const path = textIn(status, "Relay_Log_File");
  const at = files.findIndex((file) => resolve(dir, basename(path)) === file.path);
  if (at < 0) return 0;
  const before = files.slice(0, at).reduce((sum, { bytes }) => sum + bytes, 0);
  return before + Number(status?.["Relay_Log_Pos"] ?? 0);
}
