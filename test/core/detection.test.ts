// When a primary counts as lost, and when one without Consul may stay (PROTOCOL §3).
import { describe, expect, test } from "vitest";
import {
  failsafe,
  hasLostPrimary,
  mayEndSession,
  noRoom,
  serverHangs,
  shouldAskLiveness,
  silentMs,
} from "../../recipes/mysql/core/detection.ts";
import {
  ASK_LIVENESS_AFTER_MS,
  FAILSAFE_WINDOW_MS,
  FRESH_MS,
  HEARTBEAT_LOST_MS,
  LOST_AGREED_MS,
  NO_ROOM_MS,
  PROBE_FAILURES,
} from "../../recipes/mysql/core/policy.ts";
import { deeds, NOW, situation, uuid, type Name, type Situation } from "./situation.ts";

const replica = situation().withVoters("a", "b", "c").asReplicaOf("b");
const quiet = (forMs: number) => replica.sight({ lastTransactionAt: NOW - forMs });
const dead = { agentDeadSince: NOW - 600, askedAt: NOW - 100 };

describe("silence of the primary", () => {
  test("is none while its transactions arrive", () => {
    expect(silentMs(replica.observation)).toBe(0);
    expect(silentMs(quiet(HEARTBEAT_LOST_MS - 1).observation)).toBe(0);
  });

  test("counts from the last transaction once three heartbeats are missing", () => {
    expect(silentMs(quiet(HEARTBEAT_LOST_MS).observation)).toBe(HEARTBEAT_LOST_MS);
  });

  test("counts from when it was followed, where nothing of it has come yet", () => {
    const waiting = replica.sight({ lastTransactionAt: null });
    const since = (agoMs: number) => {
      const { following } = waiting.observation;
      if (following === null) throw new Error("it follows nobody");
      return waiting.and({ following: { ...following, since: NOW - agoMs } });
    };
    expect(silentMs(since(HEARTBEAT_LOST_MS).observation)).toBe(HEARTBEAT_LOST_MS);
    expect(silentMs(since(HEARTBEAT_LOST_MS - 1).observation)).toBe(0);
  });

  test("counts from when the receiver went down, at once", () => {
    expect(silentMs(replica.sight({ receiverDownSince: NOW - 40 }).observation)).toBe(40);
  });
});

describe("a primary whose disk is full", () => {
  const waiting = (ms: number) =>
    situation()
      .withVoters("a", "b", "c")
      .asPrimary()
      .and({ diskFree: 0 })
      .heartbeat({ waitingSince: NOW - ms });
  const stuck = waiting(NO_ROOM_MS);

  test("is one whose heartbeat has waited 3 s for room", () => {
    expect(noRoom(stuck.observation)).toBe(true);
    expect(noRoom(waiting(NO_ROOM_MS - 1).observation)).toBe(false);
    expect(deeds(stuck.decides())).toEqual(["kill-mysqld"]);
  });

  test("and one other voter with room, whose record is just fresh, is enough", () => {
    expect(noRoom(stuck.peer("b", { diskFull: true }).observation)).toBe(true);
    const two = stuck.withVoters("a", "b").peer("b", { ageMs: FRESH_MS });
    expect(noRoom(two.observation)).toBe(true);
  });

  test.each([
    ["where the disk has room", stuck.and({ diskFree: 1e9 })],
    ["where the disk does not say", stuck.and({ diskFree: null })],
    ["where commits wait for acknowledgements", stuck.semiSync({ waitSessions: 1 })],
    ["where nobody acknowledges anyway", stuck.acks(0)],
    ["while Consul is away: nobody could be elected", stuck.consulAway()],
    [
      "where nobody else has room either",
      stuck.peer("b", { diskFull: true }).peer("c", { diskFull: true }),
    ],
    [
      "where no other voter is a replica in order",
      stuck.withVoters("a", "b").peer("b", { role: "unknown" }),
    ],
    [
      "where the only other voter may not be elected",
      stuck.withVoters("a", "b").peer("b", { noFailover: true }),
    ],
    ["where the only other voter stops", stuck.withVoters("a", "b").peer("b", { stopping: true })],
    [
      "where the only other voter is silent",
      stuck.withVoters("a", "b").peer("b", { ageMs: FRESH_MS + 1 }),
    ],
    ["where only a node outside V has room", stuck.withVoters("a").acks(1)],
  ] as const)("but not %s", (_, s) => {
    expect(noRoom(s.observation)).toBe(false);
  });
});

