// Who may try to be elected, the veto, and in what order nodes try (PROTOCOL §3, §4 step 0).
import { describe, expect, test } from "vitest";
import {
  backOffMs,
  electAfterMs,
  mayNotElect,
  rank,
  vetoes,
} from "../../recipes/mysql/core/candidate.ts";
import {
  DISK_FULL_BELOW,
  FRESH_MS,
  PREFERRED_HEAD_START_MS,
  RANK_STEP_MS,
  VETO_MS,
} from "../../recipes/mysql/core/policy.ts";
import { gtids, NOW, situation, uuid, type Name, type Situation } from "./situation.ts";

const stateOf = (s: Situation) => {
  const entry = s.observation.consul.state;
  if (entry === null) throw new Error("no state");
  return entry.value;
};

describe("the order of tries", () => {
  test("puts one in the last primary's zone before its equals", () => {
    const s = situation().withVoters("a", "b", "c").afterLosing("b").peer("b", { zone: "z1" });
    const mine = (t: Situation) => rank(t.observation, stateOf(t), FRESH_MS);
    expect(mine(s)).toBe(0);
    expect(mine(s.peer("c", { zone: "z1" }))).toBe(1);
    expect(mine(s.peer("c", { zone: "z1" }).me({ zone: "z1" }))).toBe(0);
    expect(mine(s.peer("c", { zone: "z2" }))).toBe(0);
  });
});

describe("who may try", () => {
  const voter = situation().withVoters("a", "b", "c").afterLosing("b");
  const why = (s: Situation) => mayNotElect(s.observation, stateOf(s));

  test("a voter with a closed server that lost the primary may", () => {
    expect(why(voter)).toBeNull();
  });

  test.each([
    ["a node outside V", voter.withVoters("b", "c"), "not a voter"],
    ["a node without a datadir", voter.me({ uuid: null }), "not a voter"],
    ["a stopping node", voter.stopping(), "stopping"],
    ["a node that is tagged nofailover", voter.me({ noFailover: true }), "nofailover"],
    ["an amnesiac", voter.me({ amnesiac: true }), "amnesiac"],
    ["anybody while the cluster is paused", voter.consul({ paused: true }), "paused"],
    ["a node whose mysqld is down", voter.serverDown(), "not up"],
    ["a node whose mysqld is open", voter.server({ superReadOnly: false }), "not closed"],
    [
      "a node whose data has a newer marker than Consul",
      voter.holding("b:1-100 m:1-6"),
      "older than a marker",
    ],
    [
      "a node beside one that has joined an epoch which Consul has forgotten (§7)",
      voter.peer("c", { joined: 9, ageMs: 0 }),
      "waiting for a person",
    ],
    [
      "a node that still sees the primary",
      voter.source({ io: "Yes" }).sight({ lastTransactionAt: NOW }),
      "alive",
    ],
  ] as const)("%s may not", (_, s, reason) => {
    expect(why(s)).toContain(reason);
  });
});

describe("the veto", () => {
  const replica = situation().withVoters("a", "b", "c").asReplicaOf("b").lockFree();
  const seen = (agoMs: number) => replica.sight({ lastTransactionAt: NOW - agoMs });

  test("holds while the receiver runs and a new transaction arrived within 3 s", () => {
    expect(vetoes(seen(VETO_MS - 1).observation)).toBe(true);
    expect(vetoes(seen(VETO_MS).observation)).toBe(false);
  });

  test("does not hold where the receiver does not run", () => {
    expect(vetoes(seen(0).source({ io: "Connecting" }).observation)).toBe(false);
    expect(vetoes(seen(0).source({ io: "No" }).observation)).toBe(false);
  });

  test("does not hold where no transaction of this epoch ever arrived", () => {
    expect(vetoes(replica.sight({ lastTransactionAt: null }).observation)).toBe(false);
  });

  test("does not hold where the holder released the lock itself and had closed", () => {
    expect(vetoes(seen(0).lockFree(0, { closed: true }).observation)).toBe(false);
    expect(vetoes(seen(0).lockFree(0, { closed: false }).observation)).toBe(true);
  });
});

