// Planned switchover by the primary (PROTOCOL §6): check, drain, hand over, release; or go on as before.
import { describe, expect, test } from "vitest";
import { DRAIN_WITHIN_MS, FRESH_MS } from "../../recipes/mysql/core/policy.ts";
import { successor, switchover } from "../../recipes/mysql/core/switchover.ts";
import { deeds, EPOCH, NOW, says, situation, the, uuid, type Situation } from "./situation.ts";

const primary = situation().withVoters("a", "b", "c").asPrimary();
const wished = primary.intent("switchover");

const acts = (s: Situation) => {
  const { primacy, consul } = s.observation;
  if (primacy === null || consul.state === null) throw new Error("no primary");
  return switchover(s.observation, primacy, consul.state.value) ?? [];
};
const to = (s: Situation, name: string | null = null): string => {
  const state = s.observation.consul.state?.value;
  if (state === undefined) throw new Error("no state");
  const found = successor(s.observation, state, name);
  return "no" in found ? found.no : found.peer.node;
};

describe("a wish", () => {
  test("is begun with a drain towards the named node, or towards the best", () => {
    expect(the("drain", acts(wished))).toMatchObject({ intent: "wish-1", to: uuid("b") });
    expect(the("drain", acts(primary.intent("switchover", { to: "c" }))).to).toBe(uuid("c"));
  });

  test("that cannot be fulfilled is answered with the reason, and nothing is drained", () => {
    const s = primary.intent("switchover", { to: "d" });
    expect(acts(s)).toMatchObject([
      { do: "answer-intent", intent: "wish-1", ok: false, why: "no node d" },
    ]);
  });

  test("that has its answer is done", () => {
    const outcome = { ok: true, says: "done", at: "", stoodStillMs: 1 };
    expect(acts(primary.intent("switchover", { outcome }))).toEqual([]);
  });

  test("waits while a change of V or k is under way, and until the primary is open", () => {
    expect(acts(wished.changing("add"))).toEqual([]);
    expect(acts(situation().asPrimary("marking").intent("switchover"))).toEqual([]);
  });

  test("of an older epoch is not carried out: the world has moved", () => {
    const s = primary.intent("switchover", { epoch: EPOCH - 2 });
    expect(acts(s)).toMatchObject([{ do: "answer-intent", ok: false }]);
    expect(says(acts(s))).toContain("asked at epoch 3, now it is 5");
  });

  test("that this node is the outcome of is answered by the one who handed over, or after 3 s by this one", () => {
    const opened = (ms: number, name: string | null) =>
      primary
        .intent("switchover", { epoch: EPOCH - 1, to: name })
        .and({ primacy: { epoch: EPOCH, incarnation: 1, stage: "open", since: NOW - ms } });
    expect(acts(opened(2_999, "a"))).toEqual([]);
    expect(acts(opened(3_000, "a"))).toMatchObject([{ do: "answer-intent", ok: true }]);
    expect(acts(opened(3_000, null))).toMatchObject([{ do: "answer-intent", ok: true }]);
    expect(acts(opened(3_000, "b"))).toMatchObject([{ do: "answer-intent", ok: false }]);
  });
});

describe("the successor", () => {
  test("is the one with the highest priority, then the least lag, then the first uuid", () => {
    expect(to(primary)).toBe("b");
    expect(to(primary.peer("b", { lagSeconds: 2 }))).toBe("c");
    expect(to(primary.peer("b", { lagSeconds: 2, priority: 1 }))).toBe("b");
  });

  test.each([
    ["has not reported lately", { ageMs: FRESH_MS + 1 }],
    ["is stopping", { stopping: true }],
    ["is stopping", { stopped: true }],
    ["is tagged nofailover", { noFailover: true }],
    ["cannot follow", { needsRebuild: true }],
    ["lags 6 s", { lagSeconds: 6 }],
    ["lags ? s", { lagSeconds: null }],
    ["is amnesiac: it cannot prove what it acknowledged", { amnesiac: true }],
  ] as const)("is nobody who %s", (why, odd) => {
    expect(to(primary.peer("b", odd), "b")).toBe(`b: ${why}`);
    expect(to(primary.peer("b", odd))).toBe("c");
  });

  test("is nobody who is not connected, not in V, or primary already", () => {
    expect(to(primary.connected("c"), "b")).toBe("b: is not connected");
    expect(to(primary.peer("d"), "d")).toBe("d: is not a voter");
    expect(to(primary.peer("a"), "a")).toBe("a: is the primary already");
    expect(to(primary, "e")).toBe("no node e");
  });

  test("is nobody in a paused cluster, nor where no voter is eligible", () => {
    expect(to(primary.consul({ paused: true }))).toBe("the cluster is paused");
    expect(to(situation().withVoters("a").asPrimary())).toBe("no other voter is eligible");
  });

  test("of a name that had several lives is the one that votes", () => {
    const s = primary.peer("d", { node: "b" });
    expect(to(s, "b")).toBe("b");
    expect(the("drain", acts(s.intent("switchover", { to: "b" }))).to).toBe(uuid("b"));
  });
});

describe("a drained primary", () => {
  const drained = (ms = 500) =>
    situation()
      .withVoters("a", "b", "c")
      .asPrimary("drained")
      .and({
        switchover: { id: "wish-1", to: uuid("b") },
        primacy: { epoch: EPOCH, incarnation: 1, stage: "drained", since: NOW - ms },
      });

  test("waits until the successor holds everything, and only then gives the lock to it", () => {
    const acted = acts(drained());
    expect(deeds(acted)).toEqual(["hand-over", "release-lock"]);
    expect(the("hand-over", acted)).toMatchObject({ to: uuid("b"), host: "b.test", port: 3306 });
    expect(the("release-lock", acted)).toMatchObject({
      prefer: uuid("b"),
      closed: true,
      gaveUp: false,
    });
  });

  test("goes on as before where the successor does not catch up in time, or is gone", () => {
    expect(deeds(acts(drained(DRAIN_WITHIN_MS)))).toEqual(["hand-over", "release-lock"]);
    expect(acts(drained(DRAIN_WITHIN_MS + 1))).toMatchObject([{ do: "undrain", epoch: EPOCH }]);
    const gone = drained().consul({ peers: [] });
    expect(deeds(acts(gone))).toEqual(["undrain"]);
  });

  test("waits for the successor's election, and takes the lock back when nobody came", () => {
    const released = (ms: number) => drained(60_000).lockFree(ms, { prefer: "b", closed: true });
    expect(deeds(acts(released(DRAIN_WITHIN_MS)))).toEqual(["hold"]);
    expect(deeds(acts(released(DRAIN_WITHIN_MS + 1)))).toEqual(["reacquire", "undrain"]);
  });

  test("waits while the successor holds the lock, however long: undraining could only race it", () => {
    expect(deeds(acts(drained(60_000).lockHeldBy("b")))).toEqual(["hold"]);
  });

  test("never undrains once a newer epoch is there", () => {
    expect(acts(drained(60_000).epoch(6))).toEqual([]);
    const s = drained(60_000)
      .lockFree(60_000)
      .state({ epoch: 6, phase: "electing", primary: null });
    expect(deeds(s.decides())).toEqual(["promise"]);
  });

  test("answers the successor's election with its own promise, which replaces the quorum", () => {
    const s = drained().askedToPromise(6, "b");
    expect(deeds(s.decides())).toEqual(["promise"]);
  });
});
