// What `status` says of backups.
import { describe, expect, test } from "vitest";
import type { LastBackup } from "../../recipes/mysql/core/backup/due.ts";
import {
  backupAlerts,
  backupNumbers,
  type BackupFacts,
} from "../../recipes/mysql/core/backup/summary.ts";

const NOW = 10_000_000;
const GIB = 2 ** 30;
const verified = { id: "X", at: "", ok: true, restoreMs: 20_000, rawBytes: GIB };
const last: LastBackup = {
  id: "Y",
  gtid: "",
  binlog: null,
  node: "mysql-2",
  startedAt: "",
  finishedAt: "",
  rawBytes: 3 * GIB,
  storedBytes: GIB,
  verified,
};
const archive = {
  node: "",
  uuid: "",
  epoch: 1,
  at: "",
  gtid: "u:1",
  lagSeconds: 2,
  problem: null,
  gap: null,
};
const facts: BackupFacts = {
  plan: { to: "/x", schedule: "", verify: null, delayMs: 0, archive: true },
  last,
  failed: null,
  wishes: [],
  running: null,
  archive,
  now: NOW,
  finishedAt: NOW - 3_600_000,
  verifiedAt: NOW - 7_200_000,
  archivedAt: NOW - 1_000,
  nextAt: null,
  nextVerifyAt: null,
};

describe("of a cluster's backups one can see", () => {
  test("how old the recovery point is: the archive's, or the newest image's", () => {
    expect(backupNumbers(facts).recoveryPointAgeSeconds).toBe(3);
    expect(backupNumbers({ ...facts, archive: null }).recoveryPointAgeSeconds).toBe(3_600);
  });

  test("that binlogs without a backup, or with a gap, restore nothing", () => {
    const none = { ...facts, last: { ...last, id: null } };
    expect(backupNumbers(none).recoveryPointAgeSeconds).toBeNull();
    const gap = { ...facts, archive: { ...archive, gap: "some" } };
    expect(backupNumbers(gap).recoveryPointAgeSeconds).toBe(3_600);
    // Nobody has heard of the archive yet.
    const unknown = { ...facts, archive: { ...archive, gtid: "" } };
    expect(backupNumbers(unknown).recoveryPointAgeSeconds).toBe(3_600);
    expect(backupAlerts(gap)).toEqual(["AP_ARCHIVE_GAP: some"]);
  });

  test("how long a restore takes: as it was measured, for as many bytes as there are now", () => {
    expect(backupNumbers(facts).restoreSeconds).toBe(60);
    expect(
      backupNumbers({ ...facts, last: { ...last, verified: null } }).restoreSeconds,
    ).toBeNull();
  });

  test("the age of the last good verification, and not that of a bad one", () => {
    expect(backupNumbers(facts).verifiedAgeSeconds).toBe(7_200);
    const bad = { ...facts, last: { ...last, verified: { ...verified, ok: false } } };
    expect(backupNumbers(bad).verifiedAgeSeconds).toBeNull();
    expect(backupAlerts(bad).join()).toContain("AP_BACKUP_DAMAGED");
  });

  test("failures in a row, with the last reason", () => {
    const failed = { failures: 3, at: NOW, uuid: "b", node: "mysql-2", why: "no room" };
    expect(backupAlerts({ ...facts, failed }).join()).toContain(
      "3 times in a row; mysql-2: no room",
    );
  });

  test("nothing where nothing is configured", () => {
    expect(backupAlerts({ ...facts, plan: null })).toEqual([]);
  });
});
