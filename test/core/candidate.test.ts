// Whether enough have promised, and who holds everything (PROTOCOL §4 steps 4, 5).
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { judge } from "../../recipes/mysql/core/candidate.ts";
import { choose } from "../../recipes/mysql/core/choice.ts";
import { contains, formatGtidSet, gtidSet } from "../../recipes/mysql/core/gtid.ts";
import {
  COLD_START_WAIT_MS,
  FRESH_MS,
  OWN_PROMISE_WAIT_MS,
} from "../../recipes/mysql/core/policy.ts";
import { heldSet, quorum } from "../../recipes/mysql/core/state.ts";
import { gtids, HEAD, situation, uuid, type Name, type Situation } from "./situation.ts";

const stateOf = (s: Situation) => {
  const entry = s.observation.consul.state;
  if (entry === null) throw new Error("no state");
  return entry.value;
};
const judged = (s: Situation, forMs = 60_000) => judge(s.observation, stateOf(s), forMs);
const winner = (s: Situation): string | null => {
  const verdict = judged(s);
  return verdict.kind === "chosen" ? (verdict.winner?.node ?? "nobody") : null;
};
/** `a` is the candidate of epoch 6 in a cluster of these voters; `last` was the primary before. */
const election = (voters: readonly Name[], last: Name | null = "b") =>
  situation()
    .withVoters(...voters)
    .epoch(6)
    .asCandidate(last);

