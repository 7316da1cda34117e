// The published primary: when it must be fenced, its lock, its marker, its gate, who may replicate
// (PROTOCOL §3, §4 steps 9–10, §7).
import { describe, expect, test } from "vitest";
import { bePrimary, endPrimacy } from "../../recipes/mysql/core/primary.ts";
import {
  FAILSAFE_WINDOW_MS,
  MARKER_WITHIN_MS,
  PROBE_FAILURES,
} from "../../recipes/mysql/core/policy.ts";
import { deeds, EPOCH, NOW, says, situation, the, uuid, type Situation } from "./situation.ts";

const acts = (s: Situation) => bePrimary(s.observation) ?? [];
const does = (s: Situation) => deeds(acts(s));
const primary = situation().withVoters("a", "b", "c").asPrimary();
const since = (s: Situation, ms: number) => {
  const now = s.observation.primacy;
  if (now === null) throw new Error("no primary");
  return s.and({ primacy: { ...now, since: NOW - ms } });
};

describe("what a primary says", () => {
  test("warns of a full disk", () => {
    const s = situation().withVoters("a", "b", "c").asPrimary().and({ diskFree: 3_200_000 });
    expect(says(s.decides())).toContain("DISK FULL: 3 MiB left");
    expect(says(s.and({ diskFree: 1e9 }).decides())).not.toContain("DISK FULL");
  });
});

describe("a primacy ends", () => {
  test("with any exit of its mysqld, and the lock is given up at once", () => {
    const ended = endPrimacy(primary.serverDown().observation) ?? [];
    expect(deeds(ended).toSorted()).toEqual(["end-primacy", "release-lock"]);
    expect(the("release-lock", ended)).toMatchObject({ closed: true, prefer: null, gaveUp: false });
  });

  test("first here and then in Consul, so that a Consul that is away holds up nothing", () => {
    expect(deeds(endPrimacy(primary.serverDown().observation) ?? [])[0]).toBe("end-primacy");
  });

  test("also where mysqld runs again already: a restart is the end of the epoch", () => {
    const s = primary.process({ incarnation: 2 });
    expect(deeds(endPrimacy(s.observation) ?? [])).toContain("end-primacy");
    expect(deeds(s.decides())).toContain("end-primacy");
  });

  test("without a word to Consul where the lock is another's by now", () => {
    const s = primary.serverDown().lockHeldBy("b");
    expect(deeds(endPrimacy(s.observation) ?? [])).toEqual(["end-primacy"]);
  });

  test("not while its incarnation runs, even where it does not answer", () => {
    expect(endPrimacy(primary.observation)).toBeNull();
    expect(endPrimacy(primary.and({ server: null }).observation)).toBeNull();
  });

  test("is no matter of a node that is not primary", () => {
    expect(endPrimacy(situation().asReplicaOf("b").serverDown().observation)).toBeNull();
    expect(bePrimary(situation().asReplicaOf("b").observation)).toBeNull();
  });
});

describe("a primary is killed", () => {
  test.each([
    ["where mysqld hangs", primary.heartbeat({ probeFailures: PROBE_FAILURES })],
    [
      "where mysqld hangs and does not answer looks",
      primary.heartbeat({ probeFailures: PROBE_FAILURES }).and({ server: null }),
    ],
    ["where semi-sync is off and k = 1", primary.semiSync({ sourceEnabled: false })],
    ["where semi-sync fell back to asynchronous", primary.semiSync({ sourceActive: false })],
    ["where it waits for fewer than k", primary.acks(2)],
    [
      "where another has joined a newer epoch, which a restored Consul has forgotten (§7)",
      primary.peer("b", { joined: 9, ageMs: 0 }),
    ],
    ["where somebody closed it", primary.server({ superReadOnly: true })],
    [
      "where semi-sync is off before it is open",
      situation().asPrimary("marking").semiSync({ sourceEnabled: false }),
    ],
    ["where a drain failed in the middle", primary.asPrimary("draining")],
  ])("%s", (_, s) => {
    expect(does(s)).toEqual(["kill-mysqld"]);
    expect(deeds(s.decides())).toEqual(["kill-mysqld"]);
  });

  test("also while Consul is away: the failsafe excuses nothing", () => {
    const s = primary.semiSync({ sourceActive: false }).consulAway();
    expect(does(s)).toEqual(["kill-mysqld"]);
    const off = primary.semiSync({ sourceEnabled: false }).consulAway();
    expect(does(off)).toEqual(["kill-mysqld"]);
  });

  test("not where k = 0 and semi-sync is off, as it should be", () => {
    const s = situation().withVoters("a").asPrimary().policy({ voters: 1 });
    expect(does(s)).toEqual(["hold"]);
  });
});

