// my.cnf: what the user may say and what not, and whether the real server takes every line.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { layout } from "../../recipes/mysql/mysqld/layout.ts";
import {
  myCnf,
  optionProblems,
  toolPaths,
  type MyCnfInput,
} from "../../recipes/mysql/mysqld/my-cnf.ts";
import { mysqlSpec } from "../../recipes/mysql/mysqld/tool.ts";
import { findTool } from "../../src/local/toolchain.ts";

const input: MyCnfInput = {
  dir: "/var/lib/autopilot/n1",
  host: "10.0.0.1",
  bindAddress: "*",
  port: 3306,
  adminPort: 3307,
  serverId: 4,
  memoryBytes: null,
  cores: 2,
  options: {},
  runAsRoot: false,
  tool: null,
};

/** The value that mysqld would take: the last one of a name. */
function valueOf(text: string, name: string): string | undefined {
  const lines = text.split("\n").filter((line) => line.startsWith(`${name} = `));
  return lines.at(-1)?.slice(name.length + 3);
}

describe("my.cnf", () => {
  test.each([
    ["super_read_only", "ON"],
    ["read_only", "ON"],
    ["skip_replica_start", "ON"],
    ["sync_binlog", "1"],
    ["innodb_flush_log_at_trx_commit", "1"],
    ["relay_log_recovery", "OFF"],
    ["sync_relay_log", "1"],
    ["gtid_mode", "ON"],
    ["enforce_gtid_consistency", "ON"],
    ["log_replica_updates", "ON"],
    ["replica_preserve_commit_order", "ON"],
    ["replication_sender_observe_commit_only", "OFF"],
    ["replica_net_timeout", "4"],
    ["loose_rpl_semi_sync_source_wait_point", "AFTER_SYNC"],
    ["loose_rpl_semi_sync_source_timeout", "4294967295"],
    ["loose_rpl_semi_sync_source_wait_no_replica", "ON"],
    ["loose_rpl_semi_sync_source_enabled", "OFF"],
    ["loose_rpl_semi_sync_replica_enabled", "OFF"],
    ["persisted_globals_load", "OFF"],
    ["server_id", "4"],
    ["report_host", "10.0.0.1"],
    ["admin_address", "127.0.0.1"],
  ])("has %s = %s, as PROTOCOL §2 wants", (name, value) => {
    expect(valueOf(myCnf(input), name)).toBe(value);
  });

  test("lets the user's options win over the defaults", () => {
    const options = { innodb_buffer_pool_size: "1G", "max-connections": "500" };
    const text = myCnf({ ...input, options });
    expect(valueOf(text, "innodb_buffer_pool_size")).toBe("1G");
    expect(valueOf(text, "max-connections")).toBe("500");
  });

  test.each([
    "sync_binlog",
    "sync-binlog",
    "SYNC_BINLOG",
    "loose-sync_binlog",
    "loose_skip_log_bin",
    "skip-log-bin",
    "disable-log-bin",
    "skip_slave_start",
    "log_slave_updates",
    "rpl_semi_sync_master_timeout",
    "loose_rpl_semi_sync_source_enabled",
    "replicate_wild_ignore_table",
    "binlog_ignore_db",
    "slave_skip_errors",
    "datadir",
    "server-id",
    "super_read_only",
    "skip_grant_tables",
    "skip_networking",
    "init_file",
    "plugin_load",
    "persisted_globals_load",
    "innodb_data_home_dir",
    "innodb-doublewrite-dir",
    "innodb_log_group_home_dir",
    "loose_innodb_temp_tablespaces_dir",
    "innodb_undo_directory",
    "binlog_expire_logs_auto_purge",
  ])("does not let the user set %s", (name) => {
    expect(optionProblems({ [name]: "1" })).toMatchObject([expect.stringContaining(name)]);
  });

  test("does not let the user set anything that is fixed", () => {
    const fixed =
      myCnf({ ...input, tool: toolPaths("/p"), runAsRoot: true }).split("# fixed")[1] ?? "";
    const names = [...fixed.matchAll(/^(\S+) = /gm)].map((match) => match[1] ?? "");
    expect(names.length).toBeGreaterThan(30);
    const free = names.filter((name) => optionProblems({ [name]: "1" }).length === 0);
    // The user may load plugins of their own as well.
    expect(free).toEqual(["plugin_load_add"]);
  });

  test("lets mysqld purge no binary log by itself where they are archived, whatever the user says", () => {
    const options = { binlog_expire_logs_seconds: "60" };
    const [plain, archived] = [false, true].map((it) => myCnf({ ...input, options, archived: it }));
    expect(valueOf(plain ?? "", "binlog_expire_logs_seconds")).toBe("60");
    expect(valueOf(archived ?? "", "binlog_expire_logs_seconds")).toBe("0");
    expect(valueOf(archived ?? "", "loose_binlog_expire_logs_auto_purge")).toBe("OFF");
  });

  test("says all problems at once, and lets no line break in", () => {
    const options = {
      sync_binlog: "0",
      "no name": "1",
      init_connect: "SET a\nskip_grant_tables",
      max_connections: "5",
    };
    expect(optionProblems(options)).toHaveLength(3);
    expect(() => myCnf({ ...input, options })).toThrow(
      expect.objectContaining({ code: "AP_CONFIG_INVALID" }),
    );
  });

  test("takes half of the memory that it was given, and little when it was told nothing", () => {
    const pool = (memoryBytes: number | null) =>
      Number(valueOf(myCnf({ ...input, memoryBytes }), "innodb_buffer_pool_size")) / 1024 ** 2;
    expect(pool(null)).toBe(128);
    expect(pool(8 * 1024 ** 3)).toBe(4096);
    expect(pool(512 * 1024 ** 2)).toBe(128);
    expect(pool(1)).toBe(32);
  });

  test("puts the socket below the datadir where its path would be too long", () => {
    expect(layout("/short").socket).toBe("/short/mysqld.sock");
    expect(layout(`/${"long/".repeat(30)}`).socket).toBe("mysqld.sock");
  });

  test("is taken by the real mysqld, in a directory with odd characters", async () => {
    const tool = await findTool(mysqlSpec, { progress: () => undefined });
    const dir = await mkdtemp(join(tmpdir(), "autopilot-test- #;'x-"));
    try {
      const options = { init_connect: "SET NAMES 'utf8mb4' # x", "max-connections": "77" };
      const runAsRoot = process.getuid?.() === 0;
      const paths = toolPaths(tool.prefix);
      const text = myCnf({ ...input, dir, options, runAsRoot, tool: paths, archived: true });
      await writeFile(layout(dir).myCnf, text);
      const [program, ...start] = tool.command("mysqld");
      const args = [...start, `--defaults-file=${layout(dir).myCnf}`];
      const run = promisify(execFile);
      await run(program ?? "", [...args, "--validate-config"]);
      const { stdout } = await run(program ?? "", [...args, "--verbose", "--help"], {
        maxBuffer: 8_000_000,
      });
      const shown = (name: string): string | undefined =>
        new RegExp(`^${name} +(.*)$`, "m").exec(stdout)?.[1];
      expect(shown("datadir")).toBe(`${layout(dir).data}/`);
      expect(shown("init-connect")).toBe(options.init_connect);
      expect(shown("max-connections")).toBe("77");
      expect(shown("relay-log-recovery")).toBe("FALSE");
      expect(shown("super-read-only")).toBe("TRUE");
      expect(shown("binlog-expire-logs-auto-purge")).toBe("FALSE");
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
