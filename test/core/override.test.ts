// The verdict of `failover` (PROTOCOL §7a): an operator's election, and what the override asks for.
import { describe, expect, test } from "vitest";
import {
  judgeFailover,
  type Failover,
  type FailoverWish,
} from "../../recipes/mysql/core/override.ts";
import type { NodeRecord, State } from "../../recipes/mysql/core/observation.ts";
import { gtids, peerOf, uuid, type Name } from "./start.ts";

const STATE: State = {
  ver: 10,
  epoch: 5,
  phase: "open",
  primary: uuid("b"),
  prevPrimary: null,
  voters: [uuid("a"), uuid("b"), uuid("c")],
  acks: 1,
};

type More = Partial<Omit<NodeRecord, "answer">> & {
  readonly open?: boolean;
  readonly silent?: boolean;
};

function node(name: Name, more: More = {}): NodeRecord {
  const { open = false, silent, ...rest } = more;
  const { ageMs: _, ...peer } = peerOf(name);
  const answer = { intent: "wish", clusterId: "c", open, noted: STATE, pending: null };
  return { ...peer, seesPrimary: false, ...rest, answer: silent === true ? null : answer };
}

function judged(records: readonly NodeRecord[], wish: Partial<FailoverWish> = {}): Failover {
  const plain = { to: null, accept: false, off: null, initialize: "c" };
  return judgeFailover({ intent: "wish", state: STATE, records, ...plain, ...wish });
}

const dead = node("b", { silent: true });
const alone: State = { ...STATE, voters: [uuid("b")], acks: 0 };

describe("an operator's election", () => {
  test("is begun by the best of enough voters, or by the one that was named", () => {
    expect(judged([node("a"), dead, node("c")])).toMatchObject({
      kind: "elect",
      actor: { node: "a" },
    });
    const eager = node("c", { priority: 9 });
    expect(judged([node("a"), dead, eager])).toMatchObject({ actor: { node: "c" } });
    expect(judged([node("a"), dead, node("c")], { to: "c" })).toMatchObject({
      actor: { node: "c" },
    });
    expect(judged([node("b")])).toMatchObject({ kind: "elect", actor: { node: "b" } });
  });

  test("goes to nobody that lacks something, is tagged, or is no voter here", () => {
    const behind = node("c", { executed: gtids("b:1-90 m:1-5"), priority: 9 });
    expect(judged([node("a"), dead, behind])).toMatchObject({ actor: { node: "a" } });
    for (const [c, why] of [
      [behind, "does not hold"],
      [node("c", { noFailover: true }), "tagged"],
    ] as const) {
      const verdict = judged([node("a"), dead, c], { to: "c" });
      expect(verdict).toMatchObject({ kind: "refuse", why: expect.stringContaining(why) });
    }
    expect(judged([node("a"), dead, node("c")], { to: "b" })).toMatchObject({ kind: "refuse" });
  });

  test("is refused while a primary is open, or a voter still receives its transactions, whatever flag", () => {
    const flags = { accept: true, off: "b" };
    for (const records of [
      [node("a"), node("b", { open: true }), node("c")],
      [node("a", { seesPrimary: true }), dead, node("c")],
      [node("a", { seesPrimary: true, amnesiac: true }), dead],
    ]) {
      expect(judged(records)).toMatchObject({ kind: "refuse", accept: null });
      expect(judged(records, flags)).toMatchObject({ kind: "refuse", accept: null });
    }
  });

  test("is refused for want of promises, says whose, and names the flag", () => {
    const verdict = judged([node("a"), dead, node("c", { silent: true })]);
    expect(verdict).toMatchObject({ kind: "refuse", accept: "--accept-data-loss" });
    const { reasons } = verdict as Extract<Failover, { kind: "refuse" }>;
    expect(reasons.join()).toContain("1 voters can promise, 2 are needed");
    expect(reasons.join()).toContain("b, c");
    expect(judged([node("a"), dead, node("c", { amnesiac: true })])).toMatchObject({
      kind: "refuse",
    });
  });

  test("belongs to `adopt` where Consul has lost its state, or is older than anybody has seen", () => {
    const both = [node("a"), node("c")];
    expect(judged(both, { state: null })).toMatchObject({ kind: "refuse" });
    const seen = [node("a", { seenVer: 11 }), node("c")];
    expect(judged(seen)).toMatchObject({ kind: "refuse", why: expect.stringContaining("adopt") });
  });
});

