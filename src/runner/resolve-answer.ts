// What the child of resolve.ts answers.
import { loadRunner } from "../config/containerpilot/load.ts";
import { readSource } from "../config/containerpilot/read.ts";
import { withoutSecrets } from "../config/containerpilot/values.ts";
import { ConfigError, UsageError } from "../errors.ts";
import type { ResolvedRunner, ResolveRequest, ToldError } from "./resolve.ts";

export function answer(
  { given, name, command, isContainerbuddy }: ResolveRequest,
  env: NodeJS.ProcessEnv,
): ResolvedRunner | { readonly error: ToldError } {
  try {
    const loaded = loadRunner(readSource(given, name), { env, command, isContainerbuddy });
    if (loaded.config.recipe !== null)
      throw new UsageError("AP_NOT_BUILT", "jobs beside a recipe are not run yet", {
        hint: "put the recipe and the jobs into two files",
      });
    const warnings = loaded.warnings.map((line) => withoutSecrets(line, env));
    return { config: loaded.config, warnings };
  } catch (error) {
    if (!(error instanceof ConfigError) && !(error instanceof UsageError)) throw error;
    const problems = error instanceof ConfigError ? error.problems : [];
    return { error: { code: error.code, why: error.message, hint: error.hint, problems } };
  }
}