describe("the quorum", () => {
  test("needs N − k promises of voters other than the last primary", () => {
    const s = election(["a", "b", "c"]);
    expect(judged(s)).toMatchObject({ kind: "wait", why: /have 1 promises, need 2/ });
    expect(judged(s.promisedBy("c"))).toMatchObject({ kind: "chosen" });
  });

  test("says who is missing", () => {
    expect(judged(election(["a", "b", "c"]))).toMatchObject({
      why: "have 1 promises, need 2, missing: bbbbbbbb, cccccccc",
    });
    const five = election(["a", "b", "c", "d", "e"]).promisedBy("c");
    expect(judged(five)).toMatchObject({
      why: "have 2 promises, need 4, missing: bbbbbbbb, dddddddd, eeeeeeee",
    });
  });

  test.each([
    [["a", "b"], 1, []],
    [["a", "b", "c"], 1, ["c"]],
    [["a", "b", "c"], 2, []],
    [["a", "b", "c", "d"], 1, ["c", "d"]],
    [["a", "b", "c", "d", "e"], 2, ["c", "d"]],
    [["a", "b", "c", "d", "e"], 3, ["c"]],
  ] as const)(
    "of V = %j with k = %i is reached with the promises of a and %j, not before",
    (v, k, more) => {
      let s = election(v).acks(k);
      for (const name of more) {
        expect(judged(s).kind).toBe("wait");
        s = s.promisedBy(name);
      }
      expect(judged(s).kind).toBe("chosen");
    },
  );

  test("is replaced by the last primary's own promise, which holds everything it ever acknowledged", () => {
    const s = election(["a", "b", "c", "d", "e"]).acks(1);
    expect(judged(s).kind).toBe("wait");
    expect(judged(s.promisedBy("b")).kind).toBe("chosen");
  });

  // §7: a Consul that was restored names an older last primary, and that one knows nothing of what came after it.
  test("which counts alone only when every node that runs has had the time to say that it joined a newer epoch", () => {
    const s = election(["a", "b", "c", "d", "e"]).acks(1).promisedBy("b");
    const soon = judged(s, OWN_PROMISE_WAIT_MS - 1);
    expect(soon).toMatchObject({ kind: "wait", why: /looking for a newer epoch/ });
    const newer = s.peer("d", { joined: 9, ageMs: 0 });
    expect(judged(newer)).toMatchObject({ kind: "refuse", why: /waiting for a person/ });
    expect(judged(s.peer("d", { joined: 9, ageMs: FRESH_MS + 1 })).kind).toBe("chosen");
    // A quorum of others would know: whoever joined a newer epoch without their acknowledgement has shown it to nobody.
    const enough = newer.promisedBy("c").promisedBy("e").promisedBy("d");
    expect(judged(enough, 0).kind).toBe("chosen");
  });

  test("which counts at once where it released the lock right after a proof that no newer one was open", () => {
    const s = election(["a", "b", "c", "d", "e"]).acks(1).promisedBy("b");
    const { epoch } = stateOf(s);
    expect(judged(s.and({ provenFor: epoch }), 0).kind).toBe("chosen");
    expect(judged(s.and({ provenFor: epoch - 1 }), 0).kind).toBe("wait");
    const newer = s.and({ provenFor: epoch }).peer("d", { joined: 9, ageMs: 0 });
    expect(judged(newer, 0).kind).toBe("refuse");
  });

  test("does not count the last primary among the others", () => {
    // a alone with k = 0 of two voters: two others would be needed, and b is not one of them.
    const s = election(["a", "b"], "a").acks(0);
    expect(judged(s.consul({ promises: [] }).promisedBy("b")).kind).toBe("wait");
  });

  test("does not count the promise of a node outside V, not even that of the last primary", () => {
    expect(judged(election(["a", "b", "c"]).promisedBy("d")).kind).toBe("wait");
    expect(judged(election(["a", "c", "d"], "b").promisedBy("b")).kind).toBe("wait");
  });

  test("does not count an amnesiac, not even the last primary", () => {
    const s = election(["a", "b", "c"]);
    expect(judged(s.promisedBy("c", HEAD, { amnesiac: true })).kind).toBe("wait");
    expect(judged(s.promisedBy("b", HEAD, { amnesiac: true })).kind).toBe("wait");
  });

  test("does not count promises of another epoch", () => {
    expect(judged(election(["a", "b", "c"]).promisedBy("c", HEAD, { epoch: 5 })).kind).toBe("wait");
  });

  test("with k = 0 nobody is elected without the promise of the last primary itself", () => {
    const s = election(["a", "b", "c"]).acks(0).promisedBy("c");
    expect(judged(s).kind).toBe("wait");
    expect(judged(s.promisedBy("b")).kind).toBe("chosen");
  });

  test("is never lowered by time", () => {
    expect(judged(election(["a", "b", "c"]), 1e9).kind).toBe("wait");
  });

  test("of q promises and k acknowledgements is the whole of V", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(8), (n, k) => {
        fc.pre(k < n);
        const voters = Array.from({ length: n }, (_, at) => `v${at}`);
        expect(quorum({ voters, acks: k }) + k).toBe(n);
      }),
    );
  });
});

describe("a cold start", () => {
  const cold = election(["a", "b", "c"]).promisedBy("c").and({ sawPrimary: false });

  test("waits for the last primary's own promise, so that its tail does not make it errant", () => {
    expect(judged(cold, COLD_START_WAIT_MS - 1)).toMatchObject({ kind: "wait", why: /cold start/ });
    expect(judged(cold, COLD_START_WAIT_MS).kind).toBe("chosen");
  });

  test("waits no longer once that promise is there", () => {
    expect(judged(cold.promisedBy("b"), 0).kind).toBe("chosen");
  });

  test("does not wait for a last primary that is not a voter any more", () => {
    const s = election(["a", "c"], "b").acks(0).promisedBy("c").and({ sawPrimary: false });
    expect(judged(s, 0).kind).toBe("chosen");
  });

  test("is told from a fault: whoever saw an open primary does not wait", () => {
    expect(judged(cold.and({ sawPrimary: true }), 0).kind).toBe("chosen");
  });
});

