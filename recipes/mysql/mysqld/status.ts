// One look at a mysqld: everything that a tick needs in one round trip, as plain facts. Reads only; runs every second or
// more often, so it asks for no more than it uses.
import { COPY_ACCOUNT } from "../core/accounts.ts";
import type { DumpThread, GtidFacts, ServerFacts, SourceFacts } from "../core/observation.ts";
import type { Row, Sql } from "./connection.ts";
import type { Lines } from "./lines.ts";

const OBSERVE_MS = 2_000;

const VARIABLES = `SELECT @@GLOBAL.server_uuid AS uuid, @@GLOBAL.server_id AS server_id, @@GLOBAL.version AS version,
 @@GLOBAL.read_only AS read_only, @@GLOBAL.super_read_only AS super_read_only, @@GLOBAL.offline_mode AS offline_mode,
 @@GLOBAL.gtid_executed AS executed, @@GLOBAL.gtid_purged AS purged,
 @@GLOBAL.rpl_semi_sync_source_enabled AS source_enabled,
 @@GLOBAL.rpl_semi_sync_source_wait_for_replica_count AS wait_for,
 @@GLOBAL.rpl_semi_sync_replica_enabled AS replica_enabled`;

const REPLICA = "SHOW REPLICA STATUS";

const QUEUED =
  "SELECT last_queued_transaction AS queued, service_state AS state FROM performance_schema.replication_connection_status WHERE channel_name = ''";

const SEMI_SYNC = `SELECT variable_name AS name, variable_value AS value FROM performance_schema.global_status
 WHERE variable_name IN ('Rpl_semi_sync_source_status', 'Rpl_semi_sync_source_clients',
 'Rpl_semi_sync_source_wait_sessions', 'Rpl_semi_sync_replica_status')`;

/** Connected replicas. What they say of themselves at connect is in their session's user variables. */
const DUMP_THREADS = `SELECT t.processlist_id AS id, t.processlist_user AS user,
 MAX(CONVERT(v.variable_value USING utf8mb4)) AS uuid
 FROM performance_schema.threads t
 LEFT JOIN performance_schema.user_variables_by_thread v
 ON v.thread_id = t.thread_id AND v.variable_name IN ('replica_uuid', 'slave_uuid')
 WHERE t.processlist_command LIKE 'Binlog Dump%' GROUP BY t.processlist_id, t.processlist_user`;

const ACCOUNTS =
  "SELECT user, account_locked FROM mysql.user WHERE user LIKE 'autopilot\\\\_repl\\\\_%'";

/** What one look leaves to the next. */
export type Known = {
  /** The cluster id of the datadir, kept once it is known: it never changes under one server_uuid. */
  uuid: string;
  id: string;
  /** At the last look our channel had a source. */
  channel: boolean;
  /** At the last look this server had replicas, or was open for writes. */
  serves: boolean;
};

/** Errors: AP_MYSQLD_TIMEOUT, AP_MYSQLD_EXITED. */
export function observe(lines: Lines, known: Known): Promise<ServerFacts> {
  return lines.look.use(OBSERVE_MS, async (sql) => {
    const { channel: asksChannel, serves: asksAccounts } = known;
    const [variables, queued, status, dumps, ...more] = await sql.script(
      [
        VARIABLES,
        QUEUED,
        SEMI_SYNC,
        DUMP_THREADS,
        ...(asksChannel ? [REPLICA] : []),
        ...(asksAccounts ? [ACCOUNTS] : []),
      ],
      OBSERVE_MS,
    );
    const row = variables?.[0] ?? {};
    const dumpThreads = (dumps ?? []).map((dump) => dumpThread(dump));
    const superReadOnly = row["super_read_only"] === 1;
    // Both show a channel exactly when it has a source; the long one has 60 columns, which cost more than all the rest.
    known.channel = queued?.length === 1;
    // Accounts matter on a node that serves replicas; elsewhere they are not worth a look each second.
    known.serves = !superReadOnly || dumpThreads.length > 0;
    const ask = (statement: string) => sql.rows(statement, OBSERVE_MS);
    const replica = asksChannel ? more.shift() : known.channel ? await ask(REPLICA) : [];
    const users = asksAccounts ? more.shift() : known.serves ? await ask(ACCOUNTS) : [];
    return {
      uuid: text(row["uuid"]),
      serverId: number(row["server_id"]),
      version: text(row["version"]),
      readOnly: row["read_only"] === 1,
      superReadOnly,
      offlineMode: row["offline_mode"] === 1,
      executed: gtids(row["executed"]),
      purged: gtids(row["purged"]),
      retrieved: gtids(channel(replica)?.["Retrieved_Gtid_Set"]),
      clusterId: await clusterId(sql, known, text(row["uuid"])),
      source: sourceFacts(channel(replica), queued?.[0]),
      semiSync: semiSync(row, status ?? []),
      dumpThreads,
      accounts: known.serves ? accounts(users ?? []) : [],
    };
  });
}

