// A node that is not the primary: FOLLOW, its word that the primary is lost, data that cannot follow
// (PROTOCOL §3 tier 2, §5, §7).
import { describe, expect, test } from "vitest";
import { follow } from "../../recipes/mysql/core/following.ts";
import { HEARTBEAT_LOST_MS, LOST_AGREED_MS } from "../../recipes/mysql/core/policy.ts";
import {
  deeds,
  EPOCH,
  gtids,
  NOW,
  says,
  situation,
  the,
  uuid,
  type Name,
  type Situation,
} from "./situation.ts";

const follows = (s: Situation) => follow(s.observation) ?? [];

describe("FOLLOW", () => {
  const replica = situation().withVoters("a", "b", "c").asReplicaOf("b");

  test("of a new primary names its address, the epoch and whether to acknowledge", () => {
    expect(the("follow", follows(replica.and({ following: null })))).toMatchObject({
      epoch: EPOCH,
      primary: uuid("b"),
      host: "b.test",
      port: 3306,
      semiSync: true,
    });
  });

  test("is done anew for another epoch of the same primary, and for another primary of the same epoch", () => {
    const { following } = replica.observation;
    if (following === null) throw new Error("a replica follows");
    expect(deeds(follows(replica.and({ following: { ...following, epoch: 4 } })))).toEqual([
      "follow",
    ]);
    expect(
      deeds(follows(replica.and({ following: { ...following, primary: uuid("c") } }))),
    ).toEqual(["follow"]);
  });

  test("is refused for an epoch below the promised one", () => {
    const s = replica.and({ following: null, promise: { epoch: 6, ver: 10, seenEpoch: 5 } });
    expect(deeds(follows(s))).toEqual(["hold"]);
    expect(says(follows(s))).toContain("promised epoch 6");
  });

  test("comes while the new primary is still promoting: its marker waits for this", () => {
    expect(deeds(follows(replica.and({ following: null }).state({ phase: "promoting" })))).toEqual([
      "follow",
    ]);
  });

  test("is nobody's while nobody is published, and never of oneself", () => {
    expect(follows(replica.state({ phase: "electing", primary: null }))).toEqual([]);
    expect(follows(replica.state({ primary: uuid("a") }))).toEqual([]);
  });

  test("acknowledges from inside V only", () => {
    const outside = situation().withVoters("b", "c").asReplicaOf("b").and({ following: null });
    expect(the("follow", follows(outside)).semiSync).toBe(false);
  });

  test("finds a primary that is not in `leader` by its record", () => {
    const s = replica
      .and({ following: null })
      .lockHeldBy("c")
      .peer("b", { host: "elsewhere.test" });
    expect(the("follow", follows(s)).host).toBe("elsewhere.test");
    const nowhere = s.consul({ peers: [] });
    expect(says(follows(nowhere))).toContain("waiting for the address");
  });

  test("waits for the server", () => {
    expect(follows(replica.serverDown())).toEqual([]);
  });

  test("of a voter gives way to an election where the lock is free, so that nobody follows the dead for ever", () => {
    const fresh = replica.and({ following: null });
    expect(follows(fresh.lockFree())).toEqual([]);
    expect(follows(fresh.consul({ leader: null }))).toEqual([]);
    const errant = { primary: uuid("b"), gtids: "", why: "more than the primary" };
    expect(follows(fresh.lockFree().and({ errant }))).toEqual([]);
    const outside = situation().withVoters("b", "c").asReplicaOf("b").and({ following: null });
    expect(deeds(follows(outside.lockFree()))).toEqual(["follow"]);
  });

  test("a replica that somebody opened is fenced", () => {
    expect(deeds(follows(replica.server({ superReadOnly: false })))).toEqual(["kill-mysqld"]);
  });
});

describe("the flag of a replica", () => {
  const voter = situation().withVoters("a", "b", "c").asReplicaOf("b");

  test("goes ON when it is in V, and OFF when it is not any more", () => {
    const added = voter.semiSync({ replicaEnabled: false });
    expect(follows(added)).toMatchObject([{ do: "set-semi-sync", on: true, epoch: EPOCH }]);
    const removed = voter.withVoters("b", "c");
    expect(follows(removed)).toMatchObject([{ do: "set-semi-sync", on: false, epoch: EPOCH }]);
  });

  test("is set again where what was read and what is set differ", () => {
    const { following } = voter.observation;
    if (following === null) throw new Error("a replica follows");
    const s = voter.and({ following: { ...following, semiSync: false } });
    expect(follows(s)).toMatchObject([{ do: "set-semi-sync", on: true }]);
  });

  test("goes OFF before anything is asked of the primary", () => {
    const s = voter.withVoters("b", "c").source({ io: "Connecting", ioErrno: 3118 });
    expect(deeds(follows(s))).toEqual(["set-semi-sync"]);
  });
});

