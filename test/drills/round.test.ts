// What a drill concludes, and from what, on a cluster that is played: a round passes only when its fault took effect,
// the expectation held, everything was healed, and the verdict on the data is clean.
import { expect, test } from "vitest";
import { playRound, type Manner } from "../../recipes/mysql/drills/round.ts";
import { monotonicNow } from "../../recipes/mysql/drills/ledger.ts";
import { runDrills } from "../../recipes/mysql/drills/runner.ts";
import { limits, THREE, TWO, type Scenario } from "../../recipes/mysql/drills/scenario.ts";
import type { Round } from "../../recipes/mysql/drills/result.ts";
import type { Judgement } from "../../recipes/mysql/drills/witness.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { FakeCluster } from "./fake-target.ts";

/** No patience at all: what is not so at once is not so. */
const manner: Manner = {
  clock: realClock,
  patience: 0.001,
  holding: 0.001,
  minutes: 0.01,
  say() {},
  signal: new AbortController().signal,
};

function scenario(play: Scenario["play"], more: Partial<Scenario> = {}): Scenario {
  const facts = { name: "one", does: "", expects: "", limits: null, shape: THREE };
  return { ...facts, play, ...more };
}

function playing(
  cluster: FakeCluster,
  of: Scenario,
  more: Partial<Manner> = {},
  judgement: Partial<Judgement> = {},
): Promise<Round> {
  const startWitness = () => Promise.resolve(cluster.witness(judgement));
  const one = { scenario: of, round: 1, seed: 1, target: cluster.target(), startWitness };
  return playRound({ ...manner, ...more, ...one });
}

test("a round whose fault took effect, whose expectation held and whose data are whole passes", async () => {
  const cluster = new FakeCluster();
  const round = await playing(
    cluster,
    scenario(async (stage) => {
      await stage.inflict(cluster.harm("fault"));
      cluster.failover();
      expect(await stage.moves()).toBe("mysql-2");
    }),
  );
  expect(round).toMatchObject({ verdict: "passed", reasons: [], outage: { ms: 0 } });
  expect(round.faults).toMatchObject([{ what: "fault", node: "mysql-1", proof: "fault is so" }]);
  expect(round.faults[0]?.healedAt).toBeGreaterThan(round.faults[0]?.at ?? Infinity);
  expect(round.phases).toMatchObject({
    detectMs: expect.any(Number),
    promoteMs: expect.any(Number),
  });
  expect(cluster.log).toEqual(["inflict fault", "heal fault"]);
});

test("a fault that takes no effect makes the round invalid, and is healed all the same", async () => {
  const cluster = new FakeCluster();
  const dud = cluster.harm("dud", { proof: () => Promise.resolve(null) });
  const round = await playing(
    cluster,
    scenario(async (stage) => {
      await stage.inflict(dud);
      throw new Error("nothing may be concluded");
    }),
  );
  expect(round).toMatchObject({ verdict: "invalid", faults: [{ what: "dud", proof: null }] });
  expect(round.reasons).toEqual(["dud: nothing shows that it took effect"]);
  expect(cluster.log).toEqual(["inflict dud", "heal dud"]);
});

test("an expectation that is missed fails the round", async () => {
  const cluster = new FakeCluster();
  const expectations: Record<string, Scenario["play"]> = {
    "an epoch after 1": async (stage) => void (await stage.recovers()),
    "nothing moved": async (stage) => {
      cluster.failover("mysql-1");
      await stage.moves();
    },
    "expected mysql-1 to stay primary": async (stage) => {
      cluster.failover();
      await stage.staysFor(1);
    },
    "a write was acknowledged": (stage) => stage.closedFor(1, /following/),
    "waited 0 s in vain: a node says quorum": (stage) => stage.closedFor(1, /quorum/),
  };
  for (const [reason, play] of Object.entries(expectations)) {
    cluster.primary = "mysql-1";
    cluster.epoch = 1;
    const round = await playing(cluster, scenario(play));
    expect(round.verdict, reason).toBe("failed");
    expect(round.reasons.join()).toContain(reason);
  }
});

test("a cluster that is closed, and says why, is what was expected", async () => {
  const cluster = new FakeCluster();
  const round = await playing(
    cluster,
    scenario(async (stage) => {
      cluster.acknowledges = false;
      cluster.says = "have 1 promises, need 2";
      await stage.closedFor(1, /need 2/);
      cluster.acknowledges = true;
    }),
  );
  expect(round).toMatchObject({ verdict: "passed", reasons: [] });
});

test("everything is healed in the reverse order, also what comes after a failure", async () => {
  const cluster = new FakeCluster();
  const stuck = cluster.harm("second", { heal: () => Promise.reject(new Error("it is stuck")) });
  const round = await playing(
    cluster,
    scenario(async (stage) => {
      await stage.inflict(cluster.harm("first"), stuck);
      await stage.inflict(cluster.harm("third"));
      throw new Error("the play broke off");
    }),
  );
  const inflicted = ["inflict first", "inflict second", "inflict third"];
  expect(cluster.log).toEqual([...inflicted, "heal third", "heal first"]);
  expect(round.verdict).toBe("failed");
  expect(round.reasons).toEqual(["the play broke off", "could not heal: it is stuck"]);
  expect(round.faults.map(({ healedAt }) => healedAt !== null)).toEqual([true, false, true]);
});

