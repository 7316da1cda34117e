// `autopilot config check FILE`: every value with its origin, secrets redacted; or all problems at once (exit 78).
import { loadConfig } from "../config/load.ts";
import { loadRecipe } from "../config/load-recipe.ts";
import { column } from "./column.ts";
import type { Globals } from "./program.ts";

export async function checkConfig(file: string, globals: Globals): Promise<number> {
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
