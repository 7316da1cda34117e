// What load balancers and people are told over HTTP, from the last tick alone.
import { describe, expect, test } from "vitest";
import type { BackupFacts } from "../../recipes/mysql/core/backup/summary.ts";
import { endpoint } from "../../recipes/mysql/endpoints.ts";
import { NOW, situation, type Situation } from "./situation.ts";

const three = situation().withVoters("a", "b", "c");
const primary = three.asPrimary();
const replica = three.asReplicaOf("b");

function ask(s: Situation | null, path: string, now = NOW, backups: BackupFacts | null = null) {
  const url = new URL(path, "http://a.test");
  const asked = { now, says: "what the tick said", backups: () => backups };
  return endpoint(s?.observation ?? null, asked, url.pathname, url.searchParams);
}
const status = (s: Situation, path: string, now = NOW): number => ask(s, path, now)?.[0] ?? 0;

describe("/primary", () => {
  test("is the open primary, and nobody else", () => {
    expect(status(primary, "/primary")).toBe(200);
    expect(status(replica, "/primary")).toBe(503);
    expect(status(three.asPrimary("marked"), "/primary")).toBe(503);
    expect(status(three.asPrimary("drained"), "/primary")).toBe(503);
    expect(status(primary.serverDown(), "/primary")).toBe(503);
  });

  test("is nobody whose loop has not turned for 5 s: it may have been paused while another was elected", () => {
    expect(status(primary, "/primary", NOW + 5_000)).toBe(200);
    expect(status(primary, "/primary", NOW + 5_001)).toBe(503);
    expect(status(replica, "/replica", NOW + 5_001)).toBe(503);
  });
});

describe("/replica", () => {
  test("is a replica, within the lag that is asked for", () => {
    const behind = replica.source({ lagSeconds: 10 });
    expect(status(behind, "/replica")).toBe(200);
    expect(status(behind, "/replica?lag=10s")).toBe(200);
    expect(status(behind, "/replica?lag=10")).toBe(200);
    expect(status(behind, "/replica?lag=9s")).toBe(503);
    expect(status(primary, "/replica")).toBe(503);
  });

  test("is none whose lag is not known, where a lag is asked for, nor for a lag that is no number", () => {
    expect(status(replica.source({ lagSeconds: null }), "/replica?lag=10s")).toBe(503);
    expect(status(replica, "/replica?lag=soon")).toBe(503);
  });
});

describe("/health and /readiness", () => {
  test("are a primary or a replica; a node that waits, starts or copies is neither", () => {
    for (const path of ["/health", "/readiness"]) {
      expect(status(primary, path)).toBe(200);
      expect(status(replica, path)).toBe(200);
      expect(status(three.withoutDatadir(), path)).toBe(503);
      expect(status(three, path)).toBe(503);
    }
  });

  test("a replica that is cut off, or does not apply, is healthy and not ready", () => {
    for (const s of [replica.source({ io: "Connecting" }), replica.source({ sql: "No" })]) {
      expect(status(s, "/health")).toBe(200);
      expect(status(s, "/readiness")).toBe(503);
    }
  });
});

test("/status always answers, with role, epoch, voters and what the node says", () => {
  expect(ask(primary, "/status")).toMatchObject([
    200,
    { node: "a", role: "primary", epoch: 5, says: "what the tick said", acks: 1 },
  ]);
});

describe("/metrics", () => {
  const samples = (s: Situation | null, now = NOW, backups: BackupFacts | null = null) => {
    const [status, body, type] = ask(s, "/metrics", now, backups) ?? [];
    expect([status, type]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
    const lines = String(body).split("\n");
    return lines.filter((line) => line !== "" && !line.startsWith("#"));
  };
  const last = {
    id: "X",
    gtid: "",
    binlog: null,
    node: "b",
    startedAt: "",
    finishedAt: "",
    rawBytes: 300,
    storedBytes: 100,
    verified: { id: "X", at: "", ok: true, restoreMs: 2_000, rawBytes: 300 },
  };
  const facts: BackupFacts = {
    plan: { to: "/x", schedule: "", verify: null, delayMs: 0, archive: true },
    last,
    failed: null,
    wishes: [],
    running: null,
    archive: null,
    now: 100_000,
    finishedAt: 40_000,
    verifiedAt: 50_000,
    archivedAt: null,
    nextAt: null,
    nextVerifyAt: null,
  };

  test("are the node's role, epoch and quorum, in Prometheus' text", () => {
    expect(samples(primary)).toEqual(
      expect.arrayContaining([
        'autopilot_role{role="primary"} 1',
        'autopilot_role{role="replica"} 0',
        "autopilot_epoch 5",
        "autopilot_voters 3",
        "autopilot_acks 1",
      ]),
    );
    expect(samples(replica.source({ lagSeconds: 10 }))).toContain("autopilot_lag_seconds 10");
    expect(samples(primary).join()).not.toContain("backup");
  });

  test("say nothing of a node whose loop has not turned for 5 s, or that has not begun", () => {
    for (const old of [samples(primary, NOW + 5_001), samples(null)]) {
      expect(old).toContain('autopilot_role{role="unknown"} 1');
      expect(old).toContain('autopilot_role{role="primary"} 0');
      expect(old.join()).not.toContain("epoch");
    }
  });

  test("are the ages and sizes of backups", () => {
    expect(samples(primary, NOW, { ...facts, archive: archived, archivedAt: 99_000 })).toEqual(
      expect.arrayContaining([
        "autopilot_backup_last_age_seconds 60",
        "autopilot_backup_verified_age_seconds 50",
        "autopilot_backup_recovery_point_age_seconds 3",
        "autopilot_backup_restore_seconds 2",
        "autopilot_backup_last_stored_bytes 100",
        "autopilot_backup_failures 0",
        "autopilot_backup_running 0",
        "autopilot_archive_lag_seconds 3",
      ]),
    );
  });

  test("leave out what only the primary knows: how far the archive is", () => {
    const there = samples(replica, NOW, facts).join();
    expect(there).toContain("autopilot_backup_last_age_seconds");
    expect(there).not.toMatch(/archive_lag|recovery_point/);
  });

  const archived = {
    node: "a",
    uuid: "a",
    epoch: 5,
    at: "",
    gtid: "u:1",
    lagSeconds: 2,
    problem: null,
    gap: null,
  };
});

test("before the first tick every one of them says 503, and other paths are nobody's", () => {
  expect(ask(null, "/primary")).toMatchObject([503, { role: "unknown" }]);
  expect(ask(primary, "/nothing")).toBeNull();
});