describe("the override", () => {
  const flags = { accept: true, off: "b" };
  const gone = node("c", { silent: true });

  test("is only for where promises do not suffice", () => {
    expect(judged([node("a"), dead, node("c")], flags)).toMatchObject({ kind: "elect" });
  });

  test("asks for the promises of all that answered, in the next epoch, and says what may be lost", () => {
    const known = node("b", { silent: true, executed: gtids("b:1-130 m:1-5") });
    const spare = node("d");
    expect(judged([node("a"), known, gone, spare], flags)).toMatchObject({
      kind: "rewrite",
      how: "loss",
      next: {
        ver: 11,
        epoch: 6,
        phase: "electing",
        primary: null,
        prevPrimary: null,
        voters: [uuid("a"), uuid("d")],
        acks: 0,
      },
      loss: { epoch: 5, gtids: gtids("b:101-130"), missing: ["b", "c"] },
    });
  });

  test("wants the operator's word where k voters besides the last primary are missing, too", () => {
    const verdict = judged([node("a"), dead, gone], { accept: true });
    expect(verdict).toMatchObject({ kind: "refuse", accept: "--primary-is-off b" });
    expect(judged([node("a"), dead, gone], { accept: true, off: "c" })).toMatchObject({
      kind: "refuse",
    });
    expect(judged([node("a"), dead, gone], flags)).toMatchObject({ kind: "rewrite" });
    // N = 5, k = 2, two missing with it: nobody can acknowledge for it but two who are not here.
    const five: State = {
      ...STATE,
      acks: 2,
      voters: (["a", "b", "c", "d", "e"] as const).map(uuid),
    };
    const away = { accept: true, state: five };
    expect(
      judged([node("a"), node("d"), dead, gone, node("e", { silent: true })], away),
    ).toMatchObject({
      kind: "refuse",
      accept: "--primary-is-off b",
    });
    const four = { accept: true, state: { ...five, acks: 3, voters: five.voters.slice(0, 4) } };
    expect(
      judged(
        [node("a", { amnesiac: true }), node("d", { amnesiac: true }), node("e"), dead, gone],
        four,
      ),
    ).toMatchObject({
      kind: "refuse",
    });
  });

  test("wants that word always while k = 0, and not where the lone primary's own promise is to be had", () => {
    const both = [node("a"), node("c"), dead];
    expect(judged(both, { state: alone, accept: true })).toMatchObject({
      kind: "refuse",
      accept: "--primary-is-off b",
    });
    expect(judged(both, { ...flags, state: alone })).toMatchObject({
      kind: "rewrite",
      how: "loss",
    });
    expect(judged([node("a"), node("b")], { state: alone })).toMatchObject({
      kind: "elect",
      actor: { node: "b" },
    });
  });

  test("elects who holds the most of what is here, and refuses another one by name", () => {
    const ahead = node("d", { executed: gtids("b:1-105 m:1-5") });
    expect(judged([node("a"), dead, gone, ahead], flags)).toMatchObject({ actor: { node: "d" } });
    const named = { ...flags, to: "a" };
    expect(judged([node("a"), dead, gone, ahead], named)).toMatchObject({ kind: "refuse" });
    const sideways = node("d", { executed: gtids("b:1-99 x:1 m:1-5") });
    expect(judged([node("a"), dead, gone, sideways], flags)).toMatchObject({
      kind: "refuse",
      why: expect.stringContaining("incomparable"),
    });
  });

  test("counts no amnesiac: what it forgot, it may have acknowledged", () => {
    expect(judged([node("a", { amnesiac: true }), dead, gone], flags)).toMatchObject({
      kind: "refuse",
    });
    const verdict = judged([node("a"), node("d", { amnesiac: true }), dead, gone], flags);
    expect(verdict).toMatchObject({ kind: "rewrite", next: { voters: [uuid("a")] } });
  });
});