describe("the question to the primary's agent", () => {
  test("is asked after 1.2 s without the primary", () => {
    expect(shouldAskLiveness(quiet(ASK_LIVENESS_AFTER_MS - 1).observation)).toBe(false);
    expect(shouldAskLiveness(quiet(ASK_LIVENESS_AFTER_MS).observation)).toBe(true);
    const down = replica.sight({ receiverDownSince: NOW - ASK_LIVENESS_AFTER_MS });
    expect(shouldAskLiveness(down.observation)).toBe(true);
  });

  test("is asked at once where a live host refuses connections", () => {
    expect(shouldAskLiveness(replica.sight({ refused: true }).observation)).toBe(true);
  });

  test("is not asked by a node that follows nobody", () => {
    const s = replica.and({ following: null }).sight({ refused: true });
    expect(shouldAskLiveness(s.observation)).toBe(false);
  });
});

describe("tier 2: a voter has lost the primary", () => {
  test("when neither heartbeats nor the agent's answer come", () => {
    expect(hasLostPrimary(quiet(HEARTBEAT_LOST_MS).sight(dead).observation)).toBe(true);
  });

  test("not while the agent answers", () => {
    expect(hasLostPrimary(quiet(60_000).observation)).toBe(false);
  });

  test("not while heartbeats arrive, whatever the agent says", () => {
    expect(hasLostPrimary(replica.sight(dead).observation)).toBe(false);
  });

  test("at once, where connections are refused and the agent is gone", () => {
    expect(hasLostPrimary(replica.sight({ refused: true, ...dead }).observation)).toBe(true);
  });

  test("not where it follows nobody", () => {
    const s = quiet(60_000).sight(dead).and({ following: null });
    expect(hasLostPrimary(s.observation)).toBe(false);
  });
});