describe("the choice", () => {
  const two = election(["a", "b", "c"]);

  test("is the node that has joined the newest epoch, even where another has more transactions", () => {
    const s = two.promisedBy("a", "b:1-900 m:1-4").promisedBy("c", "b:1-100 c:1 m:1-5");
    expect(winner(s)).toBe("c");
  });

  test("is, within one epoch, the one that contains the others", () => {
    expect(winner(two.promisedBy("a", "b:1-99 m:1-5").promisedBy("c", "b:1-100 m:1-5"))).toBe("c");
    expect(winner(two.promisedBy("a", "b:1-100 m:1-5").promisedBy("c", "b:1-99 m:1-5"))).toBe("a");
  });

  test("counts what was received and not yet applied", () => {
    const s = two
      .promisedBy("a", "b:1-100 m:1-5")
      .promisedBy("c", "b:1-50 m:1-5", { retrieved: gtids("b:51-101") });
    expect(winner(s)).toBe("c");
  });

  test("elects nobody of incomparable sets, and lists what each of them lacks", () => {
    const s = two.promisedBy("a", "b:1-100 x:1 m:1-5").promisedBy("c", "b:1-101 m:1-5");
    expect(judged(s)).toEqual({
      kind: "refuse",
      why: `incomparable GTID sets, nobody holds everything: a lacks ${gtids("b:101")}; c lacks ${gtids("x:1")}`,
    });
  });

  test("of the target is the union, so that a third who holds both may win", () => {
    const s = election(["a", "b", "c", "d"])
      .promisedBy("a", "b:1-100 x:1 m:1-5")
      .promisedBy("c", "b:1-101 m:1-5")
      .promisedBy("d", "b:1-101 x:1 m:1-5");
    expect(winner(s)).toBe("d");
  });

  test("is nobody where only ineligible nodes hold everything", () => {
    const newer = "b:1-101 m:1-5";
    for (const tag of [{ noFailover: true }, { stopping: true }])
      expect(winner(two.promisedBy("c", newer, tag))).toBe("nobody");
  });

  test("names nobody to copy the rest where somebody eligible holds everything", () => {
    expect(judged(two.promisedBy("c"))).toMatchObject({ kind: "chosen", fetcher: null });
  });

  test("names one to copy the rest where at least one holder can still feed it", () => {
    const more = { noFailover: true };
    const s = election(["a", "b", "c", "d"])
      .promisedBy("c", "b:1-101 m:1-5", { ...more, purged: gtids("b:1-101 m:1-5") })
      .promisedBy("d", "b:1-101 m:1-5", more);
    expect(judged(s)).toMatchObject({ winner: null, fetcher: { node: "a" } });
  });

  test("between two that are equal and not this node is the lower uuid, in whatever order they come", () => {
    const s = election(["a", "b", "c", "d"]).promisedBy("a", "b:1-99 m:1-5");
    expect(winner(s.promisedBy("c").promisedBy("d"))).toBe("c");
    expect(winner(s.promisedBy("d").promisedBy("c"))).toBe("c");
  });

  test("ignores the set of a node outside V", () => {
    const s = two.promisedBy("c").promisedBy("d", "b:1-999 m:1-9");
    expect(winner(s)).toBe("a");
  });

  test("ignores the set of an amnesiac", () => {
    const s = election(["a", "b", "c", "d"]).promisedBy("c").promisedBy("d", "b:1-999 m:1-5");
    expect(winner(s)).toBe("d");
    expect(winner(s.promisedBy("b").promisedBy("d", "b:1-999 m:1-5", { amnesiac: true }))).toBe(
      "a",
    );
  });

  test("between equals is this node, which saves a round", () => {
    expect(winner(two.promisedBy("c"))).toBe("a");
  });

  test("between equals is the one with the higher priority", () => {
    expect(winner(two.promisedBy("c", HEAD, { priority: 1 }))).toBe("c");
    expect(
      winner(two.promisedBy("a", HEAD, { priority: 2 }).promisedBy("c", HEAD, { priority: 1 })),
    ).toBe("a");
  });

  test("between equals leaves it to another only for a backlog that is worth a round", () => {
    const behind = (backlog: number) => two.promisedBy("a", HEAD, { backlog }).promisedBy("c");
    expect(winner(behind(10_000))).toBe("a");
    expect(winner(behind(10_001))).toBe("c");
  });
});

