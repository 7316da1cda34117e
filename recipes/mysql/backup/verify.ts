// Whether a backup can be restored: it is. Every part's hash, the way back through age and zstd into a scratch datadir, a
// server that starts on it, unreachable for everybody, its GTID set, its tables. Each verdict is an object of its own
// beside the backup. A store that does not answer is no verdict.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AutopilotError, messageOf, realClock as clock } from "../../../src/index.ts";
import { verdictKey } from "../core/backup/layout.ts";
import type { Manifest, Verdict } from "../core/backup/manifest.ts";
import { equal, formatGtidSet, gtidSet } from "../core/gtid.ts";
import { connect, type Sql } from "../mysqld/connection.ts";
import { layout } from "../mysqld/layout.ts";
import { gtids } from "../mysqld/status.ts";
import { readEntry } from "./catalog.ts";
import { startChild, type EngineChild } from "./engines/child.ts";
import { openEngine } from "./engines/open.ts";
import { fetchBackup } from "./fetch.ts";
import { textOf } from "./manifest.ts";
import {
  engineTools,
  identitiesOf,
  mysqldTool,
  ownLogin,
  zstdCommand,
  type WorkPlace,
} from "./place.ts";
import type { Progress } from "./progress.ts";

const UP_WITHIN_MS = 30 * 60_000;
const LOOK_EVERY_MS = 100;
const STATEMENT_MS = 60_000;
/** Checking reads every row: as many tables as this allows, the smallest first, at least one. */
const CHECK_WITHIN_MS = 10 * 60_000;
const TABLES_AT_MOST = 10_000;

