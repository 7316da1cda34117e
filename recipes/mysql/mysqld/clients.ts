// Who is connected, and how connections are ended. A KILL closes the client's socket at once, so it sees no answer any
// more; what its thread waits for inside mysqld goes on (S7). So "gone" is looked at, never assumed.
import { UnavailableError } from "../../../src/index.ts";
import { sqlErrno, type Sql } from "./connection.ts";
import { semiSyncStatus } from "./status.ts";

export type Client = {
  /** mysqld's connection id. */
  readonly id: number;
  /** Null: still logging in. */
  readonly user: string | null;
  /** server_uuid that a replica says at connect, or "". */
  readonly uuid: string;
  readonly dumps: boolean;
};

const LIMIT_MS = 2_000;
const LOOK_EVERY_MS = 10;
export const ER_NO_SUCH_THREAD = 1094;

/** Connections from outside; replication's own threads and the event scheduler have other names. */
const CLIENTS = `SELECT t.processlist_id AS id, t.processlist_user AS user,
 t.processlist_command LIKE 'Binlog Dump%' AS dumps, MAX(CONVERT(v.variable_value USING utf8mb4)) AS uuid
 FROM performance_schema.threads t
 LEFT JOIN performance_schema.user_variables_by_thread v
 ON v.thread_id = t.thread_id AND v.variable_name IN ('replica_uuid', 'slave_uuid')
 WHERE t.name = 'thread/sql/one_connection' AND t.processlist_id IS NOT NULL
 GROUP BY t.processlist_id, t.processlist_user, t.processlist_command`;

export async function clients(sql: Sql): Promise<readonly Client[]> {
  return (await sql.rows(CLIENTS, LIMIT_MS)).map((row) => ({
    id: Number(row["id"]),
    user: typeof row["user"] === "string" ? row["user"] : null,
    uuid: typeof row["uuid"] === "string" ? row["uuid"] : "",
    dumps: row["dumps"] === 1,
  }));
}

/** KILLs these connections; one that is gone already is fine. */
export async function kill(sql: Sql, victims: readonly Client[]): Promise<void> {
  for (const { id } of victims) await killId(sql, id);
}

export async function killId(sql: Sql, id: number): Promise<void> {
  try {
    await sql.rows(`KILL ${id}`, LIMIT_MS);
  } catch (error) {
    if (sqlErrno(error) !== ER_NO_SUCH_THREAD) throw error;
  }
}

/**
 * Ends every connection for which `unwanted` or `locked` holds and sees them gone, also from semi-sync's own list, so
 * that none acknowledges anything any more. Of a locked account nobody can come back: all of its connections go, however
 * late they appear; of others, those that are here now. One that is logging in may have passed a lock that was just
 * set: with `logins` it goes too (without: it would cost a voter that comes at this moment a second, its retry).
 * Semi-sync forgets a client up to 1 s later when nothing else is acknowledged meanwhile (its receiver polls).
 * Errors: AP_VERB_FAILED after `limitMs`.
 */
export async function cutReplicas(
  sql: Sql,
  which: {
    readonly unwanted: (client: Client) => boolean;
    readonly locked: (client: Client) => boolean;
    readonly logins: boolean;
  },
  limitMs: number,
): Promise<void> {
  const over = performance.now() + limitMs;
  let first: ReadonlySet<number> | null = null;
  for (;;) {
    const all = await clients(sql);
    first ??= new Set(
      all.filter((c) => (which.logins && c.user === null) || which.unwanted(c)).map((c) => c.id),
    );
    const left = all.filter((client) => first?.has(client.id) || which.locked(client));
    const { clients: acking } = await semiSyncStatus(sql, LIMIT_MS);
    if (left.length === 0 && acking <= all.filter((client) => client.dumps).length) return;
    await kill(sql, left);
    if (performance.now() > over) {
      const who = left.map((c) => `${c.user ?? "login"}#${c.id}`).join(", ");
      throw new UnavailableError("AP_VERB_FAILED", `replicas are not gone: ${who || "semi-sync"}`);
    }
    await pause(LOOK_EVERY_MS);
  }
}

/** As often as clients may reconnect between two looks; with a closed or gated server the second finds nobody new. */
const KILL_PASSES = 20;

/**
 * KILLs everybody's connections but `ours` and replicas', again until a look finds nobody new. Does not wait for their
 * threads: one that waits for an acknowledgement stays (S7), but its client is cut off.
 * Returns the ids that were killed.
 */
export async function killClients(
  sql: Sql,
  ours: ReadonlySet<number>,
): Promise<ReadonlySet<number>> {
  const killed = new Set<number>();
  for (let pass = 0; pass < KILL_PASSES; pass++) {
    const victims = (await clients(sql)).filter(
      (client) => !client.dumps && !ours.has(client.id) && !killed.has(client.id),
    );
    if (victims.length === 0) break;
    await kill(sql, victims);
    for (const { id } of victims) killed.add(id);
  }
  return killed;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