describe("the lock of a primary", () => {
  const away = primary.consulAway();

  test("that is held is nothing to talk about", () => {
    expect(does(primary)).toEqual(["hold"]);
    expect(says(acts(primary))).toContain("primary at epoch 5, voters a, b, c, acks 1");
  });

  test("in doubt, with acknowledged heartbeats: it stays, and changes nothing", () => {
    const s = away.absent("c", 60_000).intent("switchover");
    expect(does(s)).toEqual(["hold"]);
    expect(says(acts(s))).toContain("by failsafe");
  });

  test("in doubt, without them: it is fenced", () => {
    const s = away.heartbeat({ ackedStart: NOW - FAILSAFE_WINDOW_MS - 1 });
    expect(does(s)).toEqual(["soft-fence"]);
  });

  test("in doubt, without them, while mysqld does not answer a look: it is fenced all the same", () => {
    const s = away.heartbeat({ ackedStart: null }).and({ server: null });
    expect(does(s)).toEqual(["soft-fence"]);
  });

  test.each(["published", "marking", "marked"] as const)(
    "in doubt while it is %s: nothing was acknowledged yet, so it is fenced",
    (stage) => {
      const s = situation().asPrimary(stage).consulAway().heartbeat({ ackedStart: null });
      expect(does(s)).toEqual(["soft-fence"]);
    },
  );

  test("in doubt with k = 0: it stays open", () => {
    const s = situation().withVoters("a").asPrimary().consulAway().heartbeat({ ackedStart: null });
    expect(does(s)).toEqual(["hold"]);
    expect(says(acts(s))).toContain("k = 0");
  });

  test("that is free is taken again by the same incarnation, without a new epoch", () => {
    expect(acts(primary.lockFree(100))).toMatchObject([{ do: "reacquire", epoch: EPOCH }]);
  });

  test("that is free is not taken without a session", () => {
    expect(does(primary.lockFree(100).consul({ session: null }))).toEqual(["hold"]);
    expect(does(primary.lockFree(100).consul({ reachable: false }))).toEqual(["hold"]);
  });

  test("that another holds is waited for: its epoch, when it comes, fences", () => {
    expect(does(primary.lockHeldBy("b"))).toEqual(["hold"]);
  });

  test("that enough voters took away on purpose is left to them, but not for ever", () => {
    const lost = [
      { uuid: uuid("b"), forMs: 9_000 },
      { uuid: uuid("c"), forMs: 9_000 },
    ];
    expect(does(primary.lockFree(500).consul({ lost }))).toEqual(["hold"]);
    expect(does(primary.lockFree(500).consul({ lost: lost.slice(1) }))).toEqual(["reacquire"]);
    expect(does(primary.lockFree(30_000).consul({ lost }))).toEqual(["reacquire"]);
  });

  test("is not fought for while it hands over", () => {
    const s = situation()
      .asPrimary("drained")
      .and({ switchover: { id: null, to: uuid("b") } })
      .lockFree(100);
    expect(does(s)).toEqual(["hold"]);
  });
});

describe("the way to open", () => {
  test("begins with the marker, which needs the voters of this state", () => {
    expect(acts(situation().asPrimary("published"))).toMatchObject([
      { do: "mark", epoch: EPOCH, voters: [uuid("a"), uuid("b"), uuid("c")] },
    ]);
  });

  test("waits while the marker is not acknowledged", () => {
    const s = since(situation().asPrimary("marking"), 5_000);
    expect(does(s)).toEqual(["hold"]);
    expect(says(acts(s))).toContain("waiting for 1 to acknowledge the marker");
  });

  test("ends after 30 s without it, so that somebody else may try", () => {
    for (const stage of ["published", "marking"] as const) {
      const s = situation().asPrimary(stage);
      expect(does(since(s, MARKER_WITHIN_MS - 1))).not.toContain("kill-mysqld");
      expect(does(since(s, MARKER_WITHIN_MS))).toEqual(["kill-mysqld"]);
    }
  });

  test("is open once the marker is acknowledged, and not before", () => {
    expect(acts(situation().asPrimary("marked"))).toMatchObject([{ do: "open", epoch: EPOCH }]);
    for (const stage of ["published", "marking", "drained"] as const)
      expect(does(situation().asPrimary(stage))).not.toContain("open");
  });

  test("stays closed with k = 0 where the policy wants an acknowledgement", () => {
    const s = situation().withVoters("a").asPrimary("marked").policy({ minAcks: 1 });
    expect(does(s)).toEqual(["hold"]);
    expect(says(acts(s))).toContain("closed: minAcks");
    expect(does(s.policy({ minAcks: 0 }))).toEqual(["open"]);
  });

  test("is told to Consul again where that did not come through", () => {
    expect(acts(primary.state({ phase: "promoting" }))).toMatchObject([
      { do: "open", epoch: EPOCH },
    ]);
  });

  test("is free to go on alone while it waits for its marker", () => {
    const s = situation()
      .asPrimary("marking")
      .heartbeat({ ackedStart: null, waitingSince: NOW - 6_000 })
      .absent("b", 6_000)
      .absent("c", 6_000);
    expect(does(since(s, 6_500))).toEqual(["cut-all"]);
  });
});

