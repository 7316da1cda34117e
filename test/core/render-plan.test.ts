// TEMPLATE:OUT[:COMMAND], and when changes have become quiet.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { changedAt, dueAt, type Unrest } from "../../src/core/render/quiet.ts";
import { parseTarget, templateName } from "../../src/core/render/target.ts";

describe("a target", () => {
  test("is a template and a file, with a command or without", () => {
    expect(parseTarget("a.tmpl:/etc/a.conf")).toEqual({
      template: { kind: "file", path: "a.tmpl" },
      out: "/etc/a.conf",
      command: null,
    });
    expect(parseTarget("a:b:nginx -t && curl http://x:80/")).toMatchObject({
      command: "nginx -t && curl http://x:80/",
    });
    const fromKey = parseTarget("kv:nginx/template:out:reload");
    expect(fromKey).toMatchObject({ template: { kind: "key", key: "nginx/template" }, out: "out" });
    expect(typeof fromKey === "string" ? "" : templateName(fromKey.template)).toBe(
      "kv:nginx/template",
    );
  });

  test("without one of them says what is missing", () => {
    expect(parseTarget("")).toContain("no template");
    expect(parseTarget("kv:")).toContain("no template");
    expect(parseTarget("a")).toContain("where to write");
    expect(parseTarget("a:")).toContain("where to write");
    expect(parseTarget("a:b: ")).toContain("command is empty");
    expect(parseTarget("a\0:b")).toContain("zero byte");
  });
});

describe("quiet", () => {
  const wait = { leastMs: 100, mostMs: 400 };

  test("comes a while after the last change, and not after too many", () => {
    const one = changedAt(null, 1000);
    expect(dueAt(one, wait)).toBe(1100);
    const two = changedAt(one, 1090);
    expect(dueAt(two, wait)).toBe(1190);
    expect(dueAt(changedAt(two, 1399), wait)).toBe(1400);
  });

  test("never waits longer than the most after the first change, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: 1 }), (steps) => {
        let [now, unrest]: [number, Unrest | null] = [0, null];
        for (const step of steps) unrest = changedAt(unrest, (now += step));
        const first = steps[0] ?? 0;
        const due = dueAt(unrest ?? { firstAt: 0, lastAt: 0 }, wait);
        expect(due).toBeLessThanOrEqual(first + wait.mostMs);
        expect(due).toBeGreaterThanOrEqual(Math.min(now + wait.leastMs, first + wait.mostMs));
      }),
    );
  });
});