describe("tier 2 on a voter", () => {
  const dead = { agentDeadSince: NOW - 600, lastTransactionAt: NOW - HEARTBEAT_LOST_MS };
  const losing = situation()
    .withVoters("a", "b", "c")
    .asReplicaOf("b")
    .sight(dead)
    .peer("c", { seesPrimary: false });
  const lost = (s: Situation, ...names: readonly Name[]) =>
    s.consul({ lost: names.map((name) => ({ uuid: uuid(name), forMs: LOST_AGREED_MS })) });

  test("says that it has lost the primary", () => {
    expect(follows(losing)).toMatchObject([{ do: "say-lost", epoch: EPOCH }]);
  });

  test("never ends a session that is a candidate's already, whose epoch it has not read yet", () => {
    expect(deeds(follows(lost(losing, "a", "c")))).toContain("end-session");
    expect(deeds(follows(lost(losing, "a", "c").lockHeldBy("c")))).not.toContain("end-session");
  });

  test("then ends the session when enough agree, and waits when not", () => {
    expect(follows(lost(losing, "a", "c"))).toMatchObject([
      { do: "end-session", session: "session-b" },
    ]);
    expect(deeds(follows(lost(losing, "a")))).not.toContain("end-session");
  });

  test("takes its word back when it sees the primary again", () => {
    const back = lost(losing, "a").sight({ lastTransactionAt: NOW, agentDeadSince: null });
    expect(follows(back)).toMatchObject([{ do: "unsay-lost", epoch: EPOCH }]);
  });

  test("of a node outside V has no voice", () => {
    const s = situation().withVoters("b", "c").asReplicaOf("b").sight(dead);
    expect(deeds(follows(s))).toEqual(["hold"]);
  });

  test("does nothing while the cluster is paused", () => {
    expect(deeds(follows(losing.consul({ paused: true })))).toEqual(["hold"]);
    expect(deeds(follows(lost(losing, "a", "c").consul({ paused: true })))).toEqual(["hold"]);
  });
});

describe("a replica without an open account", () => {
  const out = situation().withVoters("b", "c").asReplicaOf("b");
  const refused = (errno: number) => out.source({ io: "Connecting", ioErrno: errno });

  test.each([1045, 3118])("asks for it after error %i, as of what it has read", (errno) => {
    expect(the("ask-join", follows(refused(errno)))).toMatchObject({ ver: 10, epoch: EPOCH });
  });

  test("asks for nothing while it is connected, or after another error", () => {
    expect(deeds(follows(out))).toEqual(["hold"]);
    expect(deeds(follows(refused(2003)))).toEqual(["hold"]);
  });

  test("waits for its admission, reconnects once it has it, and asks again where that did not help", () => {
    const joinAsked = { epoch: EPOCH, ver: 10, at: NOW - 100, reconnected: false };
    const asked = refused(3118).and({ joinAsked });
    const pending = asked.intent("join", { uuid: uuid("a"), serverId: 1 });
    expect(says(follows(pending))).toContain("waiting for the primary to admit this node");
    expect(deeds(follows(asked))).toEqual(["reconnect"]);
    const again = (at: number) =>
      deeds(follows(asked.and({ joinAsked: { ...joinAsked, at, reconnected: true } })));
    expect(again(NOW - 2_999)).toEqual(["hold"]);
    expect(again(NOW - 3_000)).toEqual(["ask-join"]);
  });

  test("asks anew where V has changed since: an older admission would not count", () => {
    const joinAsked = { epoch: EPOCH, ver: 9, at: NOW - 100, reconnected: false };
    const s = refused(3118)
      .and({ joinAsked })
      .intent("join", { uuid: uuid("a"), serverId: 1, ver: 9 });
    expect(the("ask-join", follows(s)).ver).toBe(10);
  });

  test("outside V never asks while its flag is still in effect: its acknowledgements would count", () => {
    expect(deeds(follows(refused(3118).semiSync({ replicaActive: true })))).not.toContain(
      "ask-join",
    );
  });

  test("in V asks, whatever its flag", () => {
    const s = situation()
      .withVoters("a", "b", "c")
      .asReplicaOf("b")
      .source({ io: "Connecting", ioErrno: 3118 });
    expect(deeds(follows(s))).toEqual(["ask-join"]);
  });
});

