// Which mysqld options a user cannot set, and why. Pure.
// mysqld has many spellings for one option (dashes, loose-, skip-, disable-, the old slave/master words): all are caught.

const PLACE = "the agent chooses it (node, ports and paths are in its own configuration)";
const DURABILITY = "fixed: no acknowledged write may be lost (PROTOCOL §2)";
const CLOSED = "fixed: a server must come up closed, and only the agent opens it";
const PURGE = "fixed: where binary logs are archived the agent purges them, elsewhere mysqld does";
const WHOLE = "fixed: every node must hold and apply every transaction";

const RESERVED: Readonly<Record<string, readonly string[]>> = {
  [PLACE]: [
    "datadir",
    "basedir",
    "plugin_dir",
    "lc_messages_dir",
    "socket",
    "pid_file",
    "log_error",
    "user",
    "chroot",
    "daemonize",
    "port",
    "bind_address",
    "admin_address",
    "admin_port",
    "create_admin_listener_thread",
    "mysqlx",
    "networking",
    "name_resolve",
    "server_id",
    "report_host",
    "report_port",
    "report_user",
    "report_password",
    "secure_file_priv",
    "initialize",
    "initialize_insecure",
    "init_file",
    "performance_schema",
    "performance_schema_max_thread_instances",
    "performance_schema_max_thread_classes",
    "performance_schema_instrument",
    "defaults_file",
    "plugin_load",
    // Other servers start on copies of the datadir with these very options: they must not open the live files.
    "innodb_data_home_dir",
    "innodb_doublewrite_dir",
    "innodb_log_group_home_dir",
    "innodb_temp_tablespaces_dir",
    "innodb_undo_directory",
  ],
  [DURABILITY]: [
    "sync_binlog",
    "innodb_flush_log_at_trx_commit",
    "innodb_doublewrite",
    "innodb_force_recovery",
    "innodb_read_only",
    "relay_log_recovery",
    "sync_relay_log",
    "binlog_order_commits",
    "binlog_error_action",
    "binlog_format",
    "replica_preserve_commit_order",
    "replica_parallel_type",
    "replica_exec_mode",
    "replica_skip_errors",
    "replication_sender_observe_commit_only",
    "replication_optimize_for_static_plugin_config",
    "replica_net_timeout",
    "rpl_semi_sync",
  ],
  [CLOSED]: [
    "super_read_only",
    "read_only",
    "offline_mode",
    "replica_start",
    "grant_tables",
    "persisted_globals_load",
  ],
  [PURGE]: ["binlog_expire_logs_auto_purge"],
  [WHOLE]: [
    "log_bin",
    "log_bin_index",
    "relay_log",
    "relay_log_index",
    "log_replica_updates",
    "gtid_mode",
    "enforce_gtid_consistency",
    "replicate_do_db",
    "replicate_ignore_db",
    "replicate_do_table",
    "replicate_ignore_table",
    "replicate_wild_do_table",
    "replicate_wild_ignore_table",
    "replicate_rewrite_db",
    "replicate_same_server_id",
    "binlog_do_db",
    "binlog_ignore_db",
    "group_replication",
  ],
};

const REASONS = new Map(
  Object.entries(RESERVED).flatMap(([reason, names]) => names.map((name) => [name, reason])),
);

/** Families: everything that starts so. */
const FAMILIES = ["rpl_semi_sync_", "group_replication_", "replicate_"];

/** Why this option is not the user's to set; null: it is. */
export function reservedReason(name: string): string | null {
  const plain = canonicalName(name);
  const family = FAMILIES.find((prefix) => plain.startsWith(prefix));
  return (
    REASONS.get(plain) ??
    (family === undefined ? null : (REASONS.get(family.slice(0, -1)) ?? WHOLE))
  );
}

/** One spelling per option: my_getopt takes dashes, and the prefixes loose, skip, disable, enable and maximum. */
function canonicalName(name: string): string {
  return name
    .toLowerCase()
    .replaceAll("-", "_")
    .replace(/^loose_/, "")
    .replace(/^(?:skip|disable|enable|maximum)_/, "")
    .replaceAll("slave", "replica")
    .replaceAll("master", "source");
}