/** The three GTID sets of now. */
export async function gtidFacts(sql: Sql, limitMs: number): Promise<GtidFacts> {
  const [replica, variables] = await sql.script(
    [REPLICA, "SELECT @@GLOBAL.gtid_executed AS executed, @@GLOBAL.gtid_purged AS purged"],
    limitMs,
  );
  return {
    executed: gtids(variables?.[0]?.["executed"]),
    purged: gtids(variables?.[0]?.["purged"]),
    retrieved: gtids(channel(replica)?.["Retrieved_Gtid_Set"]),
  };
}

/** Our one channel, or null: no source is configured. */
export async function sourceStatus(sql: Sql, limitMs: number): Promise<SourceFacts | null> {
  const [replica, queued] = await sql.script([REPLICA, QUEUED], limitMs);
  return sourceFacts(channel(replica), queued?.[0]);
}

/** PROTOCOL §3 tier 2: read every 250 ms. */
export async function receiverStatus(
  sql: Sql,
  limitMs: number,
): Promise<{ readonly io: SourceFacts["io"]; readonly lastQueued: string }> {
  const [row] = await sql.rows(QUEUED, limitMs);
  const state = row?.["state"];
  const io = state === "ON" ? "Yes" : state === "CONNECTING" ? "Connecting" : "No";
  return { io, lastQueued: text(row?.["queued"]) };
}

export type SemiSyncStatus = {
  readonly active: boolean;
  readonly clients: number;
  readonly waitSessions: number;
};

export async function semiSyncStatus(sql: Sql, limitMs: number): Promise<SemiSyncStatus> {
  const { sourceActive, clients, waitSessions } = semiSync({}, await sql.rows(SEMI_SYNC, limitMs));
  return { active: sourceActive, clients, waitSessions };
}

/** GTID sets come with a line break after each comma. */
export function gtids(value: unknown): string {
  return text(value).replaceAll(/\s/g, "");
}

async function clusterId(sql: Sql, known: Known, uuid: string): Promise<string | null> {
  if (known.uuid === uuid) return known.id;
  const there =
    "SELECT 1 FROM information_schema.tables WHERE table_schema = 'autopilot' AND table_name = 'cluster'";
  if ((await sql.rows(there, OBSERVE_MS)).length === 0) return null;
  const [row] = await sql.rows("SELECT id FROM autopilot.cluster LIMIT 1", OBSERVE_MS);
  if (row === undefined) return null;
  known.uuid = uuid;
  known.id = text(row["id"]);
  return known.id;
}

function accounts(users: readonly Row[]): ServerFacts["accounts"] {
  return users.flatMap((row) => {
    const serverId = serverIdOf(text(row["user"]));
    return serverId === null ? [] : [{ serverId, locked: row["account_locked"] === "Y" }];
  });
}

/** autopilot_repl_3 → 3; null: not one of our replication accounts. */
export function serverIdOf(user: string): number | null {
  const digits = /^autopilot_repl_(\d+)$/.exec(user)?.[1];
  return digits === undefined ? null : Number(digits);
}

function dumpThread(row: Row): DumpThread {
  return {
    uuid: text(row["uuid"]),
    // Of whoever copies, or of somebody else's replica, with an account of its own: nobody's.
    serverId: serverIdOf(text(row["user"])) ?? COPY_ACCOUNT,
    threadId: number(row["id"]),
  };
}

/** We only ever use the default channel; others are somebody else's. */
function channel(rows: readonly Row[] | undefined): Row | undefined {
  return rows?.find((row) => row["Channel_Name"] === "");
}

function sourceFacts(row: Row | undefined, queued: Row | undefined): SourceFacts | null {
  if (row === undefined) return null;
  const io = row["Replica_IO_Running"];
  const lag = row["Seconds_Behind_Source"];
  return {
    host: text(row["Source_Host"]),
    port: number(row["Source_Port"]),
    uuid: text(row["Source_UUID"]),
    user: text(row["Source_User"]),
    io: io === "Yes" || io === "Connecting" ? io : "No",
    sql: row["Replica_SQL_Running"] === "Yes" ? "Yes" : "No",
    ioError: text(row["Last_IO_Error"]),
    ioErrno: number(row["Last_IO_Errno"]),
    sqlError: text(row["Last_SQL_Error"]),
    sqlErrno: number(row["Last_SQL_Errno"]),
    lastQueued: text(queued?.["queued"]),
    lagSeconds: lag === null || lag === undefined ? null : number(lag),
  };
}

function semiSync(variables: Row, status: readonly Row[]): ServerFacts["semiSync"] {
  const values = new Map(status.map((row) => [text(row["name"]), text(row["value"])]));
  return {
    sourceEnabled: variables["source_enabled"] === 1,
    sourceActive: values.get("Rpl_semi_sync_source_status") === "ON",
    waitFor: number(variables["wait_for"]),
    clients: number(values.get("Rpl_semi_sync_source_clients")),
    waitSessions: number(values.get("Rpl_semi_sync_source_wait_sessions")),
    replicaEnabled: variables["replica_enabled"] === 1,
    replicaActive: values.get("Rpl_semi_sync_replica_status") === "ON",
  };
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(value: unknown): number {
  return Number(value ?? 0);
}
