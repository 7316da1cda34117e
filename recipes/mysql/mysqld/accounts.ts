// The replication accounts, one per server_id, and the cut that takes a replica's acknowledgements out of the count
// (PROTOCOL §7). Locks are local (sql_log_bin=0): they make no GTID and wait for no acknowledgement (S22).
import { COPY_ACCOUNT } from "../core/accounts.ts";
import { quote, type Sql } from "./connection.ts";
import { cutReplicas } from "./clients.ts";
import type { Lines } from "./lines.ts";

const LIMIT_MS = 5_000;
const GONE_WITHIN_MS = 2_000;
// CREATE USER and GRANT wait for acknowledgements like any other write.
const ACKNOWLEDGED_MS = 10_000;

/** PROTOCOL §4 step 9: accounts by V, then the dump threads of everybody who is not in V are gone. */
export async function setAccounts(
  lines: Lines,
  a: {
    readonly unlocked: readonly number[];
    readonly locked: readonly number[];
    readonly keep: readonly string[];
  },
): Promise<void> {
  await locally(lines, async (sql) => {
    await setLock(sql, a.locked.filter(isOnes), "LOCK");
    await setLock(sql, a.unlocked, "UNLOCK");
    const locked = new Set(a.locked.map((serverId) => account(serverId)));
    const keep = new Set(a.keep);
    await cutReplicas(
      sql,
      {
        unwanted: (client) => client.dumps && !keep.has(client.uuid),
        locked: (client) => client.user !== null && locked.has(client.user),
        logins: locked.size > 0,
      },
      GONE_WITHIN_MS,
    );
  });
}

/** PROTOCOL §7 cut x. Not only the dump thread goes: a connection that is about to become one would acknowledge later. */
export async function cut(lines: Lines, serverId: number, uuid: string): Promise<void> {
  await locally(lines, async (sql) => {
    await setLock(sql, [serverId].filter(isOnes), "LOCK");
    await cutReplicas(
      sql,
      {
        unwanted: (client) => client.uuid === uuid,
        locked: (client) => client.user === account(serverId),
        logins: true,
      },
      GONE_WITHIN_MS,
    );
  });
}

export async function uncut(lines: Lines, serverId: number): Promise<void> {
  await locally(lines, (sql) => setLock(sql, [serverId], "UNLOCK"));
}

/**
 * Replicated, so only while clients ≥ k: a CREATE USER that waits for an acknowledgement holds the lock that every new
 * login needs (S22). On a connection of its own: the standing ones stay free to fence.
 */
export async function createAccount(lines: Lines, serverId: number): Promise<void> {
  await using sql = await lines.fresh(LIMIT_MS);
  const name = `'${account(serverId)}'@'%'`;
  await sql.secretly(
    `CREATE USER IF NOT EXISTS ${name} IDENTIFIED BY ${quote(lines.replicationPassword)} REQUIRE SSL`,
    ACKNOWLEDGED_MS,
  );
  await sql.rows(`GRANT REPLICATION SLAVE ON *.* TO ${name}`, ACKNOWLEDGED_MS);
}

/** Replicated: only under createAccount's condition. */
export async function dropAccount(lines: Lines, serverId: number): Promise<void> {
  await using sql = await lines.fresh(LIMIT_MS);
  await sql.rows(`DROP USER IF EXISTS '${account(serverId)}'@'%'`, ACKNOWLEDGED_MS);
}

/** Not of whoever copies, or of a replica that is not ours: its dump thread goes, and comes back without acknowledging. */
const isOnes = (serverId: number): boolean => serverId !== COPY_ACCOUNT;

async function setLock(
  sql: Sql,
  serverIds: readonly number[],
  how: "LOCK" | "UNLOCK",
): Promise<void> {
  if (serverIds.length === 0) return;
  const names = serverIds.map((serverId) => `'${account(serverId)}'@'%'`).join(", ");
  await sql.rows(`ALTER USER IF EXISTS ${names} ACCOUNT ${how}`, LIMIT_MS);
}

/** Runs on a connection of its own with sql_log_bin=0, so that no standing one can ever be left in that state. */
async function locally<T>(lines: Lines, work: (sql: Sql) => Promise<T>): Promise<T> {
  await using sql = await lines.fresh(LIMIT_MS);
  await sql.rows("SET SESSION sql_log_bin = OFF", LIMIT_MS);
  return await work(sql);
}

function account(serverId: number): string {
  return `autopilot_repl_${serverId}`;
}
