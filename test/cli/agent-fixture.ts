// An agent of the real framework with a recipe of its own: it supervises `sleep`, and misbehaves as its argument says.
// argv: CONFIG-FILE [invariant|rejection]
import { z } from "zod";
import { loadConfig } from "../../src/config/load.ts";
import type { AnyAction, AnyRecipe } from "../../src/config/load-recipe.ts";
import { InvariantError } from "../../src/errors.ts";
import type { Reconciler, RecipeContext } from "../../src/recipe.ts";
import { runNode } from "../../src/run.ts";

const [, , file = "", fault = ""] = process.argv;
const SLEEP = { argv: ["sleep", "600"], output: "discard" } as const;

type Seen = { readonly running: boolean; readonly stopping: boolean; readonly ticks: number };

async function start({
  supervise,
  log,
}: RecipeContext<unknown>): Promise<Reconciler<Seen, AnyAction>> {
  const child = supervise({ name: "sleep" });
  let stopping = false;
  let ticks = 0;
  return {
    observe() {
      ticks += 1;
      return Promise.resolve({ running: child.facts().running, stopping, ticks });
    },
    decide({ running, stopping: end, ticks: n }) {
      if (end && running) return [{ do: "stop", why: "asked to" }];
      if (!end && !running) return [{ do: "start", why: "it does not run" }];
      if (n > 3 && fault !== "" && running) return [{ do: fault, why: "the test wants it" }];
      return [{ do: "hold", why: "all is well" }];
    },
    async execute({ do: what }) {
      if (what === "start") await child.start(SLEEP);
      if (what === "stop") await child.stop({ termFirst: true, graceMs: 5_000 });
      if (what === "invariant") throw new InvariantError("AP_BUG_INVARIANT", "two primaries");
      if (what === "rejection") void Promise.reject(new Error("nobody awaits this"));
    },
    report: ({ running }) => ({ says: running ? "sleeping" : "awake", role: "replica", epoch: 1 }),
    idleMs: () => 20,
    requestStop: () => (stopping = true),
    stopped: () => stopping && !child.facts().running,
    fence(why) {
      log.warn("fenced", { why });
      child.kill();
      return Promise.resolve();
    },
    endpoint: (path) => (path === "/ticks" ? [200, { ticks }] : null),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

const recipe = {
  name: "sleeper",
  schema: z.strictObject({}),
  tools: [],
  hooks: [],
  serverName: "sleep",
  start,
  service: (_: unknown, node: { name: string; host: string }) => ({
    id: node.name,
    name: "sleeper",
    address: node.host,
    port: 1,
    tags: [],
    meta: {},
  }),
  verbs: [],
} as unknown as AnyRecipe;

const loadRecipe = (): Promise<AnyRecipe> => Promise.resolve(recipe);
const resolve = (path: string) => loadConfig(path, { env: {}, loadRecipe });
process.exit(await runNode({ file, json: true, loadRecipe, resolve }));