/** Errors: AP_OBJECTS_* that say nothing of the backup; AP_BACKUP_UNKNOWN, AP_BACKUP_IDENTITY; the signal's reason. */
export async function verify(
  place: WorkPlace,
  id: string,
  progress: (at: Progress) => void,
): Promise<Verdict> {
  const { store, job, scratch, signal } = place;
  const { manifest } = await readEntry(store, job.cluster.id, id);
  const into = join(scratch, "verify");
  await rm(into, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  const began = clock.now();
  try {
    const found = await tryOut(place, { manifest, into, progress, began });
    return await tell(place, { ...found, manifest });
  } catch (error) {
    signal.throwIfAborted();
    if (!saysBad(error)) throw error;
    const problems = [messageOf(error)];
    return await tell(place, { problems, restoreMs: null, gtid: null, manifest });
  } finally {
    await rm(into, { recursive: true, force: true });
  }
}

/** The backup's own fault: anything else, such as a full disk here, is no verdict. */
function saysBad(error: unknown): boolean {
  if (error instanceof BadBackup) return true;
  const bad = ["AP_BACKUP_DAMAGED", "AP_BACKUP_CHAIN", "AP_BACKUP_UNPACK"];
  const lost = ["AP_OBJECTS_DAMAGED", "AP_OBJECTS_TRUNCATED", "AP_OBJECTS_MISSING"];
  return error instanceof AutopilotError && [...bad, ...lost].includes(error.code);
}

class BadBackup extends Error {}

type Found = Pick<Verdict, "problems" | "restoreMs" | "gtid">;
type Trial = {
  readonly manifest: Manifest;
  readonly into: string;
  readonly progress: (at: Progress) => void;
  readonly began: number;
};

async function tell(
  { store, job }: WorkPlace,
  { manifest, ...found }: Found & { readonly manifest: Manifest },
): Promise<Verdict> {
  const at = new Date(clock.wall()).toISOString();
  const { id, cluster } = manifest;
  const ok = found.problems.length === 0;
  const verdict: Verdict = { format: 1, backup: id, at, node: job.node.name, ok, ...found };
  await store.put(verdictKey(cluster.id, id, at), textOf(verdict), { ifNoneMatch: true });
  return verdict;
}

async function tryOut(
  place: WorkPlace,
  { manifest, into, progress, began }: Trial,
): Promise<Found> {
  const { store, signal } = place;
  const { name } = manifest.engine;
  const mysqld = await mysqldTool(place);
  const tool = (name === "clone" ? mysqld : (await engineTools(place))[name]) ?? mysqld;
  await fetchBackup(store, manifest, {
    into,
    engine: openEngine({ name, tool, server: null }),
    zstd: await zstdCommand(place),
    clock,
    identities: await identitiesOf(place),
    signal,
    progress,
  });
  const run = await mkdtemp(join(tmpdir(), "autopilot-"));
  try {
    const argv = [...mysqld.command("mysqld"), ...options(place, into, run)];
    await using child = await startChild({ name: "mysqld", argv, run, signal });
    child.stdout.resume();
    await using sql = await connectWhenUp(place, child, join(run, "s"));
    const restoreMs = Math.round(clock.now() - began);
    const gtid = await executedIn(sql);
    const problems = [...wrongSet(gtid, manifest), ...(await checkTables(sql, signal))];
    return { problems, restoreMs, gtid };
  } finally {
    await rm(run, { recursive: true, force: true });
  }
}

/** The node's own options, but nothing of its places, its ports or its part in replication. */
function options({ job }: WorkPlace, into: string, run: string): readonly string[] {
  return [
    `--defaults-file=${layout(job.node.dir).myCnf}`,
    `--datadir=${into}`,
    `--socket=${join(run, "s")}`,
    `--pid-file=${join(run, "pid")}`,
    "--log-error=stderr",
    "--skip-networking",
    "--admin-address=",
    "--super-read-only=ON",
    "--read-only=ON",
    "--skip-log-bin",
    "--skip-replica-start",
    "--event-scheduler=DISABLED",
    `--relay-log=${join(run, "relaylog")}`,
    `--relay-log-index=${join(run, "relaylog.index")}`,
    "--auto-generate-certs=OFF",
    "--caching-sha2-password-auto-generate-rsa-keys=OFF",
    "--innodb-buffer-pool-size=134217728",
  ];
}

async function connectWhenUp(place: WorkPlace, child: EngineChild, socket: string): Promise<Sql> {
  const { user, password } = await ownLogin(place);
  const gone = child.ended.then(({ says }) => {
    place.signal.throwIfAborted();
    const words = child.words().findLast((line) => line.includes("[ERROR]"));
    throw new BadBackup(
      `no server starts on it: ${says}${words === undefined ? "" : `: ${words}`}`,
    );
  });
  gone.catch(() => undefined);
  const until = clock.now() + UP_WITHIN_MS;
  for (;;) {
    try {
      return await Promise.race([connect({ user, password, socket }, STATEMENT_MS), gone]);
    } catch (error) {
      if (error instanceof BadBackup || clock.now() > until) throw error;
      await Promise.race([gone, clock.sleep(LOOK_EVERY_MS, place.signal)]);
    }
  }
}

async function executedIn(sql: Sql): Promise<string> {
  const [row] = await sql.rows("SELECT @@GLOBAL.gtid_executed AS gtid", STATEMENT_MS);
  return formatGtidSet(gtidSet(gtids(row?.["gtid"])));
}

function wrongSet(found: string, { gtid }: Manifest): readonly string[] {
  if (equal(gtidSet(found), gtidSet(gtid))) return [];
  return [`it holds the transactions ${found || "(none)"}, and its manifest says ${gtid}`];
}

/** CHECK TABLE reads all of it, indexes too. */
async function checkTables(sql: Sql, signal: AbortSignal): Promise<readonly string[]> {
  const tables = await sql.rows(
    "SELECT CONCAT('`', REPLACE(table_schema, '`', '``'), '`.`', REPLACE(table_name, '`', '``'), '`') AS name " +
      "FROM information_schema.tables WHERE table_type = 'BASE TABLE' " +
      "AND table_schema NOT IN ('performance_schema', 'information_schema') " +
      `ORDER BY COALESCE(data_length, 0), 1 LIMIT ${TABLES_AT_MOST}`,
    STATEMENT_MS,
  );
  const problems: string[] = [];
  const until = clock.now() + CHECK_WITHIN_MS;
  for (const { name } of tables) {
    signal.throwIfAborted();
    if (clock.now() > until) break;
    const rows = await sql.rows(`CHECK TABLE ${String(name)}`, 24 * 3_600_000);
    for (const row of rows)
      if (row["Msg_type"] === "error" || row["Msg_type"] === "Error")
        problems.push(`${String(name)}: ${String(row["Msg_text"])}`);
  }
  return problems.slice(0, 20);
}
