// The rules of ARCHITECTURE.md, each over all sources, and each on a made-up source that breaks it: a check that cannot
// fail is no check.
import { basename } from "node:path";
import { describe, expect, test } from "vitest";
import { importsOf, sources, strip, type Source } from "./source.ts";

type Rule = {
  readonly name: string;
  /** One line for each violation. */
  readonly check: (all: readonly Source[]) => readonly string[];
  /** Sources that break the rule, and the violation that they are. */
  readonly broken: readonly (readonly [source: Source, ...more: Source[]])[];
};

const LINES = 400;
const VAGUE = /^(utils?|helpers?|common|types|misc|shared)\.ts$/;
/** As globals, not as names of values: facts about a process are called `process` too. */
const IMPURE = new RegExp(
  [
    "\\basync\\b|\\bawait\\b|\\bnew Date\\b|\\bMath\\.random\\b",
    "(?<![.\\w])(?:Date|console|performance|crypto|globalThis)(?=\\s*[.[(])",
    "(?<![.\\w])process(?=\\s*(?:\\[|\\.(?:env|argv|exit|hrtime|nextTick|on|once|stdout|stderr|cwd|kill)\\b))",
    "(?<![.\\w])(?:setTimeout|setInterval|setImmediate|fetch)(?=\\s*\\()",
  ].join("|"),
  "g",
);

const isCore = (path: string): boolean => /^(src|recipes\/[^/]+)\/core\//.test(path);

/** Adapters: each speaks to one outside system, and knows of no other. */
function adapterOf(path: string): string | null {
  const found =
    /^src\/(consul|etcd|objects|telemetry)\//.exec(path) ??
    /^recipes\/[^/]+\/(mysqld)\//.exec(path);
  return found?.[1] ?? null;
}

function each(
  all: readonly Source[],
  wrong: (from: string, to: string, written: string) => boolean,
): readonly string[] {
  return all.flatMap((source) =>
    importsOf(source)
      .filter(({ path, specifier }) => wrong(source.path, path ?? "", specifier))
      .map(({ specifier }) => `${source.path} imports ${specifier}`),
  );
}

function cyclesIn(all: readonly Source[]): readonly string[] {
  const edges = new Map(
    all.map((source) => [
      source.path,
      importsOf(source).flatMap(({ path, typeOnly }) => (path === null || typeOnly ? [] : [path])),
    ]),
  );
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) cycles.push([...trail.slice(at), path].join(" → "));
    if (at >= 0 || done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return cycles;
}

const file = (path: string, text: string): Source => ({ path, text });

