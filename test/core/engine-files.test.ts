// What XtraBackup and mariadb-backup write about an image, in their oldest and newest forms; and when images are a chain.
import { describe, expect, test } from "vitest";
import {
  chainProblems,
  parentAmong,
  parentProblems,
} from "../../recipes/mysql/core/backup/chain.ts";
import {
  namesOf,
  parseBinlogInfo,
  parseCheckpoints,
  parseInfo,
} from "../../recipes/mysql/core/backup/engine-files.ts";
import type { Manifest } from "../../recipes/mysql/core/backup/manifest.ts";

const A = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const B = "5fe3a1a9-0000-5000-8000-00000000e40c";

describe("checkpoints", () => {
  const text =
    "backup_type = incremental\nfrom_lsn = 18446744073709551600\nto_lsn = 18446744073709551614\nlast_lsn = 5\nflushed_lsn = 5\n";
  test("LSNs stay exact", () => {
    expect(parseCheckpoints(text)).toEqual({
      type: "incremental",
      from: "18446744073709551600",
      to: "18446744073709551614",
    });
  });
  test.each([
    ["nothing", ""],
    ["cut off", text.slice(0, 60)],
    ["a number that is none", text.replace("18446744073709551600", "x")],
  ])("%s is none", (_, damaged) => {
    expect(parseCheckpoints(damaged)).toBeNull();
  });
  test("MariaDB's newer names are looked for too", () => {
    expect(namesOf("checkpoints")).toEqual([
      "xtrabackup_checkpoints",
      "mariadb_backup_checkpoints",
    ]);
  });
});

describe("info", () => {
  const info = (binlogPos: string): string =>
    `uuid = x\nname = \ntool_name = xtrabackup\nserver_version = 8.4.9\nend_time = 2026-11-20 15:00:00\nbinlog_pos = ${binlogPos}\ninnodb_from_lsn = 0\ninnodb_to_lsn = 5\npartial = N\n`;
  test.each([
    [
      `filename 'binlog.000002', position '197', GTID of the last change '${A}:1-9'`,
      { gtid: `${A}:1-9`, binlog: { file: "binlog.000002", position: 197 } },
    ],
    // Older versions: over several lines.
    [
      `filename 'b.1', position '4', GTID of the last change '${A}:1-9,\n${B}:1'`,
      { gtid: `${A}:1-9,${B}:1`, binlog: { file: "b.1", position: 4 } },
    ],
    // Tagged, since 8.3.
    [
      `filename 'b.1', position '4', GTID of the last change '${A}:1-9:backup:1-5'`,
      { gtid: `${A}:1-9:backup:1-5`, binlog: { file: "b.1", position: 4 } },
    ],
    [
      "filename 'mbin.000001', position '1103', GTID of the last change '0-11-5'",
      { gtid: "0-11-5", binlog: { file: "mbin.000001", position: 1103 } },
    ],
    // An empty set, no GTIDs, no binlog at all.
    [
      "filename 'b.1', position '4', GTID of the last change ''",
      { gtid: "", binlog: { file: "b.1", position: 4 } },
    ],
    ["filename 'b.1', position '4'", { gtid: "", binlog: { file: "b.1", position: 4 } }],
    ["", { gtid: "", binlog: null }],
  ])("binlog_pos = %j", (written, standing) => {
    expect(parseInfo(info(written))).toEqual(standing);
  });
  test("is not guessed at where it is malformed or missing", () => {
    expect(parseInfo(info("filename 'b.1', position"))).toBeNull();
    expect(parseInfo("uuid = x\n")).toBeNull();
    // It may be the file's last line.
    expect(parseInfo("binlog_pos = filename 'b.1', position '4'")).not.toBeNull();
  });
});

test("binlog_info: one line, several lines, no GTIDs", () => {
  const binlog = { file: "binlog.000002", position: 197 };
  expect(parseBinlogInfo(`binlog.000002\t197\t${A}:1-9\n`)).toEqual({ gtid: `${A}:1-9`, binlog });
  const lines = `binlog.000002\t197\t${A}:1-9,\n${B}:1\n`;
  expect(parseBinlogInfo(lines)).toEqual({ gtid: `${A}:1-9,${B}:1`, binlog });
  expect(parseBinlogInfo("binlog.000002\t197\n")).toEqual({ gtid: "", binlog });
  expect(parseBinlogInfo("binlog.000002\n")).toBeNull();
});

