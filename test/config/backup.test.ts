// The sections `mysql.backup` and `mysql.recovery`: each mistake is one clear problem, and all are told at once.
import { expect, test } from "vitest";
import { mysqlSchema } from "../../recipes/mysql/config.ts";

const secrets = { admin: "a", replication: "r", clone: "c", peer: "p", app: "x" };

function problems(section: Readonly<Record<string, unknown>>): readonly string[] {
  const { error } = mysqlSchema.safeParse({ secrets, ...section });
  return (error?.issues ?? []).map(({ path, message }) => `${path.join(".")}: ${message}`);
}

test("nothing configured is no backups; a store alone is everything by default", () => {
  expect(mysqlSchema.parse({ secrets }).backup).toBeUndefined();
  expect(mysqlSchema.parse({ secrets, backup: { to: "/mnt/backups" } }).backup).toMatchObject({
    engine: "auto",
    schedule: "0 3 * * *",
    jitter: 300_000,
    retention: { last: 7, daily: 7, weekly: 4, monthly: 3, window: 604_800_000 },
    verify: { enabled: true, schedule: "0 5 * * 0" },
    archive: { enabled: true, within: 10_000 },
    provision: "auto",
  });
});

test("sizes and durations are written with their units", () => {
  const backup = { to: "x", rate: "50MiB", afterBinlogBytes: "1.5GiB", deadline: "2h" };
  expect(mysqlSchema.parse({ secrets, backup }).backup).toMatchObject({
    rate: 52_428_800,
    afterBinlogBytes: 1_610_612_736,
    deadline: 7_200_000,
  });
  expect(problems({ backup: { to: "x", rate: "50" } })).toEqual([
    'backup.rate: expected a size like "512MiB", got "50"',
  ]);
});

test("all mistakes are told at once: schedules that do not parse or never come, and the rest", () => {
  const backup = {
    schedule: "61 * * * *",
    verify: { schedule: "0 0 31 2 *" },
    retention: { last: 0, daily: 0, weekly: 0, monthly: 0 },
    encryption: { identity: "/run/id" },
    compression: { level: 99 },
  };
  const found = problems({ backup });
  for (const part of [
    "backup.to:",
    "backup.schedule: not a cron schedule: Invalid value for minute: 61",
    'backup.verify.schedule: "0 0 31 2 *" never comes',
    "backup.retention: keeps nothing: every backup would be deleted",
    "backup.encryption.recipients:",
    "backup.compression.level:",
  ])
    expect(found.join("\n")).toContain(part);
  expect(found).toHaveLength(6);
});

test("a moment to go back to has a time zone, and is not a GTID as well", () => {
  const from = "/mnt/backups";
  expect(problems({ recovery: { from, toTime: "2026-11-20T12:00:00" } })).toHaveLength(1);
  expect(problems({ recovery: { from, toTime: "2026-11-20T12:00:00.5+01:00" } })).toEqual([]);
  expect(problems({ recovery: { from, toTime: "2026-11-20T12:00:00Z", toGtid: "u:1" } })).toEqual([
    "recovery.toGtid: either a time or a GTID",
  ]);
});
