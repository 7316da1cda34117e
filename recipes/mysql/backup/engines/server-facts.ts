// What an engine must know of the server that it works on, asked over a connection of its own.
import type { Flavor, ServerVersion } from "../../core/backup/manifest.ts";
import type { Sql } from "../../mysqld/connection.ts";

const LIMIT_MS = 10_000;

export type ServerNow = {
  readonly server: ServerVersion;
  readonly datadir: string;
  /** It has a source. */
  readonly replica: boolean;
  readonly applierRuns: boolean;
  /** Statement or mixed: a replica's applier may have temporary tables open, which no image holds. */
  readonly statements: boolean;
  /** Of its InnoDB files, about. */
  readonly dataBytes: number;
  /** Names below the datadir that no image holds: its binlogs' and relay logs' beginnings. */
  readonly logNames: readonly string[];
  readonly redoBytes: number;
};

/** Errors: UnavailableError of the connection. */
export async function readServer(sql: Sql): Promise<ServerNow> {
  const value = await variables(sql);
  const server = { flavor: flavorOf(value), version: value("version").split("-")[0] ?? "" };
  const [status] = await sql.rows("SHOW REPLICA STATUS", LIMIT_MS);
  const applier = status?.["Replica_SQL_Running"] ?? status?.["Slave_SQL_Running"];
  const tablespaces = server.flavor === "mariadb" ? "INNODB_SYS_TABLESPACES" : "INNODB_TABLESPACES";
  const [sum] = await sql.rows(
    `SELECT CAST(SUM(file_size) AS DOUBLE) AS bytes FROM information_schema.${tablespaces}`,
    LIMIT_MS,
  );
  const logs = [value("log_bin_basename"), value("relay_log_basename")];
  return {
    server,
    datadir: value("datadir"),
    replica: status !== undefined,
    applierRuns: applier === "Yes",
    statements: !/^(ROW)?$/i.test(value("binlog_format")),
    dataBytes: Number(sum?.["bytes"] ?? 0),
    logNames: logs.filter((name) => name !== "").map((name) => name.split("/").at(-1) ?? name),
    redoBytes: Number(value("innodb_redo_log_capacity") || value("innodb_log_file_size")),
  };
}

/** What the choice of an engine needs besides: the clone plugin, and tables that a clone would empty. */
export async function readCloneFacts(
  sql: Sql,
): Promise<{ readonly clonePlugin: boolean; readonly otherTables: readonly string[] }> {
  const [plugin] = await sql.rows(
    "SELECT plugin_status AS status FROM information_schema.plugins WHERE plugin_name = 'clone'",
    LIMIT_MS,
  );
  // Its numbers of rows are otherwise a day old.
  await sql.rows("SET SESSION information_schema_stats_expiry = 0", LIMIT_MS);
  const tables = await sql.rows(
    "SELECT CONCAT(table_schema, '.', table_name) AS name FROM information_schema.tables " +
      "WHERE table_type = 'BASE TABLE' AND COALESCE(table_rows, 1) > 0 " +
      "AND engine NOT IN ('InnoDB', 'PERFORMANCE_SCHEMA', 'MEMORY', 'BLACKHOLE', 'FEDERATED') " +
      "AND table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema') " +
      "ORDER BY 1 LIMIT 100",
    LIMIT_MS,
  );
  return {
    clonePlugin: plugin?.["status"] === "ACTIVE",
    otherTables: tables.map((row) => String(row["name"])),
  };
}

async function variables(sql: Sql): Promise<(name: string) => string> {
  const names = [
    "version",
    "version_comment",
    "datadir",
    "binlog_format",
    "log_bin_basename",
    "relay_log_basename",
    "innodb_redo_log_capacity",
    "innodb_log_file_size",
  ];
  const list = names.map((name) => `'${name}'`).join(", ");
  const rows = await sql.rows(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${list})`, LIMIT_MS);
  const values = new Map(rows.map((row) => [row["Variable_name"], String(row["Value"])]));
  return (name) => values.get(name) ?? "";
}

function flavorOf(value: (name: string) => string): Flavor {
  if (/mariadb/i.test(value("version"))) return "mariadb";
  return /percona/i.test(value("version_comment")) ? "percona" : "mysql";
}
