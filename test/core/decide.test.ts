// The ladder: each rung, and that it stands where it stands. The order of the rules is the safety argument.
import { describe, expect, test } from "vitest";
import { PROBE_FAILURES } from "../../recipes/mysql/core/policy.ts";
import { deeds, EPOCH, NOW, says, situation, the, uuid, type Situation } from "./situation.ts";

const does = (s: Situation) => deeds(s.decides());
const voter = situation().withVoters("a", "b", "c");
const primary = voter.asPrimary();
const replica = voter.asReplicaOf("b");
const wiped = (s: Situation) => s.consul({ state: null });
const older = (s: Situation) => s.state({ ver: 9 });

describe("each rung", () => {
  test.each([
    ["1 a mysqld that ended took its epoch with it", primary.serverDown(), "end-primacy"],
    ["2 the whole cluster stops", replica.intent("stop-cluster"), "begin-stop"],
    ["2 this node stops", replica.stopping(), "stop-mysqld"],
    ["3 a Consul that was wiped is not obeyed", wiped(replica), "hold"],
    ["4 no data: copy", situation().withVoters("b", "c").withoutDatadir(), "provision"],
    ["5 no server: start it", replica.serverDown(), "start-mysqld"],
    ["6 a newer epoch asks for a promise", replica.askedToPromise(6), "promise"],
    ["6 a newer epoch fences an old primary", primary.epoch(6), "kill-mysqld"],
    ["7 duty of a primary", primary.lockFree(10), "reacquire"],
    ["7 duty of a candidate", voter.epoch(6).asCandidate("b").promisedBy("c"), "publish"],
    ["8 routine", replica.and({ following: null }), "follow"],
    ["9 ambition", voter.afterLosing("b"), "elect"],
    [
      "nothing",
      voter.consul({ state: null }).and({ promise: { epoch: 0, ver: 0, seenEpoch: 0 } }),
      "hold",
    ],
  ] as const)("%s", (_, s, kind) => {
    expect(does(s)).toContain(kind);
  });
});

describe("precedence", () => {
  const stopAll = (s: Situation) => s.intent("stop-cluster");

  test("the end of a primacy comes before everything, so that nothing is done in its name", () => {
    expect(does(stopAll(primary.serverDown().stopping()))).toContain("end-primacy");
    expect(does(older(primary.serverDown()))).toContain("end-primacy");
  });

  test("orders to stop come before doubts about Consul: SIGTERM is always obeyed", () => {
    expect(does(older(replica.stopping()))).toEqual(["stop-mysqld"]);
    expect(does(wiped(replica.stopping()))).toEqual(["stop-mysqld"]);
    expect(does(wiped(primary.stopping()))).toEqual(["stop-mysqld"]);
    expect(does(replica.stopping().consul({ loaded: false }))).toEqual(["stop-mysqld"]);
  });

  test("a copy of a datadir does nothing at all but obey an order to stop", () => {
    const elsewhere = { node: "x", host: "x.test", port: 3306, lives: true };
    const copy = (s: Situation) => s.me({ elsewhere, recalled: false });
    const ghost = replica.consul({ session: "new" }).lockHeldBy("a");
    for (const s of [
      ghost,
      replica.serverDown(),
      replica.askedToPromise(6),
      voter.afterLosing("b"),
    ])
      expect(does(copy(s))).toEqual(["hold"]);
    expect(says(copy(replica).decides())).toContain("AP_DATADIR_TWICE: x (x.test:3306) runs");
    const unsure = replica.me({ elsewhere: { ...elsewhere, lives: false }, recalled: false });
    expect(does(unsure.serverDown())).toEqual(["hold"]);
    expect(says(unsure.decides())).toContain("last run by x (x.test:3306)");
    expect(does(copy(replica.stopping()))).toEqual(["stop-mysqld"]);
  });

  test("what Consul remembers of this node comes before anything is done with its datadir", () => {
    const unread = (s: Situation) => s.me({ recalled: false });
    expect(does(unread(replica.askedToPromise(6)))).toEqual(["hold"]);
    expect(does(unread(voter.afterLosing("b")))).toEqual(["hold"]);
    expect(does(unread(replica.and({ following: null })))).toEqual(["hold"]);
    expect(does(unread(replica.serverDown()))).toEqual(["hold"]);
    expect(does(unread(replica.stopping()))).toEqual(["stop-mysqld"]);
  });

  test("doubts about Consul come before promises, elections, FOLLOW, rebuilds and provisioning", () => {
    expect(does(older(replica.askedToPromise(6)))).toEqual(["hold"]);
    expect(does(older(voter.afterLosing("b")))).toEqual(["hold"]);
    expect(does(older(replica.and({ following: null })))).toEqual(["hold"]);
    expect(does(older(primary.absent("c", 60_000)))).toEqual(["hold"]);
    const errant = { primary: uuid("b"), gtids: "", why: "more than the primary" };
    const out = situation().withVoters("b", "c").asReplicaOf("b").and({ errant }).knowing();
    expect(does(out)).toEqual(["set-aside"]);
    expect(does(older(out))).toEqual(["hold"]);
  });

  test("a server that is down is started before anything is asked of it", () => {
    expect(does(replica.askedToPromise(6).serverDown())).toEqual(["start-mysqld"]);
    expect(does(voter.afterLosing("b").serverDown())).toEqual(["start-mysqld"]);
  });

  test("the fence of an old primary comes before its duty, however busy it is", () => {
    const s = primary.epoch(6).absent("c", 60_000).intent("switchover");
    expect(does(s)).toEqual(["kill-mysqld"]);
    expect(does(s.heartbeat({ probeFailures: PROBE_FAILURES }))).toEqual(["kill-mysqld"]);
  });

  test("a hang comes before the failsafe, the failsafe before orders, orders before membership", () => {
    const hangs = primary.heartbeat({ probeFailures: PROBE_FAILURES }).consulAway();
    expect(does(hangs)).toEqual(["kill-mysqld"]);
    const busy = primary.absent("c", 60_000).intent("switchover");
    expect(does(busy.consulAway())).toEqual(["hold"]);
    expect(does(busy)).toEqual(["drain"]);
    expect(does(primary.absent("c", 60_000))).toEqual(["cut"]);
  });

  test("admission comes before membership, so that a lost voter can come back", () => {
    const s = primary.absent("c", 60_000).intent("join", { uuid: uuid("c"), serverId: 3 });
    expect(does(s)).toEqual(["admit"]);
  });

  test("a promise comes before a FOLLOW, and a FOLLOW before an election", () => {
    expect(does(replica.askedToPromise(6).and({ following: null }))).toEqual(["promise"]);
    const gone = replica.source({ io: "Connecting" }).sight({ lastTransactionAt: NOW - 60_000 });
    expect(does(gone)).toEqual(["hold"]);
  });
});

