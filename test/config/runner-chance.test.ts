// Good configurations with anything in one of their places: taken, or told, and nothing else.
import fc from "fast-check";
import JSON5 from "json5";
import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/errors.ts";
import { load } from "./runner.ts";

describe("a configuration by chance", () => {
  test("whatever stands at a key, it is taken or told: nothing else is thrown", () => {
    const good = [
      `{ consul: { address: "c:1", tls: { verify: true } }, logging: { level: "INFO" }, stopTimeout: 5, control: { socket: "/s" },
        jobs: [ { name: "web", exec: ["x"], port: 80, interfaces: ["inet"], tags: ["a"], restarts: 1, timeout: "5s", env: { A: "b" },
          when: { source: "watch.db", each: "changed", after: [{ source: "watch.db", event: "healthy" }] }, stopAfter: ["next"],
          health: { exec: "y", interval: 5, ttl: 10 }, exit: { successCodes: [0] } }, { name: "next", exec: "z" } ],
        watches: [ { name: "db", interval: 3 } ], telemetry: { metrics: [ { name: "m", help: "h", type: "gauge" } ] } }`,
      `{ consul: "c:1", preStart: "a", preStop: ["b"], services: [ { name: "web", port: 80, poll: 1, ttl: 5, tags: ["t"] } ],
        backends: [ { name: "db", poll: 1, onChange: "c" } ], tasks: [ { command: "d", frequency: "5s" } ],
        coprocesses: [ { command: "e", restarts: 1 } ], telemetry: { sensors: [ { name: "s", help: "h", type: "gauge", poll: 1, check: "f" } ] } }`,
    ].map((text) => JSON5.parse<unknown>(text));
    const odd = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.constantFrom(
        null,
        true,
        0.5,
        -1,
        "5s",
        "web",
        "changed",
        [],
        {},
        [null],
        [[]],
        { exec: {} },
        "__proto__",
      ),
    );
    let taken = 0;
    fc.assert(
      fc.property(fc.constantFrom(...good), fc.nat(), odd, (tree, at, value) => {
        const places = [...placesIn(tree)];
        const [parents = [], key = ""] = places[at % places.length] ?? [];
        const text = JSON.stringify(replaced(tree, parents, key, value));
        try {
          load(text, { command: ["app"] });
          taken += 1;
        } catch (error) {
          if (!(error instanceof ConfigError)) throw new Error(text, { cause: error });
        }
      }),
      { numRuns: 1000 },
    );
    expect(taken).toBeGreaterThan(20);
  });
});

type Parents = readonly string[];

/** Every place of a tree: the keys above it, and its own. */
function* placesIn(tree: unknown, parents: Parents = []): Iterable<readonly [Parents, string]> {
  if (typeof tree !== "object" || tree === null) return;
  for (const [key, value] of Object.entries(tree)) {
    yield [parents, key];
    yield* placesIn(value, [...parents, key]);
  }
}

function replaced(tree: unknown, parents: Parents, key: string, value: unknown): unknown {
  const copy = structuredClone(tree) as Record<string, unknown>;
  let at = copy;
  for (const parent of parents) at = at[parent] as Record<string, unknown>;
  at[key] = value;
  return copy;
}
