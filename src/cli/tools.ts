// `autopilot tools`: finds the programs that the recipe needs, or fetches them, and says where they are.
import { DEFAULT_RECIPE, loadRecipe } from "../config/load-recipe.ts";
import { findTool } from "../local/toolchain.ts";
import type { Globals } from "./program.ts";

export async function showTools(options: Globals & { readonly recipe?: string }): Promise<number> {
  const recipe = await loadRecipe(options.recipe ?? DEFAULT_RECIPE);
  const progress = (line: string): void => {
    if (!options.json) process.stderr.write(`${line}\n`);
  };
  for (const spec of recipe.tools) {
    const tool = await findTool(spec, { progress });
    const { version, origin, prefix } = tool;
    const command = tool.command(spec.binary).at(-1);
    const facts = { name: spec.name, version, origin, prefix, command };
    const text = options.json
      ? JSON.stringify(facts)
      : `${spec.name} ${version}: ${command} (${origin})`;
    process.stdout.write(`${text}\n`);
  }
  return 0;
}
