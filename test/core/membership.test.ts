// Changes of V and k by the published primary (PROTOCOL §7): preconditions, order, barrier, doubt.
import { describe, expect, test } from "vitest";
import { FRESH_MS } from "../../recipes/mysql/core/policy.ts";
import { membershipStep } from "../../recipes/mysql/core/membership.ts";
import {
  deeds,
  EPOCH,
  gtids,
  HEAD,
  NOW,
  situation,
  the,
  uuid,
  type Name,
  type Situation,
} from "./situation.ts";

const step = (s: Situation) => {
  const { state } = s.observation.consul;
  const { server } = s.observation;
  if (state === null || server === null) throw new Error("no state or no server");
  const { value, index } = state;
  return membershipStep({ o: s.observation, state: value, index, server, me: uuid("a") }) ?? [];
};
const does = (s: Situation) => deeds(step(s));
const ids = (...names: readonly Name[]) => names.map(uuid);
const primaryOf = (...voters: readonly Name[]) =>
  situation()
    .withVoters("a", ...voters)
    .asPrimary();
const three = primaryOf("b", "c");
const two = primaryOf("b");
const alone = primaryOf();
/** No heartbeat has been acknowledged for that long. */
const blocked = (s: Situation, forMs: number) =>
  s.heartbeat({ ackedStart: NOW - forMs - 500, waitingSince: NOW - forMs });

describe("a healthy cluster", () => {
  test("of the wished size changes nothing", () => {
    expect(step(three)).toEqual([]);
  });

  test("that is smaller than wished, with nobody to add, changes nothing", () => {
    expect(step(two)).toEqual([]);
    expect(step(alone)).toEqual([]);
  });
});

describe("a voter is removed", () => {
  const gone = (ms: number) => three.absent("c", ms);

  test("when it has been gone for dropVoterAfter, not before", () => {
    expect(step(gone(29_999))).toEqual([]);
    expect(the("cut", step(gone(30_000)))).toMatchObject({
      uuid: uuid("c"),
      serverId: 3,
      voters: ids("a", "b"),
      acks: 1,
    });
  });

  test("first cut off, never first removed in Consul", () => {
    expect(does(gone(30_000))).toEqual(["cut"]);
  });

  test("at once where its data cannot follow and it is not connected", () => {
    expect(does(three.absent("c", 10).peer("c", { needsRebuild: true }))).toEqual(["cut"]);
    expect(step(three.peer("c", { needsRebuild: true, errant: "x" }))).toEqual([]);
  });

  test("that an operator wants rebuilt, although it acknowledges; only where the rest can carry on", () => {
    const ordered = three.peer("c", { needsRebuild: true });
    expect(the("cut", step(ordered))).toMatchObject({ uuid: uuid("c"), acks: 1 });
    expect(step(ordered.absent("b", 10))).toEqual([]);
    const two = situation().withVoters("a", "b").asPrimary();
    expect(step(two.peer("b", { needsRebuild: true }))).toEqual([]);
  });

  test("where it cannot prove what it acknowledged, so that it may be added anew", () => {
    expect(does(three.peer("c", { amnesiac: true }))).toEqual(["cut"]);
  });

  test("where V is larger than the policy says", () => {
    const four = primaryOf("b", "c", "d");
    expect(the("cut", step(four)).voters).toHaveLength(3);
    expect(step(four.policy({ voters: 4 }))).toEqual([]);
  });

  test("never where too few would be left to acknowledge", () => {
    expect(step(two.absent("b", 4_000))).toEqual([]);
    const s = primaryOf("b", "c").acks(2).asPrimary().absent("c", 60_000);
    expect(does(s.policy({ acks: 2 }))).not.toContain("cut");
  });

  test("never where it is the one that acknowledges, and the others are not there", () => {
    expect(step(three.absent("c", 10_000).peer("b", { amnesiac: true }))).toEqual([]);
    const surplus = step(primaryOf("b", "c", "d").absent("b", 10_000).absent("c", 10_000));
    expect(the("cut", surplus).uuid).toBe(uuid("b"));
  });

  test("first where it is not there: one that acknowledges has to wait until that is gone", () => {
    const both = three.peer("b", { amnesiac: true }).absent("c", 60_000);
    expect(the("cut", step(both)).uuid).toBe(uuid("c"));
  });

  test("that is amnesiac and cannot be spared: k goes down first, alone where it is the last", () => {
    const amnesiac = { amnesiac: true } as const;
    expect(does(two.peer("b", amnesiac))).toEqual(["cut-all"]);
    expect(step(two.peer("b", amnesiac).policy({ minAcks: 1 }))).toEqual([]);
    const all = primaryOf("b", "c").policy({ acks: 2 }).acks(2).asPrimary();
    expect(the("commit-change", step(all.peer("c", amnesiac)))).toMatchObject({
      kind: "acks-down",
      acks: 1,
    });
    expect(step(all.peer("c", amnesiac).policy({ minAcks: 2 }))).toEqual([]);
    expect(does(all.acks(1).asPrimary().peer("c", amnesiac))).toEqual(["cut"]);
  });

  test("not for the sake of an amnesiac while promoting, without Consul, or on an old word", () => {
    const forgot = two.peer("b", { amnesiac: true });
    expect(does(forgot.peer("b", { ageMs: FRESH_MS }))).toEqual(["cut-all"]);
    expect(step(forgot.peer("b", { ageMs: FRESH_MS + 1 }))).toEqual([]);
    expect(step(forgot.asPrimary("marked").peer("b", { amnesiac: true }))).toEqual([]);
    expect(step(forgot.consul({ goodUntil: NOW }))).toEqual([]);
    expect(does(forgot.consul({ goodUntil: NOW + 1 }))).toEqual(["cut-all"]);
  });

  test("by the account that it is connected with, which is newer than its record", () => {
    const dumpThreads = ["b", "c"].map((name) => ({
      uuid: uuid(name as Name),
      serverId: name === "c" ? 7 : 2,
      threadId: 9,
    }));
    const s = three.server({ dumpThreads }).peer("c", { amnesiac: true });
    expect(the("cut", step(s)).serverId).toBe(7);
  });

  test("not while its server_id is unknown", () => {
    const peers = three.observation.consul.peers.filter((p) => p.node !== "c");
    expect(step(gone(60_000).consul({ peers }))).toEqual([]);
  });
});

