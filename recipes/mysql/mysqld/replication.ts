// The replica's half: stop receiving, follow, apply (PROTOCOL §4 step 3, §5). What was received is never thrown away:
// with both threads stopped any CHANGE deletes it (S14), so the applier runs first, or has nothing left to apply.
import { UnavailableError, invariant } from "../../../src/index.ts";
import { contains, gtidSet } from "../core/gtid.ts";
import type { GtidFacts, SourceFacts } from "../core/observation.ts";
import { heldSet } from "../core/state.ts";
import { ER_NO_SUCH_THREAD, pause } from "./clients.ts";
import { quote, sqlErrno, type Sql } from "./connection.ts";
import type { Lines } from "./lines.ts";
import type { ReplicationAccount, SourceAddress } from "./port.ts";
import { armedThoughClosed, setReplicaFlag } from "./semisync.ts";
import { gtidFacts, sourceStatus } from "./status.ts";

const LIMIT_MS = 5_000;
// Measured: a receiver that is connecting to a host that accepts and says nothing (a stopped process) ends after 2 s.
const STOP_MS = 10_000;
const APPLIER_SETTLES_MS = 300;
const LOOK_EVERY_MS = 10;

/** PROTOCOL §4 step 3 c–e. */
export function stopReceiver(lines: Lines): Promise<GtidFacts> {
  return lines.admin.use(STOP_MS, async (sql) => {
    const source = await sourceStatus(sql, LIMIT_MS);
    if (source !== null) await stopIoThread(sql);
    await setReplicaFlag(sql, false);
    if (source?.sql === "No" && source.sqlErrno === 0) await startApplierThread(sql);
    return await gtidFacts(sql, LIMIT_MS);
  });
}

/** PROTOCOL §5, from "MySQL: leave the applier running" on; the promise and the comparison of sets are the caller's. */
export function follow(
  lines: Lines,
  source: SourceAddress,
  account: ReplicationAccount,
  semiSync: boolean,
): Promise<{ readonly armed: boolean }> {
  const receiver = [
    `SOURCE_HOST = ${quote(source.host)}`,
    `SOURCE_PORT = ${source.port}`,
    `SOURCE_USER = 'autopilot_repl_${account.serverId}'`,
    `SOURCE_PASSWORD = ${quote(lines.replicationPassword)}`,
    "SOURCE_SSL = 1",
    "GET_SOURCE_PUBLIC_KEY = 1",
    "SOURCE_CONNECT_RETRY = 1",
    // Ten years of tries: whom to follow is decided by us, never by giving up.
    "SOURCE_RETRY_COUNT = 315360000",
    "SOURCE_HEARTBEAT_PERIOD = 0.5",
  ];
  return lines.admin.use(STOP_MS, async (sql) => {
    await setServing(sql);
    const armed = await armedThoughClosed(sql);
    const now = await sourceStatus(sql, LIMIT_MS);
    if (now === null) {
      await change(sql, [...receiver, "SOURCE_AUTO_POSITION = 1"]);
      await startApplierThread(sql);
    } else {
      await stopIoThread(sql);
      const before = await keepReceived(sql);
      await change(sql, receiver);
      const after = await gtidFacts(sql, LIMIT_MS);
      // The applier could stop by an error in between, and then the CHANGE has deleted what this node acknowledged.
      const kept = contains(heldSet(after), heldSet(before));
      invariant(
        kept,
        "AP_BUG_INVARIANT",
        `received transactions were deleted: ${before.retrieved}`,
      );
      await startApplierThread(sql);
    }
    await setReplicaFlag(sql, semiSync);
    await sql.rows("START REPLICA IO_THREAD", LIMIT_MS);
    return { armed };
  });
}

export function setSemiSyncReplica(lines: Lines, on: boolean): Promise<void> {
  return lines.admin.use(STOP_MS, async (sql) => {
    const source = await sourceStatus(sql, LIMIT_MS);
    if (source !== null) await stopIoThread(sql);
    await setReplicaFlag(sql, on);
    // A receiver that somebody stopped stays stopped: only a restart makes the flag take effect.
    if (source !== null && source.io !== "No") await sql.rows("START REPLICA IO_THREAD", LIMIT_MS);
  });
}

export function startApplier(lines: Lines): Promise<void> {
  return lines.admin.use(LIMIT_MS, startApplierThread);
}

export function forgetSource(lines: Lines): Promise<void> {
  return lines.admin.use(STOP_MS, forget);
}