describe("a replica in good order", () => {
  const replica = situation().withVoters("a", "b", "c").asReplicaOf("b");

  test("does nothing and says so", () => {
    expect(deeds(follows(replica))).toEqual(["hold"]);
    expect(says(follows(replica))).toBe("hold: replica at epoch 5, voter, following");
  });

  test("starts an applier that stopped without an error, and holds for a person where it has one", () => {
    expect(deeds(follows(replica.source({ sql: "No" })))).toEqual(["start-applier"]);
    const failed = replica.source({ sql: "No", sqlErrno: 1062, sqlError: "Duplicate entry" });
    expect(says(follows(failed))).toContain("Duplicate entry");
    expect(deeds(follows(failed))).toEqual(["hold"]);
  });

  test("follows anew where its receiver stopped, which looks again at what the primary has purged", () => {
    const stopped = replica.source({ io: "No", ioErrno: 1236, ioError: "purged" });
    expect(deeds(follows(stopped))).toEqual(["follow"]);
    expect(deeds(follows(replica.server({ source: null })))).toEqual(["follow"]);
  });

  test("follows anew where an operator wrote on it, which compares it with the primary at once (§10)", () => {
    const wrote = replica.holding("b:1-100 a:1 m:1-5");
    expect(deeds(follows(wrote))).toEqual(["follow"]);
    const { following } = replica.observation;
    if (following === null) throw new Error("a replica follows");
    const known = { ...following, known: wrote.observation.server?.executed ?? "" };
    expect(deeds(follows(wrote.and({ following: known })))).toEqual(["hold"]);
    expect(deeds(follows(wrote.and({ following: { ...following, since: NOW - 1_999 } })))).toEqual([
      "hold",
    ]);
  });

  test("also where he wrote under a uuid that was never a primary's, or under the primary's own", () => {
    expect(deeds(follows(replica.holding("b:1-100 x:7 m:1-5")))).toEqual(["follow"]);
    expect(deeds(follows(replica.holding("b:1-100:200 m:1-5")))).toEqual(["follow"]);
    expect(deeds(follows(replica.holding("b:1-100 m:1-5:77")))).toEqual(["follow"]);
  });

  test("not for what came through the receiver: the primary's own, markers, older primaries'", () => {
    const came = replica.holding("b:1-120 c:1-9 x:7 m:1-6", "b:101-120 c:1-9 x:7 m:6");
    expect(deeds(follows(came))).toEqual(["hold"]);
  });

  test("does not do so in a hot loop", () => {
    const { following } = replica.observation;
    if (following === null) throw new Error("a replica follows");
    const s = replica.source({ io: "No" }).and({ following: { ...following, since: NOW - 1_999 } });
    expect(deeds(follows(s))).toEqual(["hold"]);
  });

  test("leaves a receiver that is connecting alone: MySQL tries again by itself", () => {
    expect(says(follows(replica.source({ io: "Connecting" })))).toContain("connecting");
  });
});

describe("data that cannot follow", () => {
  const errant = { primary: uuid("b"), gtids: "x", why: "has transactions that the primary lacks" };
  const voter = situation()
    .withVoters("a", "b", "c")
    .asReplicaOf("b")
    .and({ errant, following: null });
  const out = situation()
    .withVoters("b", "c")
    .asReplicaOf("b")
    .and({ errant, following: null })
    .knowing();

  test("of a voter is never set aside: it waits to be removed from V", () => {
    expect(deeds(follows(voter))).toEqual(["hold"]);
    expect(says(follows(voter))).toContain("waiting to be removed from V");
  });

  test("of a node outside V is set aside under an open primary", () => {
    expect(deeds(follows(out))).toEqual(["set-aside"]);
  });

  test("is kept while the primary's marker is not committed, and while k other voters lack its position", () => {
    expect(deeds(follows(out.peer("b", { executed: gtids("b:1-100 m:1-4") })))).toEqual(["hold"]);
    const behind = out.peer("c", { executed: gtids("b:1-99 m:1-5") });
    expect(says(follows(behind))).toContain("0 of 1 other voters hold the primary's position");
  });

  test("is not set aside again in a hot loop where that failed", () => {
    const job = {
      name: "set-aside",
      running: false,
      says: "disk",
      failure: "disk",
      failures: 1,
      retryAt: NOW + 1,
    } as const;
    expect(says(follows(out.and({ job })))).toContain("setting aside failed: disk");
    expect(deeds(follows(out.and({ job: { ...job, retryAt: NOW } })))).toEqual(["set-aside"]);
  });

  test("is kept for a person where the configuration says so", () => {
    const held = out.policy({ rejoin: "hold" });
    expect(deeds(follows(held))).toEqual(["hold"]);
    expect(deeds(held.intent("rebuild", { to: "a", uuid: uuid("a") }).decides())).toEqual([
      "set-aside",
    ]);
  });

  test("is judged anew under another primary", () => {
    expect(deeds(follows(out.and({ errant: { ...errant, primary: uuid("c") } })))).toEqual([
      "follow",
    ]);
  });
});

test("the hand-over that this node began as primary is answered when the successor is open, not before", () => {
  const s = situation()
    .withVoters("a", "b", "c")
    .asReplicaOf("b")
    .and({ switchover: { id: "wish-1", to: uuid("b") } });
  expect(follows(s)).toMatchObject([{ do: "answer-intent", intent: "wish-1", ok: true }]);
  expect(deeds(follows(s.state({ phase: "promoting" })))).not.toContain("answer-intent");
});
