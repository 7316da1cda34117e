// GTID sets against a naive model (a Set of single transactions), and against text that a real 9.7.4 accepts and prints.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  EMPTY,
  contains,
  equal,
  formatGtidSet,
  gtidSet,
  intersect,
  isEmpty,
  maxOf,
  parseGtidSet,
  restrictTo,
  size,
  subtract,
  union,
  without,
  type GtidSet,
} from "../../recipes/mysql/core/gtid.ts";

const A = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const B = "72f7dffe-e4bc-11f1-b71d-02fc00000001";

const single = fc.record({
  uuid: fc.constantFrom(A, B),
  tag: fc.constantFrom("", "", "", "_a", "b"),
  number: fc.integer({ min: 1, max: 30 }),
});
/** Text in any order, with single numbers and with ranges, with whitespace and upper case, and its model. */
const written = fc
  .array(fc.record({ at: single, length: fc.integer({ min: 0, max: 6 }), loud: fc.boolean() }), {
    maxLength: 12,
  })
  .map((parts) => {
    const model = new Set<string>();
    const texts = parts.map(({ at, length, loud }) => {
      for (let n = at.number; n <= at.number + length; n++) model.add(`${at.uuid}:${at.tag}:${n}`);
      const tag = at.tag === "" ? "" : `:${at.tag}`;
      const range = length === 0 ? `${at.number}` : `${at.number}-${at.number + length}`;
      const text = `${at.uuid}${tag}:${range}`;
      return loud ? ` ${text.toUpperCase()}\n` : text;
    });
    return { model, text: texts.join(","), set: gtidSet(texts.join(",")) };
  });

function members(set: GtidSet): Set<string> {
  const all = new Set<string>();
  for (const { uuid, tag, intervals } of set) {
    for (const { first, last } of intervals) {
      for (let n = first; n <= last; n++) all.add(`${uuid}:${tag}:${n}`);
    }
  }
  return all;
}

function minus(a: Set<string>, b: Set<string>): Set<string> {
  return new Set([...a].filter((gtid) => !b.has(gtid)));
}

describe("a GTID set agrees with a plain set of transactions", () => {
  test("when it is parsed and counted", () => {
    fc.assert(
      fc.property(written, ({ set, model }) => {
        expect(members(set)).toEqual(model);
        expect(size(set)).toBe(model.size);
        expect(isEmpty(set)).toBe(model.size === 0);
      }),
    );
  });

  test("in union, subtract and intersect", () => {
    fc.assert(
      fc.property(written, written, (a, b) => {
        expect(members(union(a.set, b.set))).toEqual(new Set([...a.model, ...b.model]));
        expect(members(subtract(a.set, b.set))).toEqual(minus(a.model, b.model));
        expect(members(intersect(a.set, b.set))).toEqual(minus(a.model, minus(a.model, b.model)));
      }),
    );
  });

  test("in contains and equal", () => {
    fc.assert(
      fc.property(written, written, (a, b) => {
        expect(contains(a.set, b.set)).toBe(minus(b.model, a.model).size === 0);
        expect(equal(a.set, b.set)).toBe(
          minus(a.model, b.model).size + minus(b.model, a.model).size === 0,
        );
        expect(contains(union(a.set, b.set), b.set)).toBe(true);
      }),
    );
  });

  test("in restrictTo, without and maxOf", () => {
    fc.assert(
      fc.property(written, ({ set, model }) => {
        const ofA = [...model].filter((gtid) => gtid.startsWith(A));
        expect(members(restrictTo(set, A.toUpperCase()))).toEqual(new Set(ofA));
        expect(members(without(set, A))).toEqual(minus(model, new Set(ofA)));
        const numbers = ofA.filter((g) => g.includes("::")).map((g) => Number(g.split("::")[1]));
        expect(maxOf(set, A)).toBe(Math.max(0, ...numbers));
      }),
    );
  });
});

describe("a GTID set is canonical", () => {
  test("so that formatting and parsing give the same value", () => {
    fc.assert(
      fc.property(written, ({ set }) => {
        expect(parseGtidSet(formatGtidSet(set))).toEqual(set);
      }),
    );
  });

  test("so that equal sets are the same value, however they were made", () => {
    fc.assert(
      fc.property(written, written, (a, b) => {
        expect(union(a.set, b.set)).toEqual(union(b.set, a.set));
        expect(union(subtract(a.set, b.set), intersect(a.set, b.set))).toEqual(a.set);
        expect(union(a.set, a.set)).toEqual(a.set);
        expect(intersect(a.set, b.set)).toEqual(subtract(a.set, subtract(a.set, b.set)));
        expect(subtract(a.set, a.set)).toEqual(EMPTY);
      }),
    );
  });

  test("so that union and intersect are associative and distribute", () => {
    fc.assert(
      fc.property(written, written, written, ({ set: a }, { set: b }, { set: c }) => {
        expect(union(a, union(b, c))).toEqual(union(union(a, b), c));
        expect(intersect(a, intersect(b, c))).toEqual(intersect(intersect(a, b), c));
        expect(intersect(a, union(b, c))).toEqual(union(intersect(a, b), intersect(a, c)));
      }),
    );
  });
});

describe("text", () => {
  // Left: accepted by gtid_subtract(…, '') of 9.7.4; right: what it prints.
  test.each([
    ["", ""],
    [" , ,\n", ""],
    [`${A}:1-5`, `${A}:1-5`],
    [`${A.toUpperCase()}:5:1-3:4`, `${A}:1-5`],
    [`${A}:1-3:5,\n${B}:7`, `${A}:1-3:5,${B}:7`],
    [`${A}:1-9: tag : 4-7:2`, `${A}:1-9:tag:2:4-7`],
    [`,, ${A}:1 - 9,${A}:TAG:3,`, `${A}:1-9:tag:3`],
    [`${A}:b:1:_a:1:3`, `${A}:_a:1:3:b:1`],
    [`${A.replaceAll("-", "")}:1`, `${A}:1`],
    [`{${A}}:1`, `${A}:1`],
    [`${A}:5-0`, ""],
    [`${A}:tag`, ""],
  ])("%j is the set %j", (text, canonical) => {
    const set = gtidSet(text);
    expect(formatGtidSet(set)).toBe(canonical);
  });

  test.each([
    `${A}:0`,
    `${A}:`,
    `${A}:5:`,
    `${A}:1-`,
    `${A}:-1`,
    `${A}:1-2-3`,
    `${A}:1x`,
    `${A}:tág:1`,
    `${A}:${"t".repeat(33)}:1`,
    `${A.slice(1)}:1`,
    "nonsense",
    `${A}:9007199254740993`,
  ])("%j is malformed", (text) => {
    expect(parseGtidSet(text)).toBeNull();
    expect(() => gtidSet(text)).toThrow(RangeError);
  });

  test("the tag and the untagged sequence of one uuid are different origins", () => {
    expect(contains(gtidSet(`${A}:1-9`), gtidSet(`${A}:tag:1`))).toBe(false);
    expect(maxOf(gtidSet(`${A}:1-3:tag:1-9`), A)).toBe(3);
  });
});
