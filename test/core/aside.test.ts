// Which datadirs that were set aside go (PROTOCOL §7 "Rebuild"): never the only evidence, never more than are in the way.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeRoom, type RoomFacts } from "../../recipes/mysql/core/aside.ts";
import { deeds, says, situation } from "./situation.ts";

const GIB = 1024 ** 3;

/** Oldest first; "!" marks one whose evidence is not complete. */
const room = (names: string, more: Partial<RoomFacts> = {}): RoomFacts => ({
  aside: names
    .split(" ")
    .filter((name) => name !== "")
    .map((name) => ({ name, bytes: GIB, extracted: !name.endsWith("!") })),
  freeBytes: 100 * GIB,
  lastBytes: null,
  ...more,
});

describe("datadirs set aside", () => {
  test("are kept up to N, the oldest beyond go", () => {
    expect(makeRoom(room("a b c"), 3, null)).toEqual({ remove: [], missingBytes: 0 });
    expect(makeRoom(room("a b c d e"), 3, null).remove).toEqual(["a", "b"]);
  });

  test("stay beyond N where they are the only place of what others lack", () => {
    expect(makeRoom(room("a! b c d e"), 3, null).remove).toEqual(["b"]);
  });

  test("go in the way of a new copy, as many as it needs, oldest first, never the newest", () => {
    const tight = { freeBytes: 0, lastBytes: 1.5 * GIB };
    expect(makeRoom(room("a b c", tight), 3, null).remove).toEqual(["a", "b"]);
    expect(makeRoom(room("a b c", tight), 3, GIB / 2).remove).toEqual(["a"]);
    expect(makeRoom(room("a b!", { ...tight, freeBytes: GIB }), 3, null).remove).toEqual(["a"]);
  });

  test("go only as far as they are in the way: what is just enough is enough", () => {
    expect(makeRoom(room("a b c", { freeBytes: 0 }), 3, 0)).toEqual({
      remove: [],
      missingBytes: 0,
    });
    const aside = ["a", "b"].map((name) => ({ name, bytes: 11, extracted: true }));
    const just = makeRoom({ aside, freeBytes: 0, lastBytes: 10 }, 3, null);
    expect(just).toEqual({ remove: ["a"], missingBytes: 0 });
  });

  test("all stay where even their space would not be enough", () => {
    const tight = { freeBytes: 0, lastBytes: 10 * GIB };
    const { remove, missingBytes } = makeRoom(room("a b c d e", tight), 3, null);
    expect(remove).toEqual([]);
    expect(Math.round(missingBytes / GIB)).toBe(7);
  });

  test("hold the node with a code where there is no space, and else are removed before the clone", () => {
    const empty = situation().withVoters("b", "c").withoutDatadir();
    const short = { freeBytes: 0, lastBytes: 10 * GIB };
    expect(says(empty.and({ room: room("a b", short) }).decides())).toContain("AP_DISK_SPACE");
    const many = empty.and({ room: room("a b c d e") });
    expect(many.decides()).toMatchObject([{ do: "remove-aside", names: ["a", "b"] }]);
    expect(deeds(empty.and({ room: room("a b") }).decides())).toContain("provision");
    expect(deeds(empty.decides())).toContain("provision");
  });
});

const anyRoom = fc.record({
  aside: fc
    .array(fc.record({ bytes: fc.nat(100), extracted: fc.boolean() }), { maxLength: 8 })
    .map((all) => all.map((one, at) => ({ ...one, name: `d${at}` }))),
  freeBytes: fc.nat(300),
  lastBytes: fc.option(fc.nat(300), { nil: null }),
});

test("whatever stands there: no evidence goes, and what goes is the oldest, and needed", () => {
  fc.assert(
    fc.property(
      anyRoom,
      fc.integer({ min: 1, max: 5 }),
      fc.option(fc.nat(300), { nil: null }),
      (facts, keep, copy) => {
        const { remove, missingBytes } = makeRoom(facts, keep, copy);
        const { aside, freeBytes } = facts;
        const wanted = (copy ?? facts.lastBytes ?? 0) * 1.1;
        const gone = aside.filter((one) => remove.includes(one.name));
        const able = aside.slice(0, -1).filter((one) => one.extracted);
        const sum = (all: typeof aside): number => all.reduce((bytes, one) => bytes + one.bytes, 0);
        expect(able).toEqual(expect.arrayContaining([...gone]));
        // The oldest of those that may go.
        expect(gone).toEqual(able.slice(0, gone.length));
        if (missingBytes > 0) {
          expect(gone).toEqual([]);
          expect(freeBytes + sum(able)).toBeLessThan(wanted + 1);
          return;
        }
        expect(freeBytes + sum(gone)).toBeGreaterThanOrEqual(wanted);
        const [last] = gone.slice(-1);
        if (last === undefined) return;
        const beyond = aside.indexOf(last) < aside.length - keep;
        expect(beyond || freeBytes + sum(gone.slice(0, -1)) < wanted + 1).toBe(true);
      },
    ),
  );
});
