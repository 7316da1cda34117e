// Leaving is designed (PROTOCOL §6 stop): hand over, or cut the clients first; mysqld never gets the signal first.
import { describe, expect, test } from "vitest";
import { HAND_OVER_WITHIN_MS } from "../../recipes/mysql/core/policy.ts";
import { stopCluster, stopping } from "../../recipes/mysql/core/stopping.ts";
import { deeds, EPOCH, says, situation, the, uuid, type Situation } from "./situation.ts";

const acts = (s: Situation) => stopping(s.observation) ?? [];
const primary = situation().withVoters("a", "b", "c").asPrimary();
const replica = situation().withVoters("a", "b", "c").asReplicaOf("b");
/** The wish that the whole cluster stops, as every node sees it. */
const all = (s: Situation) => s.intent("stop-cluster", { id: "stop-cluster", epoch: 0 });

test("a node that was not asked to stop does not", () => {
  expect(acts(primary)).toEqual([]);
  expect(stopCluster(primary.observation)).toBeNull();
});

describe("a stopping primary", () => {
  test("hands over to the best voter", () => {
    expect(the("drain", acts(primary.stopping()))).toMatchObject({ intent: null, to: uuid("b") });
    expect(deeds(primary.stopping().decides())).toEqual(["drain"]);
  });

  test("goes on with the hand-over that it has begun", () => {
    const s = situation()
      .asPrimary("drained")
      .stopping(3_000)
      .and({ switchover: { id: null, to: uuid("b") } });
    expect(acts(s)).toEqual([]);
    expect(deeds(s.decides())).toEqual(["hand-over", "release-lock"]);
  });

  test("leaves a newer epoch its due: it is fenced by the rule for that", () => {
    const s = primary.stopping().state({ epoch: EPOCH + 1, phase: "electing", primary: null });
    expect(acts(s)).toEqual([]);
    expect(deeds(s.decides())).toEqual(["kill-mysqld"]);
  });

  test.each([
    ["there is nobody to hand over to", situation().withVoters("a").asPrimary().stopping()],
    ["it was never open", situation().asPrimary("marking").stopping()],
    ["its drain failed in the middle", situation().asPrimary("draining").stopping()],
    ["Consul is away", primary.stopping().consulAway()],
    ["the hand-over takes too long", primary.stopping(HAND_OVER_WITHIN_MS + 1)],
    ["Consul has lost the state", primary.stopping().consul({ state: null })],
    ["the whole cluster stops: then it goes first", all(primary.stopping())],
  ])("stops without a successor where %s", (_, s) => {
    expect(deeds(acts(s))).toEqual(["stop-mysqld"]);
    expect(deeds(s.decides())).toEqual(["stop-mysqld"]);
  });

  test("is finished when its mysqld has ended, whatever Consul says", () => {
    const ended = primary.stopping().serverDown().consulAway();
    expect(deeds(ended.decides())).toContain("end-primacy");
    expect(deeds(ended.and({ primacy: null }).decides())).toEqual(["finish-stop"]);
  });
});

describe("a stopping replica", () => {
  test("stops at once", () => {
    expect(deeds(acts(replica.stopping()))).toEqual(["stop-mysqld"]);
  });

  test("that is the candidate gives the lock up first", () => {
    const s = situation().epoch(6).asCandidate("b").stopping();
    expect(the("release-lock", acts(s))).toMatchObject({ prefer: null, closed: false });
  });

  test("that handed over stays until the successor is open: it is its first acknowledgement", () => {
    const handed = replica.stopping(2_000).and({ switchover: { id: null, to: uuid("b") } });
    expect(acts(handed.state({ phase: "electing", primary: null }))).toEqual([]);
    expect(acts(handed.state({ phase: "promoting" }))).toEqual([]);
    expect(deeds(acts(handed.state({ phase: "open" })))).toEqual(["stop-mysqld"]);
  });

  test("that handed over waits at most 10 s for that", () => {
    const handed = replica
      .state({ phase: "promoting" })
      .and({ switchover: { id: null, to: uuid("b") } });
    expect(acts(handed.stopping(HAND_OVER_WITHIN_MS))).toEqual([]);
    expect(deeds(acts(handed.stopping(HAND_OVER_WITHIN_MS + 1)))).toEqual(["stop-mysqld"]);
  });

  test("waits for nobody where Consul is away or has no state", () => {
    const handed = replica
      .state({ phase: "promoting" })
      .stopping()
      .and({ switchover: { id: null, to: uuid("b") } });
    expect(deeds(acts(handed.consulAway()))).toEqual(["stop-mysqld"]);
    expect(deeds(acts(handed.consul({ state: null })))).toEqual(["stop-mysqld"]);
  });

  test("with a server that does not answer stops it all the same", () => {
    expect(deeds(acts(replica.stopping().and({ server: null })))).toEqual(["stop-mysqld"]);
  });

  test("is finished when its mysqld has ended", () => {
    expect(deeds(acts(replica.stopping().serverDown()))).toEqual(["finish-stop"]);
  });
});

test("a node that is still being made is finished at once: the half of a datadir is made anew", () => {
  const job = {
    name: "provision",
    running: true,
    says: "cloning",
    failure: null,
    failures: 0,
    retryAt: 0,
  } as const;
  const s = situation().withoutDatadir().and({ job }).stopping();
  expect(deeds(acts(s))).toEqual(["finish-stop"]);
});

describe("the whole cluster stops", () => {
  test("from the moment that the wish is seen", () => {
    expect(deeds(all(replica).decides())).toEqual(["begin-stop"]);
    expect(stopCluster(all(replica).stopping().observation)).toBeNull();
  });

  test("replicas wait until the primary has stopped, so that it is not left without acknowledgements", () => {
    const s = all(replica).stopping();
    expect(deeds(acts(s))).toEqual(["hold"]);
    expect(says(acts(s))).toContain("the primary goes first");
    expect(deeds(acts(s.peer("b", { stopped: true })))).toEqual(["stop-mysqld"]);
  });

  test.each([
    ["it has not reported for 5 s", { ageMs: 5_001 }],
    ["it has stopped", { stopped: true }],
  ] as const)("not where %s", (_, odd) => {
    expect(deeds(acts(all(replica).stopping().peer("b", odd)))).toEqual(["stop-mysqld"]);
  });

  test("at most 10 s", () => {
    expect(deeds(acts(all(replica).stopping(HAND_OVER_WITHIN_MS + 1)))).toEqual(["stop-mysqld"]);
  });

  test("also where the last primary is this node, or is not known", () => {
    const mine = all(situation().withVoters("a", "b"))
      .stopping()
      .state({ primary: uuid("a") });
    expect(deeds(acts(mine))).toEqual(["stop-mysqld"]);
    expect(deeds(acts(all(replica).stopping().consul({ peers: [] })))).toEqual(["stop-mysqld"]);
  });
});
