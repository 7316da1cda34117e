// `autopilot config check FILE` of a ContainerPilot configuration: every value with its origin, or the file as version 3.
// Secrets are hidden in both; warnings go to stderr.
import { loadRunner, type LoadedRunner } from "../config/containerpilot/load.ts";
import { readSource } from "../config/containerpilot/read.ts";
import { redacted, withoutSecrets } from "../config/containerpilot/values.ts";
import { loadTree } from "../config/load.ts";
import { loadRecipe } from "../config/load-recipe.ts";
import { column } from "./column.ts";
import type { Globals } from "./program.ts";

export type RunnerCheck = { readonly asV3?: boolean };

const FORMATS = { v1: "Containerbuddy", v2: "ContainerPilot 2", v3: "ContainerPilot 3" } as const;

export async function checkRunnerConfig(
  file: string,
  command: readonly string[],
  { json, asV3 }: Globals & RunnerCheck,
): Promise<number> {
  const { env } = process;
  const loaded = loadRunner(readSource(file), { env, command });
  const recipe = await recipeValues(file, loaded);
  const warnings = [...loaded.warnings, ...recipe.warnings].map((one) => withoutSecrets(one, env));
  const v3 = redacted(loaded.v3, env);
  if (asV3 === true) print(v3);
  else if (json === true) {
    const values = [...loaded.values, ...recipe.values];
    print({ file, format: loaded.dialect, values, warnings, v3 });
  } else {
    const rows = [...loaded.values, ...recipe.values].map((one) => [
      one.path,
      JSON.stringify(one.value),
      one.origin,
    ]);
    process.stdout.write(`${column([["VALUE", "IS", "FROM"], ...rows])}\n`);
    process.stderr.write(`${file}: a configuration of ${FORMATS[loaded.dialect]}\n`);
  }
  if (json !== true || asV3 === true)
    for (const line of warnings) process.stderr.write(`warning: ${line}\n`);
  return 0;
}

/** The recipe that the same file names is checked as well. */
async function recipeValues(file: string, { recipeTree, config }: LoadedRunner) {
  if (recipeTree === null) return { values: [], warnings: [] };
  const { values } = await loadTree(file, recipeTree, { env: process.env, loadRecipe });
  const jobs = config.jobs.length;
  const warnings = [`recipe: \`autopilot run\` does not run the jobs beside it yet (${jobs} here)`];
  return { values, warnings };
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
