// Promises, and the fence of an old primary by a newer epoch (PROTOCOL §4 step 3).
import { describe, expect, test } from "vitest";
import { answerCandidate } from "../../recipes/mysql/core/following.ts";
import { deeds, situation, uuid, type Situation } from "./situation.ts";

const answers = (s: Situation) => answerCandidate(s.observation) ?? [];

describe("a voter asked for its promise", () => {
  const asked = situation().withVoters("a", "b", "c").asReplicaOf("b").askedToPromise(6);

  test("gives it", () => {
    expect(answers(asked)).toMatchObject([{ do: "promise", epoch: 6 }]);
  });

  test("gives it also to itself, before anything else that a candidate does", () => {
    const s = situation().epoch(6).asCandidate("b").and({ answered: 5 });
    expect(deeds(answers(s))).toEqual(["promise"]);
    expect(deeds(s.decides())).toEqual(["promise"]);
  });

  test("gives it once in this agent's life, and again after a restart that lost the answer", () => {
    const promised = asked.and({ promise: { epoch: 6, ver: 10, seenEpoch: 6 } });
    expect(answers(promised.and({ answered: 6 }))).toEqual([]);
    expect(deeds(answers(promised.and({ answered: 0 })))).toEqual(["promise"]);
  });

  test("does not give it where it has promised a newer epoch", () => {
    expect(answers(asked.and({ promise: { epoch: 7, ver: 10, seenEpoch: 5 } }))).toEqual([]);
  });

  test("does not give it where nobody is being elected", () => {
    expect(answers(asked.state({ phase: "promoting" }))).toEqual([]);
    expect(answers(asked.state({ phase: "open" }))).toEqual([]);
  });

  test("does not give it from outside V", () => {
    expect(answers(asked.withVoters("b", "c"))).toEqual([]);
  });

  test("gives it although its Consul session is gone: a key needs none", () => {
    expect(deeds(answers(asked.consul({ session: null })))).toEqual(["promise"]);
  });

  test("waits until its server is up: the set is read from it", () => {
    expect(answers(asked.serverDown())).toEqual([]);
  });

  test("is fenced first where its server is open", () => {
    expect(deeds(answers(asked.server({ superReadOnly: false })))).toEqual(["kill-mysqld"]);
  });
});

describe("a primary that sees a newer epoch", () => {
  const old = situation().withVoters("a", "b", "c").asPrimary();

  test.each(["electing", "promoting", "open"] as const)("that is %s is fenced", (phase) => {
    const s = old.state({ epoch: 6, phase, primary: phase === "electing" ? null : uuid("b") });
    expect(deeds(answers(s))).toEqual(["kill-mysqld"]);
    expect(deeds(s.decides())).toEqual(["kill-mysqld"]);
  });

  test("is fenced also where it is not a voter any more", () => {
    const s = old.state({
      epoch: 6,
      phase: "electing",
      primary: null,
      voters: [uuid("b"), uuid("c")],
    });
    expect(deeds(answers(s))).toEqual(["kill-mysqld"]);
  });

  test("promises without a restart where it is drained and verified closed", () => {
    const drained = situation()
      .withVoters("a", "b", "c")
      .asPrimary("drained")
      .state({ epoch: 6, phase: "electing", primary: null, prevPrimary: uuid("a") });
    expect(deeds(answers(drained))).toEqual(["promise"]);
    expect(deeds(answers(drained.server({ superReadOnly: false })))).toEqual(["kill-mysqld"]);
  });

  test.each(["published", "marking", "marked", "draining"] as const)(
    "is fenced while it is still %s",
    (stage) => {
      const s = situation()
        .asPrimary(stage)
        .server({ superReadOnly: true })
        .state({ epoch: 6, phase: "electing", primary: null });
      expect(deeds(answers(s))).toEqual(["kill-mysqld"]);
    },
  );

  test("of its own epoch goes on", () => {
    expect(answers(old)).toEqual([]);
  });
});

describe("a drained primary that missed its successor's election", () => {
  const missed = situation()
    .withVoters("a", "b", "c")
    .asPrimary("drained")
    .and({ switchover: { id: "wish-1", to: uuid("b") } })
    .lockHeldBy("b");

  test.each(["promoting", "open"] as const)(
    "ends its reign under one that is %s, and follows",
    (phase) => {
      const s = missed.state({ epoch: 6, phase, primary: uuid("b"), prevPrimary: uuid("a") });
      expect(deeds(s.decides())).toEqual(["end-primacy"]);
      expect(deeds(s.and({ primacy: null }).decides())).toEqual(["follow"]);
    },
  );

  test("is fenced where it turns out not to be closed", () => {
    const s = missed.state({ epoch: 6, phase: "open", primary: uuid("b") });
    expect(deeds(s.server({ superReadOnly: false }).decides())).toEqual(["kill-mysqld"]);
  });

  test("ends it also where it is not asked any more", () => {
    const s = missed.state({
      epoch: 6,
      phase: "electing",
      primary: null,
      voters: [uuid("b"), uuid("c")],
    });
    expect(deeds(s.decides())).toEqual(["end-primacy"]);
  });
});