test("a fault that fails while it is inflicted is healed, because half of it may be there", async () => {
  const cluster = new FakeCluster();
  const half = cluster.harm("half", { inflict: () => Promise.reject(new Error("no room")) });
  const round = await playing(
    cluster,
    scenario((stage) => stage.inflict(half)),
  );
  expect(round).toMatchObject({ verdict: "failed", reasons: ["no room"] });
  expect(cluster.log).toEqual(["heal half"]);
});

test("what the witness found fails the round, whatever else it was", async () => {
  const violations = ["1 acknowledged writes are missing"];
  const plays: Scenario["play"][] = [
    () => Promise.resolve(),
    (stage) => stage.inflict(new FakeCluster().harm("dud", { proof: () => Promise.resolve(null) })),
  ];
  for (const play of plays) {
    const round = await playing(new FakeCluster(), scenario(play), {}, { violations });
    expect(round.verdict).toBe("failed");
    expect(round.reasons).toContain(violations[0]);
  }
});

test("an outage above the limit fails the round; one from before the fault does not count", async () => {
  const cluster = new FakeCluster();
  const began = monotonicNow();
  const gap = (from: number, to: number) => ({ from, to, ms: to - from });
  const play: Scenario["play"] = (stage) => stage.inflict(cluster.harm("fault"));
  const limited = scenario(play, { limits: limits(1, 2) });
  const long = { gaps: [gap(began, began + 60_000)] };
  const round = await playing(cluster, limited, { patience: 1 }, long);
  expect(round).toMatchObject({ verdict: "failed", outage: { ms: 60_000 } });
  const patient = await playing(cluster, limited, { patience: 40_000 }, long);
  expect(patient.verdict).toBe("passed");
  const earlier = { gaps: [gap(began - 60_000, began - 1)] };
  expect(await playing(cluster, limited, { patience: 1 }, earlier)).toMatchObject({
    verdict: "passed",
    outage: { ms: 0 },
  });
});

test("a drill that is broken off heals, and the round proves nothing", async () => {
  const cluster = new FakeCluster();
  const stop = new AbortController();
  const play: Scenario["play"] = async (stage) => {
    await stage.inflict(cluster.harm("fault"));
    stop.abort();
    await stage.hold(3_600_000_000);
  };
  const round = await playing(cluster, scenario(play), { signal: stop.signal });
  expect(round).toMatchObject({ verdict: "invalid", reasons: ["broken off"] });
  expect(cluster.log).toEqual(["inflict fault", "heal fault"]);
});

/** Plays these on clusters that are counted. */
async function drill(
  scenarios: readonly Scenario[],
  more: { readonly refuses?: string; readonly rounds?: number } = {},
) {
  const clusters: FakeCluster[] = [];
  const rounds: Round[] = [];
  await runDrills({
    ...manner,
    scenarios,
    rounds: more.rounds ?? 1,
    seed: 1,
    maker: {
      kind: "fake",
      refuses: () => more.refuses ?? null,
      make: () => {
        const cluster = new FakeCluster();
        clusters.push(cluster);
        return Promise.resolve(cluster.target());
      },
    },
    startWitness: () => Promise.resolve((clusters.at(-1) ?? new FakeCluster()).witness()),
    played: (name) => 5 + rounds.filter((round) => round.scenario === name).length,
    onBegin() {},
    onRound: (round) => rounds.push(round),
  });
  return { clusters, rounds };
}

test("rounds are played on one living cluster, and counted on from what was played before", async () => {
  const calm = scenario(() => Promise.resolve());
  const { clusters, rounds } = await drill([calm, { ...calm, name: "two" }], { rounds: 2 });
  expect(rounds.map(({ scenario: name, round }) => [name, round])).toEqual([
    ["one", 6],
    ["one", 7],
    ["two", 6],
    ["two", 7],
  ]);
  expect(new Set(rounds.map(({ seed }) => seed)).size).toBe(4);
  expect(clusters.map(({ disposed, kept }) => [disposed, kept])).toEqual([[1, 0]]);
});

test("another shape, and a round that failed, take a new cluster; the failed one's data are kept", async () => {
  const failing = scenario((stage) => Promise.resolve(stage.expects(false, "it is not so")));
  const calm = scenario(() => Promise.resolve());
  const { clusters, rounds } = await drill([failing, calm, { ...calm, shape: TWO }]);
  expect(rounds.map(({ verdict }) => verdict)).toEqual(["failed", "passed", "passed"]);
  expect(clusters.map(({ disposed, kept }) => [disposed, kept])).toEqual([
    [1, 1],
    [1, 0],
    [1, 0],
  ]);
});

test("what the target cannot be made to do is skipped with the reason, once", async () => {
  const { clusters, rounds } = await drill([scenario(() => Promise.resolve())], {
    refuses: "root alone may mount",
    rounds: 3,
  });
  expect(rounds).toMatchObject([{ verdict: "skipped", reasons: ["root alone may mount"] }]);
  expect(clusters).toEqual([]);
});