describe("the barrier of a removal", () => {
  const cut = three
    .absent("c", 31_000)
    .changing("remove", { uuid: uuid("c"), voters: ids("a", "b"), since: NOW - 400 });

  test("is waited for, however long: only a raise of k is taken back", () => {
    const long = three
      .absent("c", 31_000)
      .changing("remove", { uuid: uuid("c"), voters: ids("a", "b"), since: NOW - 60_000 });
    expect(does(long.heartbeat({ ackedStart: NOW - 61_000 }))).toEqual(["hold"]);
  });

  test("is a heartbeat that started after the cut: an earlier one proves nothing", () => {
    expect(does(cut.heartbeat({ ackedStart: NOW - 500 }))).toEqual(["hold"]);
    expect(does(cut.heartbeat({ ackedStart: NOW - 400 }))).toEqual(["hold"]);
    expect(does(cut.heartbeat({ ackedStart: null }))).toEqual(["hold"]);
    const done = step(cut.heartbeat({ ackedStart: NOW - 399 }));
    expect(the("commit-change", done)).toMatchObject({
      kind: "remove",
      uuid: uuid("c"),
      voters: ids("a", "b"),
      acks: 1,
      index: 500,
    });
  });

  test("is waited for in vain when the last acknowledging voter goes too: then it goes alone", () => {
    const s = blocked(cut.absent("b", 6_000), 6_000);
    expect(does(s)).toEqual(["cut-all"]);
  });
});

