// Which engine makes a backup, over flavors, versions and tools; and that none is taken which could not be restored.
import { describe, expect, test } from "vitest";
import { chooseEngine, type EngineFacts } from "../../recipes/mysql/core/backup/choose-engine.ts";
import type { Flavor } from "../../recipes/mysql/core/backup/manifest.ts";
import {
  compareVersions,
  parseVersion,
  seriesProblem,
} from "../../recipes/mysql/core/backup/version.ts";

function facts(server: string, more: Partial<EngineFacts> = {}): EngineFacts {
  const [flavor = "", version = ""] = server.split(" ");
  return {
    server: { flavor: flavor as Flavor, version },
    tools: { xtrabackup: null, "mariadb-backup": null },
    clonePlugin: flavor !== "mariadb",
    otherTables: [],
    wished: "auto",
    ...more,
  };
}
const having = (xtrabackup: string | null, mariadb: string | null = null) => ({
  tools: { xtrabackup, "mariadb-backup": mariadb },
});

describe("chosen automatically", () => {
  test.each([
    // XtraBackup where it is of the server's series: the production default.
    ["mysql 8.4.9", "8.4.0-7", null, "xtrabackup"],
    ["percona 8.0.46", "8.0.35-36", null, "xtrabackup"],
    ["mysql 9.7.4", "9.7.1-rc1", null, "xtrabackup"],
    // Of another series, older or newer: the server's own means.
    ["mysql 9.7.4", "8.4.0-7", null, "clone"],
    ["mysql 8.0.40", "8.4.0-7", null, "clone"],
    ["mysql 26.7.0", "9.7.1", null, "clone"],
    ["mysql 9.7.4", null, null, "clone"],
    // A series is no prefix of digits.
    ["mysql 8.40.1", "8.4.0-7", null, "clone"],
    // The check of 8.0 was relaxed with 8.0.34: an older one takes no newer server.
    ["mysql 8.0.36", "8.0.33-28", null, "clone"],
    ["mysql 8.0.32", "8.0.33-28", null, "xtrabackup"],
    ["mariadb 10.11.18", null, "10.11.19", "mariadb-backup"],
    ["mariadb 11.8.9", "8.4.0-7", "11.8.2", "mariadb-backup"],
  ] as const)("%s with xtrabackup %s, mariadb-backup %s: %s", (server, xtra, mariadb, engine) => {
    expect(chooseEngine(facts(server, having(xtra, mariadb)))).toMatchObject({ ok: true, engine });
  });

  test("the reason says what it is and why the better one is not", () => {
    const choice = chooseEngine(facts("mysql 9.7.4", having("8.4.0-7")));
    expect(choice).toMatchObject({
      why:
        "the server clones itself; xtrabackup: XtraBackup 8.4.0-7 is not of the server's series: MySQL 9.7.4; " +
        "mariadb-backup: it reads MariaDB's files, not those of MySQL 9.7.4",
    });
  });
});

describe("refused, with the reason of each", () => {
  test.each([
    ["mariadb 10.11.18", {}, "mariadb-backup: it is not on this machine"],
    ["mariadb 11.8.9", having(null, "10.11.19"), "not of the server's series: MariaDB 11.8.9"],
    ["mysql 8.0.16", {}, "CLONE came with MySQL 8.0.17"],
    ["mysql 9.7.4", { clonePlugin: false }, "has not loaded its clone plugin"],
    [
      "mysql 9.7.4",
      { otherTables: ["app.old"] },
      "without their rows, they are not InnoDB: app.old",
    ],
  ] as const)("%s with %j", (server, more, why) => {
    const choice = chooseEngine(facts(server, more));
    expect(choice.ok).toBe(false);
    if (choice.ok) return;
    expect(choice.reasons).toHaveLength(3);
    expect(choice.reasons.join("\n")).toContain(why);
  });
});

describe("forced", () => {
  test("the configured one is taken where a better one fits", () => {
    const choice = chooseEngine(facts("mysql 8.4.9", { ...having("8.4.0-7"), wished: "clone" }));
    expect(choice).toMatchObject({
      engine: "clone",
      why: "the server clones itself; it is configured",
    });
  });

  test("it is refused like any other where it does not fit, and no other is taken instead", () => {
    const choice = chooseEngine(
      facts("mysql 9.7.4", { ...having("8.4.0-7"), wished: "xtrabackup" }),
    );
    expect(choice).toEqual({
      ok: false,
      reasons: ["xtrabackup: XtraBackup 8.4.0-7 is not of the server's series: MySQL 9.7.4"],
    });
  });
});

test("versions are compared as numbers, across MySQL's change to a calendar", () => {
  const order = [
    "5.7.44",
    "8.0.9",
    "8.0.35-36",
    "8.4.0-7",
    "9.7.4-2",
    "26.7.0",
    "26.10.0",
    "28.4.0",
  ];
  const parsed = order.map((text) => parseVersion(text));
  const sorted = parsed.toSorted((a, b) => (a === null || b === null ? 0 : compareVersions(a, b)));
  expect(sorted).toEqual(parsed);
  expect(parseVersion("nine")).toBeNull();
});

describe("a datadir goes into a server", () => {
  const mysql = (version: string) => ({ flavor: "mysql", version }) as const;

  test.each([
    ["9.7.4", "9.7.4"],
    ["9.7.4", "9.7.10"],
    ["8.0.35", "8.0.46-37"],
  ])("of its own series that is not older: %s into %s", (backup, here) => {
    expect(seriesProblem(mysql(backup), here)).toBeNull();
  });

  test.each([
    ["9.7.4", "9.7.3", "or a newer 9.7"],
    ["8.4.2", "9.7.4", "then upgrade"],
    // The calendar's are newer than all before them.
    ["9.7.4", "26.7.0", "then upgrade"],
    ["26.7.0", "9.7.4", "never downgraded"],
    ["9.7.4", "unknown", "AUTOPILOT_MYSQLD"],
  ])("and into no other: %s into %s", (backup, here, hint) => {
    expect(seriesProblem(mysql(backup), here)?.hint).toContain(hint);
  });

  test("MariaDB's go into none of ours", () => {
    expect(seriesProblem({ flavor: "mariadb", version: "10.11.18" }, "10.11.18")).not.toBeNull();
  });
});