const RULES: readonly Rule[] = [
  {
    name: "the framework imports no recipe",
    check: (all) => each(all, (from, to) => from.startsWith("src/") && to.startsWith("recipes/")),
    broken: [
      [file("src/run.ts", 'import mysql from "../recipes/mysql/index.ts";')],
      [file("src/run.ts", 'const m = await import("../recipes/mysql/index.ts");')],
      [file("src/a/b.ts", 'export type { A } from "../../recipes/mysql/core/action.ts";')],
    ],
  },
  {
    name: "a recipe imports the framework's one barrel only; its core also the framework's core",
    check: (all) =>
      each(
        all,
        (from, to) =>
          from.startsWith("recipes/") &&
          to.startsWith("src/") &&
          to !== "src/index.ts" &&
          !(isCore(from) && to.startsWith("src/core/")),
      ),
    broken: [
      [file("recipes/mysql/index.ts", 'import { connect } from "../../src/consul/client.ts";')],
      [file("recipes/mysql/a.ts", 'import type { Log } from "../../src/log.ts";')],
      [file("recipes/mysql/a.ts", 'import { pauseAfter } from "../../src/core/backoff.ts";')],
    ],
  },
  {
    name: "a recipe imports no other recipe",
    check: (all) =>
      each(all, (from, to) => {
        const [, own] = from.split("/");
        return from.startsWith("recipes/") && to.startsWith("recipes/") && to.split("/")[1] !== own;
      }),
    broken: [[file("recipes/nginx/index.ts", 'import { x } from "../mysql/keys.ts";')]],
  },
  {
    name: "core imports only core: no package, nothing of Node",
    check: (all) => each(all, (from, to) => isCore(from) && !isCore(to)),
    broken: [
      [file("src/core/a.ts", 'import { z } from "zod";')],
      [file("src/core/a.ts", 'import { join } from "node:path";')],
      [file("recipes/mysql/core/a.ts", 'import type { Kv } from "../../../src/ports.ts";')],
      [file("recipes/mysql/core/a.ts", 'import { keys } from "../keys.ts";')],
    ],
  },
  {
    name: "core is pure: no time, chance, process or waiting",
    check: (all) =>
      all
        .filter(({ path }) => isCore(path))
        .flatMap(({ path, text }) =>
          [...strip(text).matchAll(IMPURE)].map(([word]) => `${path} uses ${word}`),
        ),
    broken: [
      [file("src/core/a.ts", "export const now = () => Date.now();")],
      [file("src/core/a.ts", "export async function f() {}")],
      [file("src/core/a.ts", "const x = `${Math.random()}`;")],
      [file("recipes/mysql/core/a.ts", "console.log(1);")],
      [file("recipes/mysql/core/a.ts", 'const a = process.env["A"];')],
    ],
  },
  {
    name: "adapters know nothing of each other",
    check: (all) =>
      each(all, (from, to) => {
        const [own, other] = [adapterOf(from), adapterOf(to)];
        return own !== null && other !== null && own !== other;
      }),
    broken: [[file("src/consul/a.ts", 'import { put } from "../objects/s3.ts";')]],
  },
  {
    name: "no module imports itself through others",
    check: cyclesIn,
    broken: [
      [
        file("src/a.ts", 'import { b } from "./b.ts";'),
        file("src/b.ts", 'export * from "./c.ts";'),
        file("src/c.ts", 'import "./a.ts";'),
      ],
    ],
  },
  {
    name: `no file has more than ${LINES} lines`,
    check: (all) =>
      all
        .map(({ path, text }) => ({ path, lines: text.trimEnd().split("\n").length }))
        .filter(({ lines }) => lines > LINES)
        .map(({ path, lines }) => `${path} has ${lines} lines`),
    broken: [[file("src/a.ts", "x;\n".repeat(LINES + 1))]],
  },
  {
    name: "no file has a name that says nothing",
    check: (all) => all.map(({ path }) => path).filter((path) => VAGUE.test(basename(path))),
    broken: [[file("src/utils.ts", "")], [file("recipes/mysql/core/types.ts", "")]],
  },
  {
    name: "every file begins by saying what it is",
    check: (all) =>
      all
        .map(({ path, text }) => ({ path, text: text.replace(/^#!.*\n/, "") }))
        .filter(({ text }) => !/^(\/\/|\/\*)/.test(text))
        .map(({ path }) => path),
    broken: [[file("src/a.ts", "export const a = 1;\n")]],
  },
];

describe("the house's rules", () => {
  const all = sources();

  test("there are sources to judge", () => {
    expect(all.length).toBeGreaterThan(50);
    expect(all.some(({ path }) => isCore(path))).toBe(true);
  });

  for (const { name, check, broken } of RULES) {
    test(name, () => {
      expect(check(all)).toEqual([]);
    });
    test(`${name} (the check can fail)`, () => {
      for (const violation of broken) expect(check(violation)).toHaveLength(1);
    });
  }
});

describe("the scanner behind the rules", () => {
  const importing = (text: string) =>
    importsOf(file("src/x/y.ts", text)).map(({ specifier, typeOnly }) => [specifier, typeOnly]);

  test("sees every way to import", () => {
    const text = `
      import a from "a";
      import * as b from "b";
      import c, { type D, e } from "c";
      import type { F } from "f";
      import { type G, type H } from "g";
      import "side-effect";
      export { i } from "i";
      export * from "j";
      const k = await import("k");`;
    expect(importing(text)).toEqual([
      ["a", false],
      ["b", false],
      ["c", false],
      ["f", true],
      ["g", true],
      ["side-effect", false],
      ["i", false],
      ["j", false],
      ["k", false],
    ]);
  });

  test("sees an import over several lines, and none in a comment", () => {
    expect(importing('import {\n  a,\n  b,\n} from "./multi.ts";')).toEqual([
      ["./multi.ts", false],
    ]);
    expect(importing('// import x from "x";\n/* import("y") */')).toEqual([]);
  });

  test("finds a relative path's place", () => {
    expect(importsOf(file("src/x/y.ts", 'import "../z/a.ts";'))[0]?.path).toBe("src/z/a.ts");
  });

  test("takes out comments and texts, and leaves code, also inside templates", () => {
    expect(strip('a("Date"); // Date')).toBe('a(""); ');
    expect(strip("`Date ${b({ c: `x${Date}` })} Date`")).toBe("`${b({ c: `${Date}` })}`");
    expect(strip("x = /Date[/]/.test(y) / 2; /* Date */ z")).toBe("x = .test(y) / 2;  z");
    expect(strip("'it\\'s Date' + Date")).toBe("'' + Date");
  });
});