describe("a chain", () => {
  const full: Manifest = {
    format: 1,
    id: "full",
    cluster: { name: "shop", id: "c" },
    node: { name: "n1", uuid: A, role: "replica" },
    epoch: 1,
    engine: { name: "xtrabackup", version: "8.4.0-7" },
    server: { flavor: "mysql", version: "8.4.9" },
    kind: "full",
    parent: null,
    lsn: { from: "0", to: "100" },
    gtid: "",
    binlog: null,
    startedAt: "",
    finishedAt: "",
    rawBytes: 1,
    stream: "xbstream",
    compression: null,
    encryption: null,
    data: { key: "k", bytes: 1, sha256: "", parts: [] },
  };
  const next = (parent: Manifest, more: Partial<Manifest> = {}): Manifest => ({
    ...parent,
    id: `${parent.id}+`,
    kind: "incremental",
    parent: parent.id,
    lsn: { from: parent.lsn?.to ?? "", to: `${parent.lsn?.to}0` },
    ...more,
  });
  const one = next(full);

  test("holds where each begins at the LSN at which its parent ends", () => {
    expect(chainProblems([full])).toEqual([]);
    expect(chainProblems([full, one, next(one)])).toEqual([]);
  });

  test.each([
    ["nothing", [], "there is no backup"],
    ["no base", [one], "an incremental, not a full backup"],
    ["a gap", [full, next(one)], "its parent is full+"],
    ["another LSN", [full, next(full, { lsn: { from: "101", to: "200" } })], "begins at LSN 101"],
    ["no LSN", [full, next(full, { lsn: null })], "begins at LSN undefined"],
    // A node that was rebuilt has the same name and another datadir.
    ["another datadir", [full, next(full, { node: { ...full.node, uuid: B } })], "server_uuid is"],
    [
      "another cluster",
      [full, next(full, { cluster: { name: "shop", id: "d" } })],
      "its cluster is c, not d",
    ],
    [
      "another series",
      [full, next(full, { server: { flavor: "mysql", version: "9.7.4" } })],
      "server's series is 8.4, not 9.7",
    ],
    [
      "another engine",
      [full, next(full, { engine: { name: "mariadb-backup", version: "8.4.0" } })],
      "its engine is xtrabackup, not mariadb-backup",
    ],
    ["a full one in it", [full, { ...full, parent: "full" }], "it is no incremental"],
  ])("%s is none", (_, chain, why) => {
    expect(chainProblems(chain).join("\n")).toContain(why);
  });

  test("an upgrade within the series goes on, and a clone is nobody's parent", () => {
    const maker = {
      clusterId: "c",
      uuid: A,
      engine: { name: "xtrabackup", version: "8.4.0-8" },
      server: { flavor: "mysql", version: "8.4.10" },
    } as const;
    expect(parentProblems(full, maker)).toEqual([]);
    const clone = { ...full, engine: { name: "clone", version: "8.4.9" }, lsn: null } as const;
    expect(parentProblems(clone, maker)).toContain("a clone carries no incrementals");
  });

  test("goes on from the newest backup that fits and is good, with all that it rests on", () => {
    const maker = { ...full, clusterId: full.cluster.id, uuid: full.node.uuid };
    const two = next(one);
    const bad = { format: 1, backup: "", at: "", node: "", ok: false, problems: [] } as const;
    const entry = (manifest: Manifest, ...verdicts: readonly boolean[]) => ({
      manifest,
      verdicts: verdicts.map((ok) => ({ ...bad, ok, restoreMs: null, gtid: null })),
      hold: null,
    });
    const all = [entry(two), entry(one), entry(full, true)];
    expect(parentAmong(all, maker)).toBe(two);
    expect(parentAmong(all, { ...maker, uuid: B })).toBeNull();
    const later = { ...maker, server: { flavor: "mysql", version: "9.7.4" } } as const;
    expect(parentAmong(all, later)).toBeNull();
    expect(parentAmong([entry(two, false), entry(one), entry(full)], maker)).toBe(one);
    expect(parentAmong([entry(two), entry(one), entry(full, false)], maker)).toBeNull();
    expect(parentAmong([entry(two), entry(full)], maker)).toBe(full);
  });
});