describe("the order of tries", () => {
  const lost = situation().withVoters("a", "b", "c").afterLosing("b");
  const rankOf = (s: Situation) => rank(s.observation, stateOf(s), FRESH_MS);
  const afterMs = (s: Situation) => electAfterMs(s.observation, stateOf(s), FRESH_MS);

  test("equals go by uuid, so that they do not race", () => {
    expect(rankOf(lost)).toBe(0);
    expect(
      rankOf(
        lost.me({ uuid: uuid("d") }).state({ voters: ["b", "c", "d"].map((n) => uuid(n as Name)) }),
      ),
    ).toBe(1);
  });

  test.each([
    ["has joined a newer epoch", { joined: 6 }],
    ["holds more", { executed: gtids("b:1-101 m:1-5") }],
    ["has received more", { retrieved: gtids("b:101") }],
    ["has a higher priority", { priority: 1 }],
  ] as const)("a voter that %s goes first", (_, better) => {
    expect(rankOf(lost.peer("c", better))).toBe(1);
  });

  test.each([
    ["holds less, whatever its priority", { executed: gtids("b:1-99 m:1-5"), priority: 9 }],
    ["has not reported lately", { joined: 6, ageMs: FRESH_MS + 1 }],
    ["is stopping", { joined: 6, stopping: true }],
    ["has stopped", { joined: 6, stopped: true }],
    ["is tagged nofailover", { joined: 6, noFailover: true }],
    ["cannot follow", { joined: 6, needsRebuild: true }],
    ["has no server", { joined: 6, mysqldPid: null }],
  ] as const)("a voter that %s does not", (_, odd) => {
    expect(rankOf(lost.peer("c", odd))).toBe(0);
  });

  test("a record counts up to the last moment in which it is fresh", () => {
    expect(rankOf(lost.peer("c", { joined: 6, ageMs: FRESH_MS }))).toBe(1);
  });

  test("of sets that each hold what the other lacks, priority decides", () => {
    const other = { executed: gtids("b:1-99 x:1 m:1-5") };
    expect(rankOf(lost.peer("c", { ...other, priority: 1 }))).toBe(1);
    expect(rankOf(lost.peer("c", { ...other, priority: -1 }))).toBe(0);
  });

  test("a disk counts as full below its limit, not at it", () => {
    const full = lost.and({ diskFree: DISK_FULL_BELOW - 1 });
    expect(afterMs(full)).toBe(PREFERRED_HEAD_START_MS);
    expect(afterMs(lost.and({ diskFree: DISK_FULL_BELOW }))).toBe(0);
  });

  test("neither does the primary that just failed, nor a node outside V", () => {
    expect(rankOf(lost.peer("b", { joined: 6 }))).toBe(0);
    expect(rankOf(lost.peer("d", { joined: 6 }))).toBe(0);
  });

  test("each rank costs 150 ms", () => {
    expect(afterMs(lost)).toBe(0);
    expect(afterMs(lost.peer("c", { priority: 1 }))).toBe(RANK_STEP_MS);
  });

  test("the preferred node goes at once, and the others leave it 2 s", () => {
    const better = lost.peer("c", { priority: 1 });
    expect(afterMs(better.lockFree(0, { prefer: "a" }))).toBe(0);
    expect(afterMs(better.lockFree(0, { prefer: "c" }))).toBe(
      PREFERRED_HEAD_START_MS + RANK_STEP_MS,
    );
  });

  test("a preference for a node outside V is no preference", () => {
    expect(afterMs(lost.lockFree(0, { prefer: "d" }))).toBe(0);
  });

  test("elections that came to nothing are tried again later and later, 10 s at most", () => {
    const pauses = [0, 1, 2, 3, 4, 5, 6, 60].map(backOffMs);
    expect(pauses).toEqual([0, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });
});