describe("a Consul that went back in time", () => {
  test.each([
    ["has no state although one was seen", wiped(replica)],
    ["has an older version", replica.state({ ver: 9 })],
    ["has an older epoch than was read", replica.state({ epoch: 4 }).holding("b:1-100 m:1-4")],
    ["has an older epoch than a marker in the data", replica.holding("b:1-100 m:1-6")],
    [
      "has an older epoch than a marker that was only received",
      replica.holding("b:1-100 m:1-5", "m:6"),
    ],
  ])("%s: refused, and a person has to look", (_, s) => {
    expect(does(s)).toEqual(["hold"]);
    expect(says(s.decides())).toContain("waiting for a person");
  });

  test("leaves an open primary open, with all its duties undone", () => {
    expect(does(wiped(primary))).toEqual(["hold"]);
    expect(does(older(primary.lockFree(10)))).toEqual(["hold"]);
  });

  test("is not assumed before Consul was read, nor by a node that has seen nothing", () => {
    expect(says(wiped(replica).consul({ loaded: false }).decides())).not.toContain(
      "waiting for a person",
    );
    const nothing = { epoch: 0, ver: 0, seenEpoch: 0 };
    expect(says(wiped(replica).and({ promise: nothing }).decides())).not.toContain(
      "waiting for a person",
    );
  });
});

describe("housekeeping", () => {
  const newer = replica.state({ ver: 11 });

  test("notes the newest state on a quiet tick, durably, so that an older one is known for what it is", () => {
    expect(the("note-state", newer.decides())).toMatchObject({
      state: { ver: 11, epoch: EPOCH },
    });
    expect(does(replica)).toEqual(["hold"]);
  });

  test("does not hold up what has to be done", () => {
    expect(does(newer.and({ following: null }))).toEqual(["follow"]);
  });

  test("waits until an election is over", () => {
    expect(does(newer.state({ phase: "promoting" }))).not.toContain("note-state");
  });

  test("never notes what is older in either number", () => {
    expect(does(replica.state({ ver: 12, epoch: 4 }))).toEqual(["hold"]);
    expect(does(replica.state({ ver: 9, epoch: 6 }))).toEqual(["hold"]);
  });
});
