// A primary without enough acknowledgements: it steps down, lowers k, or goes on alone (PROTOCOL §3, §7).
import { describe, expect, test } from "vitest";
import { FRESH_MS } from "../../recipes/mysql/core/policy.ts";
import { membershipStep } from "../../recipes/mysql/core/membership.ts";
import { deeds, NOW, situation, the, uuid, type Name, type Situation } from "./situation.ts";

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
/** No heartbeat has been acknowledged for that long. */
const blocked = (s: Situation, forMs: number) =>
  s.heartbeat({ ackedStart: NOW - forMs - 500, waitingSince: NOW - forMs });

describe("a primary goes on alone", () => {
  const deserted = (ms: number) => blocked(three.absent("b", ms).absent("c", ms), ms);

  test("when no voter has acknowledged for aloneAfter, not before", () => {
    expect(step(deserted(4_999))).toEqual([]);
    expect(does(deserted(5_000))).toEqual(["cut-all"]);
  });

  test("counting from the last voter that left", () => {
    expect(step(blocked(three.absent("b", 20_000).absent("c", 4_000), 4_000))).toEqual([]);
  });

  test("after all others are cut, then in Consul, and only then for its clients", () => {
    expect(the("cut-all", step(deserted(5_000))).others).toEqual([
      { uuid: uuid("b"), serverId: 2 },
      { uuid: uuid("c"), serverId: 3 },
    ]);
    const cut = deserted(6_000).changing("alone", { voters: ids("a"), acks: 0 });
    expect(the("commit-change", step(cut))).toMatchObject({
      kind: "alone",
      voters: ids("a"),
      acks: 0,
    });
  });

  test("never where the policy wants an acknowledgement", () => {
    expect(does(deserted(60_000).policy({ minAcks: 1 }))).not.toContain("cut-all");
  });

  test("while it is promoting also where the policy wants one: it stays closed then, but V is free to change", () => {
    const s = three.policy({ minAcks: 1 }).asPrimary("marking");
    expect(does(blocked(s.absent("b", 5_000).absent("c", 5_000), 5_000))).toEqual(["cut-all"]);
  });

  test("at once where every other voter has said that it stopped, or that it cannot follow", () => {
    const s = deserted(10).peer("b", { stopped: true });
    expect(step(s)).toEqual([]);
    expect(does(s.peer("c", { stopped: true }))).toEqual(["cut-all"]);
    expect(does(s.peer("c", { needsRebuild: true }))).toEqual(["cut-all"]);
  });

  test("never without Consul", () => {
    expect(step(deserted(20_000).consulAway())).toEqual([]);
    expect(step(deserted(20_000).consul({ goodUntil: NOW }))).toEqual([]);
  });

  test("not while k voters are there", () => {
    expect(step(three.absent("b", 20_000))).toEqual([]);
  });

  test("not while heartbeats are acknowledged, whatever is known of the voters", () => {
    const s = three.and({ absentSince: { [uuid("b")]: NOW - 20_000, [uuid("c")]: NOW - 20_000 } });
    expect(does(s)).not.toContain("cut-all");
    expect(does(s)).not.toContain("commit-change");
  });

  test("also where a dump thread of a silent host is left over", () => {
    const s = blocked(two, 6_000).and({ absentSince: { [uuid("b")]: NOW - 6_000 } });
    expect(does(s)).toEqual(["cut-all"]);
  });
});

describe("a primary that nobody acknowledges steps down", () => {
  const reaching = (...names: readonly Name[]) =>
    ({ seesPrimary: false, reaches: names.map(uuid) }) as const;
  const unseen = reaching("b", "c");
  const cutOff = (ms: number) =>
    blocked(three.absent("b", ms).absent("c", ms), ms).peer("b", unseen).peer("c", unseen);

  test("before it goes alone, where max(q, k+1) voters are well, see each other and not it", () => {
    expect(does(cutOff(5_000))).toEqual(["kill-mysqld"]);
    expect(step(cutOff(4_999))).toEqual([]);
  });

  test.each([
    ["sees it", { seesPrimary: true }],
    ["has not reported lately", { ageMs: FRESH_MS + 1 }],
    ["is no replica", { role: "unknown" }],
    ["is stopping", { stopping: true }],
    ["cannot follow", { needsRebuild: true }],
    ["is tagged nofailover", { noFailover: true }],
    ["does not see the other", { reaches: [] }],
  ] as const)("not where one of two %s: its successor could not be acknowledged", (_, odd) => {
    expect(does(cutOff(5_000).peer("c", { ...unseen, ...odd }))).toEqual(["cut-all"]);
  });

  test("not of two nodes: the other could not be acknowledged either", () => {
    expect(does(blocked(two.absent("b", 5_000), 5_000).peer("b", unseen))).toEqual(["cut-all"]);
  });

  test("also where the policy forbids to go alone", () => {
    expect(does(cutOff(5_000).policy({ minAcks: 1 }))).toEqual(["kill-mysqld"]);
  });

  test("also before it lowers k for lack of acknowledgements", () => {
    const five = primaryOf("b", "c", "d", "e").policy({ acks: 2, voters: 5 }).acks(2).asPrimary();
    let s = blocked(five, 5_000);
    const all = reaching("b", "c", "d");
    for (const name of ["b", "c", "d"] as const) s = s.absent(name, 5_000).peer(name, all);
    expect(does(s)).toEqual(["kill-mysqld"]);
  });
});
