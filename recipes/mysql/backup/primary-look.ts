// What the archiver asks of the server whose binary logs it reads, over one connection: when that ends, so does the
// archiver, so that it never takes a server that came back for the one that was open.
import { ConfigError } from "../../../src/index.ts";
import { gtidSet, type GtidSet } from "../core/gtid.ts";
import type { ServerVersion } from "../core/backup/manifest.ts";
import type { Row, Sql } from "../mysqld/connection.ts";

export type PrimaryLook = {
  readonly uuid: string;
  readonly server: ServerVersion;
  /** Null: the server is being closed, or was never opened; what it has executed proves nothing then. */
  readonly executed: GtidSet | null;
  readonly purged: GtidSet;
  /** Absolute path of the list of its binary logs, and what the paths in it are relative to. */
  readonly logIndex: string;
  readonly datadir: string;
};

const LOOK_MS = 5_000;

/**
 * With AFTER_SYNC a transaction is in the binary log before anybody acknowledged it, and executed afterwards. But a client
 * that is killed while it waits leaves its transaction executed, and unacknowledged: every way to close a server that
 * kills clients sets one of these switches first (PROTOCOL §6). So the set is read before the switches: where they are
 * all open, nobody had been killed when it was read.
 * Errors: ConfigError AP_ARCHIVE_UNREADABLE, AP_MYSQLD_TIMEOUT, AP_MYSQLD_EXITED.
 */
export async function lookAtPrimary(sql: Sql): Promise<PrimaryLook> {
  const [sets] = await sql.rows(
    "SELECT @@GLOBAL.gtid_executed AS executed, @@GLOBAL.gtid_purged AS purged",
    LOOK_MS,
  );
  const [row] = await sql.rows(
    "SELECT @@server_uuid AS uuid, @@version AS version, @@version_comment AS comment, " +
      "@@GLOBAL.read_only + @@GLOBAL.super_read_only + @@GLOBAL.offline_mode AS closed, " +
      "@@GLOBAL.max_connections AS connections, @@GLOBAL.gtid_mode AS gtid_mode, " +
      "@@GLOBAL.log_bin AS log_bin, @@GLOBAL.log_bin_index AS log_index, @@datadir AS datadir",
    LOOK_MS,
  );
  const text = (name: string): string => textIn(row, name);
  if (row?.["log_bin"] !== 1 || text("gtid_mode") !== "ON") {
    const why = "the archive goes by GTID: the server must have log_bin and gtid_mode ON";
    throw new ConfigError("AP_ARCHIVE_UNREADABLE", why);
  }
  const isOpen = row["closed"] === 0 && Number(row["connections"]) > 1;
  return {
    uuid: text("uuid").toLowerCase(),
    server: {
      flavor: /percona/i.test(text("comment")) ? "percona" : "mysql",
      version: /^[\d.]+/.exec(text("version"))?.[0] ?? text("version"),
    },
    executed: isOpen ? gtidSet(textIn(sets, "executed")) : null,
    purged: gtidSet(textIn(sets, "purged")),
    logIndex: text("log_index"),
    datadir: text("datadir"),
  };
}

function textIn(row: Row | undefined, name: string): string {
  const value = row?.[name];
  return typeof value === "string" ? value : "";
}
