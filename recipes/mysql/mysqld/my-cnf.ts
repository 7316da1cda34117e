// my.cnf from three tables, later ones winning: our defaults, what the user wrote, and what the proof needs (PROTOCOL §2).
// Pure. One role-less file for every node: it always comes up closed, and what it is is found out at run time.
// Every name here exists in MySQL 8.0.26–9.7; checked on 9.7.4 by test/mysqld/my-cnf.test.ts.
import { ConfigError } from "../../../src/index.ts";
import { layout } from "./layout.ts";
import { reservedReason } from "./my-cnf-reserved.ts";

export type MyCnfInput = {
  /** Absolute path of the node's directory (layout.ts). */
  readonly dir: string;
  /** Address that other nodes reach this server at. */
  readonly host: string;
  readonly bindAddress: string;
  readonly port: number;
  /** Of the agent's own connections, on 127.0.0.1 only: not bounded by max_connections. */
  readonly adminPort: number;
  readonly serverId: number;
  /** Memory that this server may take; null: not told, so it takes little. */
  readonly memoryBytes: number | null;
  readonly cores: number;
  /** The agent archives its binary logs, and purges them when they are. */
  readonly archived?: boolean;
  /** The user's own lines, by option name as my.cnf spells it (dashes or underscores). */
  readonly options: Readonly<Record<string, string>>;
  /** mysqld refuses to run as root unless told so. */
  readonly runAsRoot: boolean;
  /** Null: mysqld is installed in the machine and finds its own files. */
  readonly tool: ToolPaths | null;
};

export type ToolPaths = {
  readonly basedir: string;
  readonly pluginDir: string;
  readonly messagesDir: string;
};

type Lines = Readonly<Record<string, string | number>>;

const MIB = 1024 * 1024;
const NAME = /^[a-z][a-z0-9_.-]*$/i;

/** Paths below a private prefix of Debian's packages. */
export function toolPaths(prefix: string | null): ToolPaths | null {
  if (prefix === null) return null;
  return {
    basedir: `${prefix}/usr`,
    pluginDir: `${prefix}/usr/lib/mysql/plugin`,
    messagesDir: `${prefix}/usr/share/mysql`,
  };
}

/** The file's text. Errors: ConfigError AP_CONFIG_INVALID with all problems of the user's options. */
export function myCnf(o: MyCnfInput): string {
  const problems = optionProblems(o.options);
  if (problems.length > 0) {
    throw new ConfigError("AP_CONFIG_INVALID", `mysqld options: ${problems.join("; ")}`, {
      problems,
    });
  }
  return [
    "# Made by autopilot at each start: edit the configuration, not this file.",
    "[mysqld]",
    "",
    "# defaults",
    ...render(defaults(o)),
    "",
    "# the user's",
    ...render(o.options),
    "",
    "# fixed: durability, replication and the closed start (PROTOCOL §2)",
    ...render(fixed(o)),
    "",
  ].join("\n");
}

/** What is wrong with the user's options, one sentence each with the option's name first; [] when nothing is. */
export function optionProblems(options: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (!NAME.test(name)) return [`${JSON.stringify(name)}: not an option name`];
    const reason = reservedReason(name);
    if (reason !== null) return [`${name}: ${reason}`];
    // A line break would start another option, and my.cnf has no escape for a quote inside quotes.
    // oxlint-disable-next-line no-control-regex
    if (/[\u0000-\u001f"]/.test(value))
      return [`${name}: line breaks, control characters and " cannot be given`];
    return [];
  });
}

function defaults(o: MyCnfInput): Lines {
  return {
    character_set_server: "utf8mb4",
    local_infile: "OFF",
    require_secure_transport: "OFF",
    event_scheduler: "ON",
    // Three days: long enough to rejoin after a weekend, short enough for a laptop's disk.
    binlog_expire_logs_seconds: 259_200,
    replica_parallel_workers: Math.min(Math.max(o.cores, 2), 16),
    innodb_buffer_pool_size: bufferPoolBytes(o.memoryBytes),
    ...(o.memoryBytes === null ? SMALL : {}),
  };
}

// Of a server that shares a laptop with two others: measured 550 → 315 MB RSS idle. The tables that replication, clone and
// the agent read stay as they are: threads, user_variables_by_thread, clone_*, replication_*.
const SMALL: Lines = {
  // 9.x takes 64 MiB.
  innodb_log_buffer_size: 8 * MIB,
  key_buffer_size: MIB,
  performance_schema_digests_size: 200,
  performance_schema_error_size: 200,
  performance_schema_accounts_size: 50,
  performance_schema_hosts_size: 50,
  performance_schema_users_size: 50,
  performance_schema_max_table_instances: 500,
  performance_schema_max_table_handles: 500,
  performance_schema_events_statements_history_long_size: 100,
  performance_schema_events_stages_history_long_size: 100,
  performance_schema_events_waits_history_long_size: 100,
  performance_schema_events_transactions_history_long_size: 100,
  table_open_cache: 400,
  table_definition_cache: 400,
};

