// `autopilot secrets DIR`: what all nodes of a cluster have to share, made once, before the first of them starts. A
// container of its own runs it in compose; a second run finds everything there and changes nothing.
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { DEFAULT_RECIPE, loadRecipe } from "../config/load-recipe.ts";

/** Errors: ConfigError AP_SECRET_UNREADABLE. */
export async function makeSecrets(
  dir: string,
  options: { readonly recipe?: string },
): Promise<number> {
  const recipe = await loadRecipe(options.recipe ?? DEFAULT_RECIPE);
  const at = resolve(dir);
  mkdirSync(at, { recursive: true, mode: 0o750 });
  await recipe.prepareLocal(at);
  return 0;
}