describe("for any promises", () => {
  const VOTERS: readonly Name[] = ["a", "b", "c", "d", "e"];
  /** One epoch of primary `b`: each other voter has received a prefix; those who promised are the first of a shuffle. */
  const story = fc
    .record({ n: fc.integer({ min: 2, max: 5 }), k: fc.integer({ min: 1, max: 4 }) })
    .filter(({ n, k }) => k < n)
    .chain(({ n, k }) => {
      const others: Name[] = VOTERS.filter((v) => v !== "b").slice(0, n - 1);
      return fc.record({
        k: fc.constant(k),
        others: fc.constant(others),
        prefix: fc.array(fc.nat(20), { minLength: n - 1, maxLength: n - 1 }),
        joined: fc.array(fc.boolean(), { minLength: n - 1, maxLength: n - 1 }),
        promisers: fc.shuffledSubarray(others, { minLength: n - k, maxLength: n - 1 }),
      });
    })
    .filter(({ others, k }) => others.length + 1 - k <= others.length);

  test("of a quorum, the target holds every transaction that k voters acknowledged", () => {
    fc.assert(
      fc.property(story, ({ k, others, prefix, promisers }) => {
        const has = (name: Name): number => prefix[others.indexOf(name)] ?? 0;
        const acked = others.map(has).toSorted((x, y) => y - x)[k - 1] ?? 0;
        const me = promisers[0] ?? "a";
        let s = situation()
          .withVoters("b", ...others)
          .acks(k)
          .epoch(6)
          .asCandidate("b")
          .consul({ promises: [] })
          .me({ uuid: uuid(me), node: me });
        for (const name of promisers) s = s.promisedBy(name, `b:1-${has(name) + 1} m:1-5`);
        const verdict = judged(s);
        expect(verdict.kind).toBe("chosen");
        if (verdict.kind !== "chosen") return;
        expect(contains(verdict.target, gtidSet(gtids(`b:1-${acked + 1} m:1-5`)))).toBe(true);
        expect(verdict.winner).not.toBeNull();
      }),
    );
  });

  test("the winner holds the target, and the target holds the sets of all who joined the newest epoch", () => {
    const promise = fc.record({
      b: fc.nat(5),
      c: fc.nat(5),
      joined: fc.integer({ min: 1, max: 3 }),
      received: fc.nat(5),
      noFailover: fc.boolean(),
      stopping: fc.boolean(),
      priority: fc.nat(2),
      backlog: fc.nat(30_000),
    });
    fc.assert(
      fc.property(fc.array(promise, { minLength: 1, maxLength: 5 }), (promises) => {
        let s = election(VOTERS);
        for (const [at, p] of promises.entries()) {
          const set = `b:1-${p.b + 1} c:1-${p.c + 1} m:1-${p.joined}`;
          const { noFailover, stopping, priority, backlog } = p;
          const retrieved = gtids(`b:1-${p.received + 1}`);
          const more = { noFailover, stopping, priority, backlog, retrieved };
          s = s.promisedBy(VOTERS[at] ?? "e", set, more);
        }
        const all = s.observation.consul.promises;
        const verdict = choose(s.observation, all);
        const newest = Math.max(...all.map((p) => p.joined));
        const best = all.filter((p) => p.joined === newest);
        if (verdict.kind !== "chosen") {
          const someoneHoldsAll = best.some((p) =>
            best.every((x) => contains(heldSet(p), heldSet(x))),
          );
          expect(someoneHoldsAll).toBe(false);
          return;
        }
        for (const p of best) expect(contains(verdict.target, heldSet(p))).toBe(true);
        if (verdict.winner === null) return;
        expect(verdict.winner.joined).toBe(newest);
        expect(verdict.winner.noFailover || verdict.winner.stopping).toBe(false);
        expect(contains(heldSet(verdict.winner), verdict.target)).toBe(true);
        expect(formatGtidSet(heldSet(verdict.winner))).toBe(formatGtidSet(verdict.target));
      }),
    );
  });
});
