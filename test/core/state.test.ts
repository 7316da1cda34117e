// What follows from the key `state` alone (PROTOCOL §1, §4, §7).
import { describe, expect, test } from "vitest";
import {
  changed,
  founded,
  heldSet,
  holdsLock,
  isCandidate,
  isSettled,
  joinedEpoch,
  lastPublished,
  opened,
  published,
  quorum,
  raised,
  short,
} from "../../recipes/mysql/core/state.ts";
import { formatGtidSet } from "../../recipes/mysql/core/gtid.ts";
import { gtids, MARKER, situation, uuid, type Situation } from "./situation.ts";

const open = situation().withVoters("a", "b", "c").observation.consul.state?.value;
if (open === undefined) throw new Error("a situation has a state");

describe("an election's state", () => {
  const next = raised(open);

  test("is the next epoch with nobody published, and one version on", () => {
    expect(next).toMatchObject({ epoch: 6, ver: 11, phase: "electing", primary: null });
  });

  test("never changes V or k: only a published primary does", () => {
    expect(next.voters).toEqual(open.voters);
    expect(next.acks).toBe(open.acks);
  });

  test("keeps the last published primary, also through elections that came to nothing", () => {
    expect(next.prevPrimary).toBe(uuid("b"));
    expect(raised(next).prevPrimary).toBe(uuid("b"));
    expect(lastPublished(raised(next))).toBe(uuid("b"));
  });

  test("takes who was published for it, although it never opened", () => {
    expect(raised(published(next, uuid("c"))).prevPrimary).toBe(uuid("c"));
  });
});

describe("a reign's states", () => {
  test("are promoting, then open, in one epoch, each one version on", () => {
    const promoting = published(raised(open), uuid("c"));
    expect(promoting).toMatchObject({ epoch: 6, ver: 12, phase: "promoting", primary: uuid("c") });
    expect(promoting.prevPrimary).toBe(uuid("b"));
    expect(opened(promoting)).toMatchObject({
      epoch: 6,
      ver: 13,
      phase: "open",
      primary: uuid("c"),
    });
  });

  test("change V and k without touching the reign, in one order of voters", () => {
    const fewer = changed(open, [uuid("c"), uuid("a")], 0);
    expect(fewer).toEqual({ ...open, ver: 11, voters: [uuid("a"), uuid("c")], acks: 0 });
  });

  test("begin with the founder alone, before the first epoch", () => {
    expect(founded(uuid("a"))).toEqual({
      ver: 1,
      epoch: 0,
      phase: "electing",
      primary: null,
      prevPrimary: null,
      voters: [uuid("a")],
      acks: 0,
    });
  });
});

test("the quorum is what k leaves of V", () => {
  expect(quorum({ voters: ["a", "b", "c"], acks: 1 })).toBe(2);
  expect(quorum({ voters: ["a"], acks: 0 })).toBe(1);
});

describe("what a node holds", () => {
  const facts = { executed: gtids("b:1-90 m:1-4"), retrieved: gtids("b:50-100 m:5"), purged: "" };

  test("is what it has executed and what it has received", () => {
    expect(formatGtidSet(heldSet(facts))).toBe(gtids("b:1-100 m:1-5"));
  });

  test("says which epoch it has joined: the newest marker, received or executed", () => {
    expect(joinedEpoch(facts, MARKER)).toBe(5);
    expect(joinedEpoch({ ...facts, retrieved: "" }, MARKER)).toBe(4);
    expect(joinedEpoch({ executed: gtids("b:1-9"), retrieved: "", purged: "" }, MARKER)).toBe(0);
  });
});

describe("the lock", () => {
  test("is held by this node's session only", () => {
    expect(holdsLock(situation().lockHeldBy("a").observation)).toBe(true);
    expect(holdsLock(situation().lockHeldBy("b").observation)).toBe(false);
    expect(holdsLock(situation().lockFree().observation)).toBe(false);
    expect(holdsLock(situation().lockFree().consul({ session: null }).observation)).toBe(false);
    expect(holdsLock(situation().consul({ leader: null }).observation)).toBe(false);
  });

  test("makes the candidate of its epoch, from what Consul says alone: a lost answer needs no memory", () => {
    const s = situation().epoch(6).asCandidate();
    expect(isCandidate(s.observation)).toBe(true);
    expect(isCandidate(s.and({ candidateSince: null }).observation)).toBe(true);
    expect(isCandidate(s.epoch(7).observation)).toBe(false);
    expect(isCandidate(s.state({ phase: "promoting" }).observation)).toBe(false);
    expect(isCandidate(s.lockHeldBy("b").observation)).toBe(false);
    expect(isCandidate(s.me({ uuid: uuid("d") }).observation)).toBe(false);
    expect(isCandidate(s.consul({ session: "session-new" }).observation)).toBe(false);
  });

  test("makes nobody the candidate of epoch 0, which is the founder's", () => {
    expect(isCandidate(situation().epoch(0).asCandidate(null).observation)).toBe(false);
  });
});

describe("what the cluster goes on with", () => {
  const settled = (s: Situation): boolean => {
    const state = s.observation.consul.state?.value;
    return state !== undefined && isSettled(state, s.observation.consul.peers);
  };
  const promoting = situation().state({ phase: "promoting" }).peer("b", { state: "marked" });

  test("is the data of an open primary, or of one whose marker is acknowledged", () => {
    expect(settled(situation())).toBe(true);
    expect(settled(promoting)).toBe(true);
  });

  test.each([
    ["is being elected", promoting.state({ phase: "electing", primary: null })],
    ["waits for its marker", promoting.peer("b", { state: "marking" })],
    ["said so in another epoch", promoting.peer("b", { epoch: 4 })],
    ["is not known", promoting.consul({ peers: [] })],
    ["is another than the one that said so", promoting.state({ primary: uuid("c") })],
  ] as const)("is not that of a node that %s", (_, s) => {
    expect(settled(s)).toBe(false);
  });
});

test("people tell uuids apart by eight digits", () => {
  expect(short(uuid("a"))).toBe("aaaaaaaa");
});
