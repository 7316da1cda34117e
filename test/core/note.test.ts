// The note of PROTOCOL §7a: it never goes back, a pending change is kept until something decided it, and the careful
// configuration is safe under both.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { careful, isNoted, noting } from "../../recipes/mysql/core/note.ts";
import type { PromiseFacts, State } from "../../recipes/mysql/core/observation.ts";

const NOTHING: PromiseFacts = { epoch: 3, ver: 0, seenEpoch: 0 };
const at = (ver: number, more: Partial<State> = {}): State => ({
  ver,
  epoch: 5,
  phase: "open",
  primary: "p",
  prevPrimary: null,
  voters: ["p", "x", "y"],
  acks: 1,
  ...more,
});

describe("the note", () => {
  test("keeps the newest state that was read, and never lowers a number", () => {
    const newer = noting(NOTHING, at(12));
    expect(newer).toMatchObject({ epoch: 3, ver: 12, seenEpoch: 5, noted: { ver: 12 } });
    const older = noting(newer, at(9, { epoch: 4 }));
    expect(older).toMatchObject({ ver: 12, seenEpoch: 5, noted: { ver: 12 } });
  });

  test("keeps a change that was sent until a state of its version, or a later one, was read", () => {
    const sent = noting(noting(NOTHING, at(12)), at(12), at(13, { voters: ["p", "x"] }));
    expect(sent.pending).toMatchObject({ ver: 13 });
    expect(noting(sent, at(12)).pending).toMatchObject({ ver: 13 });
    expect(noting(sent, at(13)).pending).toBeNull();
    expect(noting(sent, at(14)).pending).toBeNull();
  });

  test("leaves the promise beside it, and that this node is amnesiac, as they are", () => {
    const noted = noting({ ...NOTHING, amnesiac: true }, at(12));
    expect(noted).toMatchObject({ epoch: 3, amnesiac: true });
  });

  test("knows a configuration by its epoch, voters and k, not by its version", () => {
    const noted = noting(NOTHING, at(12));
    expect(isNoted(noted, at(14, { phase: "promoting" }))).toBe(true);
    expect(isNoted(noted, at(14, { acks: 2 }))).toBe(false);
    expect(isNoted(noted, at(14, { voters: ["p", "x", "z"] }))).toBe(false);
    expect(isNoted(noted, at(14, { voters: ["p", "x", "y", "z"] }))).toBe(false);
    expect(isNoted(noted, at(14, { epoch: 6 }))).toBe(false);
    expect(isNoted(NOTHING, at(1))).toBe(false);
  });
});

describe("the careful configuration", () => {
  test("of a change in doubt has both voter sets and the smaller k; of going alone it is the old one", () => {
    const old = at(12);
    expect(careful(old, null)).toEqual({ voters: ["p", "x", "y"], acks: 1 });
    const added = at(13, { voters: ["p", "x", "z"], acks: 2 });
    expect(careful(old, added)).toEqual({ voters: ["p", "x", "y", "z"], acks: 1 });
    const alone = at(13, { voters: ["p"], acks: 0 });
    expect(careful(old, alone)).toEqual({ voters: ["p", "x", "y"], acks: 1 });
    const back = at(13, { voters: ["p", "x"], acks: 0 });
    expect(careful({ ...alone, ver: 12 }, back)).toEqual({ voters: ["p", "x"], acks: 0 });
  });

  const others = ["x", "y", "z", "w"];
  const subsets = (set: readonly string[]): string[][] =>
    set.reduce<string[][]>((all, one) => [...all, ...all.map((s) => [...s, one])], [[]]);

  test("meets, with each of its quorums, every set of acknowledgements that either side counts", () => {
    const config = fc.record({
      voters: fc.subarray(others, { minLength: 1 }).map((v) => ["p", ...v]),
      acks: fc.nat(3),
    });
    fc.assert(
      fc.property(config, config, (a, b) => {
        fc.pre(a.acks < a.voters.length && b.acks < b.voters.length && a.acks > 0 && b.acks > 0);
        const both = careful(at(12, a), at(13, b));
        const quorums = subsets(both.voters.filter((v) => v !== "p")).filter(
          (s) => s.length === both.voters.length - both.acks,
        );
        for (const { voters, acks } of [a, b])
          for (const acked of subsets(voters.filter((v) => v !== "p"))) {
            if (acked.length < acks) continue;
            for (const quorum of quorums) expect(quorum.some((v) => acked.includes(v))).toBe(true);
          }
      }),
    );
  });
});