describe("a node that asks to replicate", () => {
  const asked = primary.intent("join", { uuid: uuid("d"), serverId: 4, by: "d" });

  test("is admitted where it says that its flag was OFF as of this V", () => {
    expect(acts(asked)).toMatchObject([{ do: "admit", serverId: 4, uuid: uuid("d") }]);
  });

  test("is not admitted by what it said before V changed: it might acknowledge still", () => {
    expect(does(asked.state({ ver: 11 }))).toEqual(["hold"]);
  });

  test("is not admitted while a change takes it out of V: a cut that is opened again is no cut", () => {
    const joins = asked.consul({
      intents: asked.observation.consul.intents.map((i) => ({ ...i, uuid: uuid("c") })),
    });
    const remove = { uuid: uuid("c"), voters: [uuid("a"), uuid("b")], since: NOW - 100 };
    expect(does(joins)).toContain("admit");
    expect(does(joins.changing("remove", remove))).not.toContain("admit");
    const alone = { uuid: null, voters: [uuid("a")], acks: 0, since: NOW - 100 };
    expect(does(joins.changing("alone", alone))).not.toContain("admit");
  });

  test("that is in V is admitted whatever it said: its acknowledgements count", () => {
    const s = primary.intent("join", { uuid: uuid("b"), serverId: 2, ver: 3 });
    expect(does(s)).toEqual(["admit"]);
  });

  test("gets a new account only while k voters acknowledge it, so that nobody's login waits (S22)", () => {
    const unknown = primary.intent("join", { uuid: uuid("d"), serverId: 9, by: "d" });
    expect(does(unknown)).toEqual(["admit"]);
    expect(does(unknown.semiSync({ clients: 0 }))).not.toContain("admit");
    expect(does(asked.semiSync({ clients: 0 }))).toContain("admit");
  });

  test("is asked to ask again in this epoch", () => {
    const s = primary.intent("join", { uuid: uuid("d"), serverId: 4, epoch: 4 });
    expect(does(s)).toEqual(["drop-intent"]);
  });

  test("waits until the primary is open", () => {
    const s = situation()
      .asPrimary("marking")
      .intent("join", { uuid: uuid("d"), serverId: 4 });
    expect(does(since(s, 1_000))).toEqual(["hold"]);
  });

  test("waits while the cluster is paused or Consul is away", () => {
    expect(does(asked.consul({ paused: true }))).toEqual(["hold"]);
    expect(does(asked.consul({ reachable: false }))).toEqual(["hold"]);
  });

  test("is not mistaken for another wish", () => {
    expect(does(primary.intent("join"))).toEqual(["hold"]);
  });
});

test("the state of another epoch is nobody's to change: not a step of membership, not a word to Consul", () => {
  const s = primary
    .absent("c", 60_000)
    .intent("join", { uuid: uuid("d"), serverId: 4 })
    .epoch(6);
  expect(does(s)).toEqual(["hold"]);
  expect(says(acts(s))).toContain("another epoch");
});

describe("a primary says", () => {
  test("that it is alone, and what that means", () => {
    const s = situation().withVoters("a").asPrimary().policy({ voters: 1 });
    expect(says(acts(s))).toContain("ALONE: no automatic failover until a voter is back");
  });

  test("for how long it is blocked on acknowledgements", () => {
    expect(says(acts(primary.heartbeat({ waitingSince: NOW - 2_000 })))).toContain(
      "blocked on acknowledgements for 2 s",
    );
    expect(says(acts(primary.heartbeat({ waitingSince: NOW - 1_000 })))).not.toContain("blocked");
  });

  test("that its server does not answer", () => {
    expect(says(acts(primary.and({ server: null })))).toContain("does not answer");
  });
});
