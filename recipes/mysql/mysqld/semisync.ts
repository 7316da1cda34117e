// Semi-synchronous replication, both halves (PROTOCOL §2, §11). The flags are only ever set here, at run time (S19).
// Everything that is set is read back: a commit that waits for nobody looks like any other.
import { UnavailableError, invariant } from "../../../src/index.ts";
import type { Sql } from "./connection.ts";
import type { Lines } from "./lines.ts";
import { semiSyncStatus } from "./status.ts";

const LIMIT_MS = 5_000;
/** S3: never give up waiting; the plugin's largest value, in ms. */
const FOR_EVER = 4_294_967_295;

/**
 * From now on a commit waits for `acks` replicas, lossless and without a time limit. 0: it waits for nobody.
 * Errors: AP_VERB_FAILED when what was set does not read back.
 */
export async function arm(sql: Sql, acks: number): Promise<void> {
  if (acks === 0) return disarm(sql);
  await sql.rows(
    `SET GLOBAL rpl_semi_sync_source_timeout = ${FOR_EVER}, GLOBAL rpl_semi_sync_source_wait_point = AFTER_SYNC,
     GLOBAL rpl_semi_sync_source_wait_no_replica = ON, GLOBAL rpl_semi_sync_source_wait_for_replica_count = ${acks}`,
    LIMIT_MS,
  );
  await sql.rows("SET GLOBAL rpl_semi_sync_source_enabled = ON", LIMIT_MS);
  const [row] = await sql.rows(
    `SELECT @@GLOBAL.rpl_semi_sync_source_enabled AS enabled, @@GLOBAL.rpl_semi_sync_source_timeout AS timeout,
     @@GLOBAL.rpl_semi_sync_source_wait_point AS point, @@GLOBAL.rpl_semi_sync_source_wait_no_replica AS no_replica,
     @@GLOBAL.rpl_semi_sync_source_wait_for_replica_count AS count`,
    LIMIT_MS,
  );
  const { active } = await semiSyncStatus(sql, LIMIT_MS);
  const armed =
    row?.["enabled"] === 1 &&
    row["timeout"] === FOR_EVER &&
    row["point"] === "AFTER_SYNC" &&
    row["no_replica"] === 1 &&
    row["count"] === acks &&
    active;
  if (armed) return;
  const found = JSON.stringify({ ...row, active });
  throw new UnavailableError("AP_VERB_FAILED", `semi-sync source is not armed: ${found}`);
}

/** S6: lets every waiting commit return OK. Only where nobody waits, or as the last step of going alone (§7). */
async function disarm(sql: Sql): Promise<void> {
  await sql.rows("SET GLOBAL rpl_semi_sync_source_enabled = OFF", LIMIT_MS);
}

/** Whether the source half is ON although this server is closed. Errors: a commit waits, it would be told OK (S6). */
export async function armedThoughClosed(sql: Sql): Promise<boolean> {
  const [row] = await sql.rows("SELECT @@GLOBAL.rpl_semi_sync_source_enabled AS enabled", LIMIT_MS);
  if (row?.["enabled"] !== 1) return false;
  const { waitSessions } = await semiSyncStatus(sql, LIMIT_MS);
  if (waitSessions === 0) return true;
  throw new UnavailableError("AP_VERB_FAILED", `${waitSessions} commits still wait: not disarmed`);
}

export function setAcks(lines: Lines, acks: number): Promise<void> {
  return lines.admin.use(LIMIT_MS, (sql) => arm(sql, acks));
}

/**
 * The source half of a server that has become a replica goes OFF, or its own applier would wait for acknowledgements of
 * replicas that it does not have. On a connection of its own: it takes up to a second, because the plugin's ack
 * receiver looks only once a second whether it should end (measured: 0.9 s).
 */
export async function disarmReplica(lines: Lines): Promise<void> {
  await using sql = await lines.fresh(LIMIT_MS);
  const [row] = await sql.rows("SELECT @@GLOBAL.super_read_only AS closed", LIMIT_MS);
  invariant(row?.["closed"] === 1, "AP_BUG_INVARIANT", "super_read_only is not ON");
  await disarm(sql);
}

export function releaseWaiters(lines: Lines): Promise<void> {
  return lines.admin.use(LIMIT_MS, disarm);
}

/** Takes effect when the receiver connects next: the flag is part of its handshake. */
export async function setReplicaFlag(sql: Sql, on: boolean): Promise<void> {
  await sql.rows(`SET GLOBAL rpl_semi_sync_replica_enabled = ${on ? "ON" : "OFF"}`, LIMIT_MS);
}