describe("tier 2: the primary's session may be ended", () => {
  const lostBy = (s: Situation, ...names: readonly Name[]) =>
    s.consul({ lost: names.map((name) => ({ uuid: uuid(name), forMs: LOST_AGREED_MS })) });
  const may = (s: Situation): boolean => {
    const entry = s.observation.consul.state;
    return entry !== null && mayEndSession(s.observation, entry.value);
  };
  const three = replica.peer("c", { seesPrimary: false });

  test("when q of the other voters have said so for half a second", () => {
    expect(may(lostBy(three, "a", "c"))).toBe(true);
    const recent = { uuid: uuid("c"), forMs: LOST_AGREED_MS - 1 };
    const early = three.consul({ lost: [{ uuid: uuid("a"), forMs: 9_000 }, recent] });
    expect(may(early)).toBe(false);
  });

  test("not when fewer than q say so", () => {
    expect(may(lostBy(three, "a"))).toBe(false);
  });

  test("not by the word of nodes outside V, nor by that of the primary itself", () => {
    expect(may(lostBy(three, "a", "d"))).toBe(false);
    expect(may(lostBy(three, "a", "b"))).toBe(false);
  });

  test("not while a fresh voter still sees the heartbeat", () => {
    const s = replica.acks(2);
    expect(may(lostBy(s.peer("c", { seesPrimary: true }), "a"))).toBe(false);
    expect(may(lostBy(s.peer("c", { seesPrimary: false }), "a"))).toBe(true);
  });

  test.each([
    ["an old record", { ageMs: FRESH_MS + 1 }],
    ["a record of another epoch", { epoch: 4 }],
  ] as const)("%s of a voter that saw the heartbeat is no objection", (_, odd) => {
    expect(may(lostBy(replica.acks(2).peer("c", { seesPrimary: true, ...odd }), "a"))).toBe(true);
  });

  test("the objection of a voter that has said `lost` since, or of a node outside V, does not count", () => {
    expect(may(lostBy(replica.peer("c", { seesPrimary: true }), "a", "c"))).toBe(true);
    const s = lostBy(three.peer("d", { seesPrimary: true }), "a", "c");
    expect(may(s)).toBe(true);
  });

  test("of two voters, not while the primary's own record is fresh: it goes alone instead", () => {
    const two = situation().withVoters("a", "b").asReplicaOf("b");
    expect(may(lostBy(two.peer("b", { ageMs: FRESH_MS }), "a"))).toBe(false);
    expect(may(lostBy(two.peer("b", { ageMs: FRESH_MS + 1 }), "a"))).toBe(true);
  });

  test("of three voters, also while the primary's record is fresh: the majority has lost it", () => {
    expect(may(lostBy(three.peer("b", { ageMs: 0 }), "a", "c"))).toBe(true);
  });

  test("not while nobody is published", () => {
    expect(may(lostBy(three, "a", "c").state({ primary: null }))).toBe(false);
    expect(may(lostBy(three, "a", "b", "c").state({ primary: null }))).toBe(false);
  });
});

describe("tier 1: the server hangs", () => {
  test("after four probes that failed in a row, not before", () => {
    const primary = situation().asPrimary();
    expect(serverHangs(primary.heartbeat({ probeFailures: PROBE_FAILURES - 1 }).observation)).toBe(
      false,
    );
    expect(serverHangs(primary.heartbeat({ probeFailures: PROBE_FAILURES }).observation)).toBe(
      true,
    );
  });
});

describe("the failsafe of a primary without Consul", () => {
  const primary = situation().withVoters("a", "b", "c").asPrimary();
  const away = primary.consulAway();
  const verdict = (s: Situation) => {
    const entry = s.observation.consul.state;
    return entry === null ? null : failsafe(s.observation, entry.value);
  };
  const ackedAgo = (s: Situation, ms: number) => s.heartbeat({ ackedStart: NOW - ms });

  test("is not needed while the belief in the session is good", () => {
    expect(verdict(ackedAgo(primary, 60_000))).toBe("not-needed");
    expect(verdict(ackedAgo(primary.consulAway(0), 60_000))).toBe("soft-fence");
  });

  test("stays while a heartbeat that started within 3 s was acknowledged by k voters", () => {
    expect(verdict(ackedAgo(away, FAILSAFE_WINDOW_MS))).toBe("stay");
    expect(verdict(ackedAgo(away, FAILSAFE_WINDOW_MS + 1))).toBe("soft-fence");
    expect(verdict(away.heartbeat({ ackedStart: null }))).toBe("soft-fence");
  });

  test("stays with k = 0, because nobody may open without this node's own promise", () => {
    expect(verdict(ackedAgo(away.acks(0), 60_000))).toBe("stay");
  });

  test("does not trust k = 0 while a change of V or k is in doubt", () => {
    const s = ackedAgo(away.acks(0).changing("acks-up", { acks: 1, stage: "sent" }), 60_000);
    expect(verdict(s)).toBe("soft-fence");
    expect(verdict(ackedAgo(s, 1_000))).toBe("stay");
  });

  test("does not trust k = 0 of another epoch than its own", () => {
    expect(verdict(ackedAgo(away.acks(0).epoch(6), 60_000))).toBe("soft-fence");
  });

  test("is no matter of a node that is not primary", () => {
    expect(verdict(away.and({ primacy: null }))).toBe("not-needed");
  });
});
