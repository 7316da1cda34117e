// A made-up report for tests of what shows one: some scenarios, rounds of every verdict, and a timeline as a failover has.
import type { DrillReport, Entry, LedgerCounts, Round } from "../../recipes/mysql/drills/result.ts";

export const COUNTS: LedgerCounts = {
  acknowledged: 1_234,
  unknown: 3,
  refused: 7,
  lost: 0,
  doubled: 0,
  invented: 0,
  diverged: 0,
  vanished: 0,
  imbalanced: 0,
  twoAcknowledging: 0,
};

/** The primary mysql-1 is killed at 4 s, mysql-2 opens, the old one comes back. */
export function failover(outageMs: number, more: Partial<Round> = {}): Round {
  const fault = 4_000;
  const open = fault + outageMs;
  const [took, back] = [open + 9_000, open + 2_500];
  const bar = (
    lane: string,
    kind: Entry["kind"],
    at: number,
    until: number,
    text: string,
  ): Entry => ({
    at,
    until,
    lane,
    kind,
    text,
  });
  const event = (lane: string, at: number, text: string): Entry => ({
    at,
    lane,
    kind: "event",
    text,
  });
  return {
    scenario: "mysqld-killed",
    round: 1,
    seed: 4711,
    target: "local",
    size: 3,
    startedAt: "2026-11-20T11:00:00.000Z",
    tookMs: took,
    faults: [
      {
        what: "SIGKILL to mysqld",
        node: "mysql-1",
        at: fault,
        proof: "pid 4711 is gone",
        healedAt: back,
      },
    ],
    verdict: "passed",
    reasons: [],
    outage: { from: fault, to: open, ms: outageMs },
    stalledMs: 0,
    phases: { detectMs: 4, electMs: outageMs * 0.3, promoteMs: outageMs * 0.9 },
    ledger: COUNTS,
    nodes: ["mysql-1", "mysql-2", "mysql-3"].map((node) => ({
      node,
      state: "converged",
      evidence: null,
    })),
    timeline: [
      bar("clients", "acknowledging", 0, fault, "writes are acknowledged"),
      bar("clients", "outage", fault, open, "nothing acknowledged"),
      bar("clients", "acknowledging", open, took, "writes are acknowledged"),
      bar("faults", "fault", fault, back, "mysql-1: SIGKILL to mysqld (pid 4711 is gone)"),
      event("lock", fault + 5, "mysql-1: mysqld ended"),
      event("lock", fault + outageMs * 0.3, "mysql-2 starts the election of epoch 8"),
      event("lock", open - outageMs * 0.1, "mysql-2 is primary at epoch 8"),
      bar("mysql-1", "primary", 0, fault, "mysql-1: primary of epoch 7"),
      bar("mysql-1", "down", fault, back, "mysql-1: mysqld ended: starting it again"),
      bar("mysql-1", "closed", back, back + 400, "mysql-1: closed"),
      bar("mysql-1", "replica", back + 400, took, "mysql-1: replica of mysql-2"),
      event("mysql-1", fault + 3, "mysqld ended, and with it epoch 7"),
      bar("mysql-2", "replica", 0, fault + outageMs * 0.3, "mysql-2: replica of mysql-1"),
      bar("mysql-2", "candidate", fault + outageMs * 0.3, open, "mysql-2: candidate of epoch 8"),
      bar("mysql-2", "primary", open, took, "mysql-2: primary of epoch 8"),
      bar("mysql-3", "replica", 0, took, "mysql-3: replica"),
    ],
    ...more,
  };
}

export function sampleReport(rounds: readonly Round[]): DrillReport {
  return {
    format: 1,
    startedAt: "2026-11-20T11:00:00.000Z",
    endedAt: "2026-11-20T11:40:00.000Z",
    tools: { autopilot: "0.1.0", node: "24.21.0", mysqld: "9.7.4", consul: "embedded" },
    machine: { system: "Linux 6.1", cpu: "AMD EPYC", cores: 2, memoryMiB: 24_576 },
    seed: 42,
    scenarios: [
      {
        name: "mysqld-killed",
        does: "kills the primary's mysqld with SIGKILL",
        expects: "a primary of a newer epoch acknowledges writes",
        limits: { medianMs: 1_000, maxMs: 2_000 },
      },
      {
        name: "primary-cut-off",
        does: "cuts the primary off from Consul, from both replicas and from its clients",
        expects: "another node takes over",
        limits: { medianMs: 5_000, maxMs: 8_000 },
      },
      {
        name: "switchover",
        does: "hands the primary role over to a replica, under load",
        expects: "the wished node is primary",
        limits: { medianMs: 300, maxMs: 1_000 },
      },
      { name: "everything-killed", does: "kills everything at once", expects: "", limits: null },
    ],
    rounds,
  };
}