/** STOP REPLICA; RESET REPLICA ALL. Refuses while something received is not applied: it would be deleted (S14). */
export async function forget(sql: Sql): Promise<void> {
  if ((await sourceStatus(sql, LIMIT_MS)) === null) return;
  // Before as well: STOP REPLICA waits for the applier's transaction, however long that takes.
  await requireApplied(sql);
  await stopIoThread(sql);
  await endApplier(sql);
  await sql.rows("STOP REPLICA", STOP_MS);
  await requireApplied(sql);
  await sql.rows("RESET REPLICA ALL", LIMIT_MS);
}

/** The coordinator's thread, while it or a worker is inside of a transaction. */
const HALF_WAY = `SELECT processlist_id AS id FROM performance_schema.threads WHERE name = 'thread/sql/replica_sql' AND (
 EXISTS (SELECT 1 FROM performance_schema.replication_applier_status_by_coordinator WHERE processing_transaction <> '')
 OR EXISTS (SELECT 1 FROM performance_schema.replication_applier_status_by_worker WHERE applying_transaction <> ''))`;

/**
 * STOP REPLICA gives an applier that has met half a transaction a minute for its other half [measured, 9.7.4], which a
 * dead primary will not send. Killed it rolls the half back at once: everything whole is applied by now.
 */
async function endApplier(sql: Sql): Promise<void> {
  const [row] = await sql.rows(HALF_WAY, LIMIT_MS);
  const id = row?.["id"];
  if (typeof id !== "number") return;
  await sql.rows(`KILL ${id}`, LIMIT_MS).catch((error: unknown) => {
    // It ended by itself meanwhile.
    if (sqlErrno(error) !== ER_NO_SUCH_THREAD) throw error;
  });
}

async function requireApplied(sql: Sql): Promise<void> {
  const facts = await gtidFacts(sql, LIMIT_MS);
  invariant(hasApplied(facts), "AP_BUG_INVARIANT", `not applied yet: ${facts.retrieved}`);
}

/** A fence leaves offline_mode behind; a closed server may serve readers and replicas again. */
export async function setServing(sql: Sql): Promise<void> {
  const [row] = await sql.rows("SELECT @@GLOBAL.super_read_only AS closed", LIMIT_MS);
  invariant(row?.["closed"] === 1, "AP_BUG_INVARIANT", "super_read_only is not ON");
  await sql.rows("SET GLOBAL offline_mode = OFF", LIMIT_MS);
}

/**
 * Makes sure that a CHANGE deletes nothing: everything received is applied, or the applier runs. One that stopped by an
 * error is not started here: it would run for a moment, and stop again while the CHANGE is under way.
 */
async function keepReceived(sql: Sql): Promise<GtidFacts> {
  const facts = await gtidFacts(sql, LIMIT_MS);
  if (hasApplied(facts)) return facts;
  let source = await sourceStatus(sql, LIMIT_MS);
  if (source?.sql === "No" && source.sqlErrno === 0) {
    await startApplierThread(sql);
    source = await settled(sql);
  }
  if (source?.sql === "Yes") return facts;
  const why = `the applier stopped (${source?.sqlErrno}): ${source?.sqlError}`;
  throw new UnavailableError("AP_VERB_FAILED", `received transactions would be lost: ${why}`);
}

/** A just started applier that cannot apply its first event says so within this; most have applied everything by then. */
async function settled(sql: Sql): Promise<SourceFacts | null> {
  const over = performance.now() + APPLIER_SETTLES_MS;
  for (;;) {
    const source = await sourceStatus(sql, LIMIT_MS);
    if (source?.sql !== "Yes" || performance.now() > over) return source;
    if (hasApplied(await gtidFacts(sql, LIMIT_MS))) return source;
    await pause(LOOK_EVERY_MS);
  }
}

/** STOP REPLICA IO_THREAD, and looks: 'Connecting' is not stopped and can reconnect (S17). */
async function stopIoThread(sql: Sql): Promise<void> {
  await sql.rows("STOP REPLICA IO_THREAD", STOP_MS);
  const source = await sourceStatus(sql, LIMIT_MS);
  if (source === null || source.io === "No") return;
  throw new UnavailableError("AP_VERB_FAILED", `the receiver does not stop: it is ${source.io}`);
}

async function startApplierThread(sql: Sql): Promise<void> {
  await sql.rows("START REPLICA SQL_THREAD", LIMIT_MS);
}

/** The statement holds the password: MySQL quotes statements in some errors, so only the number is kept. */
async function change(sql: Sql, options: readonly string[]): Promise<void> {
  await sql.secretly(`CHANGE REPLICATION SOURCE TO ${options.join(", ")}`, LIMIT_MS);
}

function hasApplied(facts: GtidFacts): boolean {
  return contains(gtidSet(facts.executed), gtidSet(facts.retrieved));
}