/** Half of what it may take, a quarter of little; 128 MiB when not told. */
function bufferPoolBytes(memoryBytes: number | null): number {
  if (memoryBytes === null) return 128 * MIB;
  const share = memoryBytes < 1024 * MIB ? 0.25 : 0.5;
  return Math.max(32, Math.floor((memoryBytes * share) / MIB)) * MIB;
}

function fixed(o: MyCnfInput): Lines {
  const purge = o.archived === true ? PURGED_BY_AGENT : {};
  return { ...place(o), ...DURABLE, ...REPLICATION, ...SEMI_SYNC, ...purge };
}

function place(o: MyCnfInput): Lines {
  const at = layout(o.dir);
  return {
    ...(o.runAsRoot ? { user: "root" } : {}),
    ...(o.tool === null
      ? {}
      : {
          basedir: o.tool.basedir,
          plugin_dir: o.tool.pluginDir,
          lc_messages_dir: o.tool.messagesDir,
        }),
    datadir: at.data,
    socket: at.socket,
    pid_file: at.pidFile,
    log_error: at.errorLog,
    // Without it mysqld looks for /var/lib/mysql-files, and files of the server's host are no way in or out.
    secure_file_priv: "NULL",
    bind_address: o.bindAddress,
    port: o.port,
    admin_address: "127.0.0.1",
    admin_port: o.adminPort,
    // The default serves the admin port from the main listener, which a flood of connections can keep busy.
    create_admin_listener_thread: "ON",
    mysqlx: "OFF",
    skip_name_resolve: "ON",
    server_id: o.serverId,
    report_host: o.host,
    report_port: o.port,
  };
}

const DURABLE: Lines = {
  super_read_only: "ON",
  read_only: "ON",
  skip_replica_start: "ON",
  sync_binlog: 1,
  innodb_flush_log_at_trx_commit: 1,
  // S13: it throws acknowledged events away. S12: an acknowledgement means "on disk".
  relay_log_recovery: "OFF",
  sync_relay_log: 1,
  performance_schema: "ON",
  // Every connection is in performance_schema.threads: one beyond a limit would be missed by a cut.
  performance_schema_max_thread_instances: -1,
  performance_schema_max_thread_classes: 100,
  // A SET PERSIST of anybody would win over this file at the next start, and open a server that must come up closed.
  persisted_globals_load: "OFF",
};

const REPLICATION: Lines = {
  // Names of their own: the default takes the host's name, which a container changes.
  log_bin: "binlog",
  relay_log: "relaylog",
  gtid_mode: "ON",
  enforce_gtid_consistency: "ON",
  log_replica_updates: "ON",
  replica_preserve_commit_order: "ON",
  // 8.0.26 still has DATABASE as its default, which the line above does not allow; gone in 9.x.
  loose_replica_parallel_type: "LOGICAL_CLOCK",
  replica_net_timeout: 4,
  // MOCO #325, PR #333: with ON the dump thread does not call the semi-sync hooks.
  replication_sender_observe_commit_only: "OFF",
};

const SEMI_SYNC: Lines = {
  plugin_load_add: "semisync_source.so;semisync_replica.so;mysql_clone.so",
  // `loose`: --initialize loads no plugins and would refuse their variables. observe() fails where they are missing.
  // S19: the flags are only ever set at run time, by the agent.
  loose_rpl_semi_sync_source_enabled: "OFF",
  loose_rpl_semi_sync_replica_enabled: "OFF",
  loose_rpl_semi_sync_source_wait_point: "AFTER_SYNC",
  // S3: a timeout would let all waiters return OK without an acknowledgement. S4: so would OFF.
  loose_rpl_semi_sync_source_timeout: 4_294_967_295,
  loose_rpl_semi_sync_source_wait_no_replica: "ON",
};

/** Only what is in the archive goes, and the agent knows what is. Before 8.0.29 there was the second line alone. */
const PURGED_BY_AGENT: Lines = {
  loose_binlog_expire_logs_auto_purge: "OFF",
  binlog_expire_logs_seconds: 0,
};

function render(lines: Lines): readonly string[] {
  return Object.entries(lines).map(([name, value]) => `${name} = ${quoted(String(value))}`);
}

/** my.cnf takes `#` for a comment and `\` for an escape. */
function quoted(value: string): string {
  if (/^[\w./:,;+@%*-]+$/.test(value)) return value;
  return `"${value.replaceAll("\\", "\\\\")}"`;
}
