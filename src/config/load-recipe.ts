// Loads a recipe by name. The framework imports none: what a recipe is comes in as a value, here and nowhere else.
import { extname } from "node:path";
import { existsSync } from "node:fs";
import { ConfigError } from "../errors.ts";
import type { Recipe } from "../recipe.ts";

export type AnyAction = { readonly do: string; readonly why?: string };

/** A recipe whose own types are nobody's business here. */
export type AnyRecipe = Recipe<unknown, unknown, AnyAction>;

export type LoadRecipe = (name: string) => Promise<AnyRecipe>;

/** The flagship: what `autopilot up` runs, and whose verbs the CLI has, unless told otherwise. */
export const DEFAULT_RECIPE = "mysql";

/** Errors: ConfigError AP_CONFIG_INVALID when there is no such recipe. */
export const loadRecipe: LoadRecipe = async (name) => {
  // The name becomes part of a path.
  if (!/^[a-z][a-z0-9-]*$/.test(name)) throw noRecipe(name);
  // .ts in the checkout.
  const file = new URL(`../../recipes/${name}/index${extname(import.meta.url)}`, import.meta.url);
  if (!existsSync(file)) throw noRecipe(name);
  const module = (await import(file.href)) as { readonly default: AnyRecipe };
  return module.default;
};

function noRecipe(name: string): ConfigError {
  return new ConfigError("AP_CONFIG_INVALID", `there is no recipe ${JSON.stringify(name)}`, {
    problems: [`recipe: no recipe is called ${JSON.stringify(name)}`],
  });
}