describe("a voter is added", () => {
  const joining = two.peer("c", { semiSync: false }).connected("b", "c");
  const adds = (s: Situation) => does(s).includes("commit-change");

  test("to V first; its acknowledgements count only after it has read that", () => {
    expect(the("commit-change", step(joining))).toMatchObject({
      kind: "add",
      uuid: uuid("c"),
      voters: ids("a", "b", "c"),
      acks: 1,
    });
    expect(does(joining)).toEqual(["commit-change"]);
  });

  test.each([
    ["is not connected", joining.connected("b")],
    ["has not reported lately", joining.peer("c", { ageMs: FRESH_MS + 1 })],
    ["follows an older epoch", joining.peer("c", { epoch: EPOCH - 1 })],
    ["is no replica", joining.peer("c", { role: "fenced" })],
    ["is stopping", joining.peer("c", { stopping: true })],
    ["cannot follow", joining.peer("c", { needsRebuild: true })],
    ["cannot prove what it acknowledged", joining.peer("c", { amnesiac: true })],
    ["is further behind than a heartbeat", joining.peer("c", { executed: gtids("b:1-99 m:1-5") })],
  ] as const)("not while it %s", (_, s) => {
    expect(adds(s)).toBe(false);
  });

  test("where what it has received counts as caught up", () => {
    const s = joining.peer("c", { executed: gtids("b:1-99 m:1-5"), retrieved: gtids("b:100") });
    expect(adds(s)).toBe(true);
  });

  test("not while nobody knows where the head was", () => {
    expect(adds(joining.and({ headBefore: "" }))).toBe(false);
  });

  test("not beyond what the policy wishes", () => {
    const full = three.peer("d", { semiSync: false }).connected("b", "c", "d");
    expect(adds(full)).toBe(false);
    expect(adds(full.policy({ voters: 4 }))).toBe(true);
  });

  test("in place of one that cannot be removed first, one more for the moment", () => {
    const s = two
      .policy({ voters: 2 })
      .peer("c", { semiSync: false })
      .connected("b", "c")
      .absent("b", 1_000);
    expect(the("commit-change", step(s))).toMatchObject({
      kind: "add",
      voters: ids("a", "b", "c"),
    });
    expect(adds(s.connected("b", "c").and({ absentSince: {} }))).toBe(false);
  });

  test("to a primary that is alone, with k still 0", () => {
    const s = alone.peer("b", { semiSync: false }).connected("b");
    expect(the("commit-change", step(s))).toMatchObject({ voters: ids("a", "b"), acks: 0 });
  });
});

describe("acknowledgements go up", () => {
  const back = primaryOf("b").acks(0).asPrimary().connected("b");

  test("on the server first, then the barrier, then in Consul", () => {
    expect(the("raise-acks", step(back))).toMatchObject({ acks: 1, voters: ids("a", "b") });
    expect(does(back)).toEqual(["raise-acks"]);
    const raised = back
      .semiSync({ sourceEnabled: true, sourceActive: true, waitFor: 1, clients: 1 })
      .changing("acks-up", { acks: 1, since: NOW - 400 });
    expect(does(raised.heartbeat({ ackedStart: NOW - 400 }))).toEqual(["hold"]);
    expect(the("commit-change", step(raised.heartbeat({ ackedStart: NOW - 399 })))).toMatchObject({
      kind: "acks-up",
      acks: 1,
      voters: ids("a", "b"),
    });
  });

  test.each([
    ["is not connected", back.connected()],
    ["has its flag OFF still", back.peer("b", { semiSync: false })],
    ["has not reported lately", back.peer("b", { ageMs: FRESH_MS + 1 })],
  ] as const)("not while the voter %s", (_, s) => {
    expect(step(s)).toEqual([]);
  });

  test("by one at a time, and only as far as that many acknowledge", () => {
    const s = three.policy({ acks: 2 });
    expect(the("raise-acks", step(s)).acks).toBe(2);
    expect(step(s.semiSync({ clients: 1 }))).toEqual([]);
    expect(step(s.peer("c", { semiSync: false }))).toEqual([]);
  });

  test("never above N − 1", () => {
    expect(step(two.policy({ acks: 3 }))).toEqual([]);
    // What should never be: a primary that waits for more than there are does not wait for ever.
    expect(does(alone.acks(1).asPrimary())).toEqual(["cut-all"]);
  });

  test("and back to what Consul says where nobody acknowledges the raise: no client hangs for ever", () => {
    const raised = back
      .semiSync({ sourceEnabled: true, sourceActive: true, waitFor: 1 })
      .connected()
      .changing("acks-up", { acks: 1, since: NOW - 5_000 });
    expect(the("lower-acks", step(blocked(raised, 5_000))).acks).toBe(0);
    const early = raised.changing("acks-up", { acks: 1, since: NOW - 4_999 });
    expect(does(blocked(early, 4_999))).toEqual(["hold"]);
  });

  test("and never back while the raise was sent to Consul and its answer is not known", () => {
    const sent = back
      .semiSync({ sourceEnabled: true, sourceActive: true, waitFor: 1 })
      .connected()
      .changing("acks-up", { acks: 1, since: NOW - 60_000, stage: "sent" });
    expect(does(blocked(sent, 60_000))).toEqual(["commit-change"]);
  });

  test("on the server only: what waits for more than Consul says is brought back", () => {
    expect(the("lower-acks", step(three.semiSync({ waitFor: 2 }))).acks).toBe(1);
    const armed = alone.semiSync({ sourceEnabled: true, sourceActive: true, waitFor: 1 });
    expect(the("lower-acks", step(armed)).acks).toBe(0);
  });
});

