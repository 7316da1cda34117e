// A datadir that went back in time (PROTOCOL §2, S29).
import { describe, expect, test } from "vitest";
import { forgotData, forgotPromise, isElsewhere } from "../../recipes/mysql/core/amnesia.ts";
import type { GtidFacts } from "../../recipes/mysql/core/observation.ts";
import { gtids } from "./situation.ts";

const PROMISE = { epoch: 5, ver: 10, seenEpoch: 5 };
const said = (promised: number, amnesiac = false) => ({ promised, amnesiac });

describe("a promise", () => {
  test("is whole where Consul remembers nothing, or no more than the disk says", () => {
    expect(forgotPromise(PROMISE, null)).toBe(false);
    expect(forgotPromise(PROMISE, said(0))).toBe(false);
    expect(forgotPromise(PROMISE, said(5))).toBe(false);
  });

  test("is forgotten where Consul remembers a newer one", () => {
    expect(forgotPromise(PROMISE, said(6))).toBe(true);
  });

  test("stays forgotten where the disk says so, whatever Consul has lost", () => {
    expect(forgotPromise({ ...PROMISE, amnesiac: true }, null)).toBe(true);
    expect(forgotPromise({ ...PROMISE, amnesiac: true }, said(5))).toBe(true);
    expect(forgotPromise({ ...PROMISE, amnesiac: false }, said(5))).toBe(false);
  });

  test("stays forgotten where the last record says so: the disk learns it with the next promise only", () => {
    expect(forgotPromise(PROMISE, said(5, true))).toBe(true);
  });
});

describe("data", () => {
  const sets = (executed: string, retrieved = ""): GtidFacts => ({
    executed: gtids(executed),
    retrieved: gtids(retrieved),
    purged: "",
  });

  test("is whole where it holds what was said of it, or more, executed or not", () => {
    expect(forgotData(sets("b:1-9"), sets("b:1-9"))).toBe(false);
    expect(forgotData(sets("b:1-12"), sets("b:1-9"))).toBe(false);
    expect(forgotData(sets("b:1-9"), sets("b:1-7", "b:8-9"))).toBe(false);
    expect(forgotData(sets("b:1-7", "b:8-9"), sets("b:1-9"))).toBe(false);
    expect(forgotData(sets("b:1-9"), sets(""))).toBe(false);
  });

  test("is lost where something was received, or executed, and is not there", () => {
    expect(forgotData(sets("b:1-8"), sets("b:1-9"))).toBe(true);
    expect(forgotData(sets("b:1-8"), sets("b:1-8", "b:9"))).toBe(true);
    expect(forgotData(sets("b:1-20"), sets("b:1-9 m:1-3"))).toBe(true);
    expect(forgotData(sets(""), sets("b:1"))).toBe(true);
  });
});

describe("a datadir is elsewhere", () => {
  const me = { node: "a", host: "a.test", port: 3306 };

  test("where its record names another node, host or port", () => {
    expect(isElsewhere({ ...me, stopped: false }, me)).toBe(false);
    expect(isElsewhere({ ...me, node: "b", stopped: false }, me)).toBe(true);
    expect(isElsewhere({ ...me, host: "b.test", stopped: false }, me)).toBe(true);
    expect(isElsewhere({ ...me, port: 3307, stopped: false }, me)).toBe(true);
  });

  test("no longer once that one said that it stopped", () => {
    expect(isElsewhere({ ...me, node: "b", stopped: true }, me)).toBe(false);
  });
});
