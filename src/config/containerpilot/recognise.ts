// Whose a configuration is, before anything else is known of it: a recipe's node, or the runner's.
import JSON5 from "json5";
import { readSource } from "./read.ts";
import { RUNNER_ONLY_KEYS } from "./schema.ts";

/** A recipe's file names its recipe and has no jobs. A text that is none before its template is rendered is the runner's. */
export function isRecipeFile(file: string): boolean {
  let tree: unknown;
  try {
    tree = JSON5.parse(readSource(file).text);
  } catch (error) {
    if (error instanceof SyntaxError) return false; // told by whoever renders and parses it
    throw error;
  }
  if (typeof tree !== "object" || tree === null || !("recipe" in tree)) return false;
  return !RUNNER_ONLY_KEYS.some((key) => key in tree);
}
