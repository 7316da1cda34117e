// `autopilot config check FILE`: every value with its origin, secrets redacted; or all problems at once (exit 78).
import { loadConfig } from "../config/load.ts";
import { loadRecipe } from "../config/load-recipe.ts";
import { isRecipeFile } from "../config/containerpilot/recognise.ts";
import { UsageError } from "../errors.ts";
import { column } from "./column.ts";
import type { Globals } from "./program.ts";
import { checkRunnerConfig, type RunnerCheck } from "./runner-config-check.ts";

/** A recipe's configuration, or one of ContainerPilot's. `command`: what a v2 file runs. */
export async function checkConfig(
  file: string,
  command: readonly string[],
  globals: Globals & RunnerCheck,
): Promise<number> {
  if (!isRecipeFile(file)) return checkRunnerConfig(file, command, globals);
  if (globals.asV3 === true || command.length > 0)
    throw new UsageError("AP_USAGE", `${file} is a recipe's: it has no version 3 and no command`);
  const { values } = await loadConfig(file, { env: process.env, loadRecipe });
  if (globals.json) {
    process.stdout.write(`${JSON.stringify({ file, values }, null, 2)}\n`);
    return 0;
  }
  const rows = values.map(({ path, value, origin }) => [path, JSON.stringify(value), origin]);
  process.stdout.write(`${column([["VALUE", "IS", "FROM"], ...rows])}\n`);
  return 0;
}

/** The hidden verb behind `autopilot run` (src/config/resolve.ts): the resolved values, secrets included, on a pipe. */
export async function resolveConfig(file: string): Promise<number> {
  const { config, section, controlSocket } = await loadConfig(file, {
    env: process.env,
    loadRecipe,
  });
  process.stdout.write(JSON.stringify({ config, section, controlSocket }));
  return 0;
}
