// The statements that make a new cluster's first datadir: accounts, databases, tables. Pure.
// They hold passwords: run them through a 0600 --init-file or a connection, and never print them.
import { COPY_ACCOUNT } from "../core/accounts.ts";
import type { Secrets } from "./secrets.ts";

/**
 * Accounts, none with more than it needs:
 *   autopilot        the agent itself, only from this machine (admin port, socket)
 *   autopilot_repl_N what node N replicates with
 *   autopilot_repl_0 what any node copies from a closed one with (PROTOCOL §4 step 5)
 *   autopilot_clone  what a recipient of CLONE says to its donor
 *   autopilot_peer   other agents read @@gtid_executed and nothing else
 *   app              the application; no privilege that gets past read_only (PROTOCOL §2)
 * root goes: nobody knows a password for it, and an empty one is open to every local user.
 */
export function clusterSql(
  secrets: Secrets,
  founder: { readonly clusterId: string; readonly serverId: number },
): readonly string[] {
  const serverIds = [...new Set([COPY_ACCOUNT, founder.serverId])];
  const replicas = serverIds.map((serverId) => `'autopilot_repl_${serverId}'@'%'`);
  return [
    ...adminSql(secrets.admin),
    `CREATE USER 'autopilot_clone'@'%' IDENTIFIED BY ${text(secrets.clone)} REQUIRE SSL`,
    "GRANT BACKUP_ADMIN ON *.* TO 'autopilot_clone'@'%'",
    `CREATE USER 'autopilot_peer'@'%' IDENTIFIED BY ${text(secrets.peer)} REQUIRE SSL`,
    "CREATE DATABASE app",
    `CREATE USER 'app'@'%' IDENTIFIED BY ${text(secrets.app)}`,
    "GRANT ALL ON app.* TO 'app'@'%'",
    "CREATE DATABASE autopilot",
    ...TABLES.map((table) => `CREATE TABLE autopilot.${table} ENGINE=InnoDB`),
    // Every other node's account is made when it asks to join; the founder never asks.
    ...replicas.flatMap((replica) => [
      `CREATE USER ${replica} IDENTIFIED BY ${text(secrets.replication)} REQUIRE SSL`,
      `GRANT REPLICATION SLAVE ON *.* TO ${replica}`,
    ]),
    `INSERT INTO autopilot.cluster VALUES (${text(founder.clusterId)}, UTC_TIMESTAMP(6))`,
    "INSERT INTO autopilot.heartbeat VALUES (1, 0, 0, UTC_TIMESTAMP(6))",
    "INSERT INTO autopilot.probe VALUES (1, 0)",
    "DROP USER 'root'@'localhost'",
  ];
}

/** The agent's own account, which a scratch server needs too (provision.ts). */
export function adminSql(password: string): readonly string[] {
  return ["localhost", "127.0.0.1"].flatMap((host) => [
    `CREATE USER 'autopilot'@'${host}' IDENTIFIED BY ${text(password)}`,
    `GRANT ALL ON *.* TO 'autopilot'@'${host}' WITH GRANT OPTION`,
  ]);
}

const TABLES = [
  "cluster (id CHAR(36) CHARACTER SET ascii NOT NULL PRIMARY KEY, made_at DATETIME(6) NOT NULL)",
  "epoch (epoch BIGINT NOT NULL PRIMARY KEY, node VARCHAR(300) NOT NULL, uuid CHAR(36) CHARACTER SET ascii NOT NULL, at DATETIME(6) NOT NULL)",
  "heartbeat (id TINYINT NOT NULL PRIMARY KEY, epoch BIGINT NOT NULL, n BIGINT NOT NULL, at DATETIME(6) NOT NULL)",
  "probe (id TINYINT NOT NULL PRIMARY KEY, n BIGINT NOT NULL)",
  "members (ver BIGINT NOT NULL PRIMARY KEY, state JSON NOT NULL, at DATETIME(6) NOT NULL)",
];

/** A string literal for the default sql_mode, in which \ escapes. Control characters never get here (secrets.ts). */
function text(value: string): string {
  return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}