describe("acknowledgements go down", () => {
  test("in Consul first, then on the server", () => {
    const s = three.acks(2).asPrimary().policy({ acks: 1 });
    expect(the("commit-change", step(s))).toMatchObject({
      kind: "acks-down",
      acks: 1,
      voters: ids("a", "b", "c"),
    });
    expect(does(s)).toEqual(["commit-change"]);
  });

  test("to those that are left, where fewer than k acknowledge for aloneAfter", () => {
    const k2 = three.acks(2).asPrimary().policy({ acks: 2 });
    const s = (ms: number) => blocked(k2.absent("c", ms), ms);
    expect(step(s(4_999))).toEqual([]);
    expect(the("commit-change", step(s(5_000)))).toMatchObject({ kind: "acks-down", acks: 1 });
    expect(step(s(5_000).policy({ minAcks: 2 }))).toEqual([]);
  });
});

describe("a change in doubt", () => {
  const cases = ["remove", "add", "acks-up", "acks-down", "alone"] as const;

  test.each(cases)("%s is sent again until it is known, and nothing else is begun", (kind) => {
    const s = blocked(three.absent("b", 60_000).absent("c", 60_000), 60_000).changing(kind, {
      stage: "sent",
      voters: ids("a", "b"),
      acks: 1,
    });
    expect(the("commit-change", step(s))).toMatchObject({ kind, voters: ids("a", "b"), acks: 1 });
    expect(does(s)).toEqual(["commit-change"]);
  });

  test("is won at the index that is read now: an older send can then never land", () => {
    const s = three.changing("add", { stage: "sent" });
    const commit = the("commit-change", step(s));
    expect(commit.index).toBe(500);
    expect(commit.from).toEqual(s.observation.consul.state?.value);
  });
});

describe("strangers", () => {
  test("are disconnected where one of them acknowledges", () => {
    const s = three.connected("b", "c", "d").semiSync({ clients: 3 });
    expect(the("kick", step(s)).uuids).toEqual(ids("d"));
  });

  test("may replicate as long as they do not acknowledge", () => {
    expect(step(three.connected("b", "c", "d"))).toEqual([]);
  });

  test("are no matter where nobody waits for acknowledgements", () => {
    const one = alone.connected("d").policy({ voters: 1 });
    expect(step(one)).toEqual([]);
    expect(step(one.semiSync({ clients: 1 }))).toEqual([]);
  });

  test("are not what is counted beyond the voters' own connections", () => {
    expect(step(three.semiSync({ clients: 3 }))).toEqual([]);
  });
});

test("one change at a time: a loss, a newcomer and a policy together give one step", () => {
  const s = three
    .policy({ acks: 2, voters: 4 })
    .peer("d", { semiSync: false, executed: gtids(HEAD) })
    .connected("b", "c", "d")
    .absent("c", 60_000);
  expect(step(s)).toHaveLength(1);
});
