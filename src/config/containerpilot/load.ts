// A ContainerPilot configuration of any version → the runner's. All problems are told at once; what would surprise is a
// warning. v1 and v2 are translated to v3 first, so that there is one way from there on.
import { ConfigError } from "../../errors.ts";
import type { RunnerConfig } from "../../core/runner-config.ts";
import { renderEnvironment } from "../../render/render-environment.ts";
import { problemsOf } from "../problems.ts";
import { shapeOf } from "../shape.ts";
import { consulTree, withConsulEnv } from "./consul-env.ts";
import { dialectOf, type Dialect } from "./dialect.ts";
import { normalise } from "./normalise.ts";
import { readTree, type Source, type Tree } from "./read.ts";
import { relationsIn } from "./relations.ts";
import { RUNNER_KEYS, V3 } from "./schema.ts";
import { translateV2 } from "./translate-v2.ts";
import { valuesIn, withoutSecrets, type ShownValue } from "./values.ts";

const SHAPE = shapeOf(V3);

export type LoadOptions = {
  readonly env: NodeJS.ProcessEnv;
  /** v1 and v2: the main command. */
  readonly command?: readonly string[];
  /** Of Containerbuddy: where the configuration came from says so, when nothing in it does. */
  readonly isContainerbuddy?: boolean;
};

export type LoadedRunner = {
  readonly config: RunnerConfig;
  readonly dialect: Dialect;
  readonly warnings: readonly string[];
  /** As v3: translated where it was older, as it was written otherwise. Its template is rendered; it may hold secrets. */
  readonly v3: Tree;
  /** Each value with its origin, secrets hidden. */
  readonly values: readonly ShownValue[];
  /** The keys of a recipe that the same file names, or null. */
  readonly recipeTree: Tree | null;
};

/** Errors: ConfigError AP_TEMPLATE_INVALID, AP_CONFIG_UNREADABLE, AP_CONFIG_INVALID (all problems). */
export function loadRunner(source: Source, options: LoadOptions): LoadedRunner {
  return loadRunnerTree(source.name, readTree(source, options.env), options);
}

/** The same, of a tree that was read already. */
export function loadRunnerTree(name: string, read: Tree, options: LoadOptions): LoadedRunner {
  const { env, command = [], isContainerbuddy = false } = options;
  const { runner, recipe } = split(read);
  const rendered = (arg: string): string => renderEnvironment(arg, env, "the command");
  const dialect = dialectOf(runner, { hasCommand: command.length > 0, isContainerbuddy });
  if (dialect.problems.length > 0) throw invalid(name, dialect.problems, env);
  const isOld = dialect.name !== "v3";
  const translated = isOld
    ? translateV2(dialect.name, withoutNulls(runner) as Tree, command.map(rendered))
    : { tree: runner, warnings: unused(command), problems: [] };
  if (translated.problems.length > 0) throw invalid(name, translated.problems, env);
  const v3 = translated.tree;
  const written = withoutNulls({ ...v3, consul: consulTree(v3["consul"]) }) as Tree;
  const { tree, origins } = withConsulEnv(written, env);
  const parsed = V3.safeParse(withoutEmptyEntries(tree));
  const wrong = parsed.success
    ? []
    : problemsOf(parsed.error, SHAPE, (path) => origins.get(path.join(".")) ?? null);
  const found = relationsIn(tree, { anyName: isOld });
  const problems = [...wrong, ...found.problems.filter((line) => !isTold(line, wrong))];
  if (problems.length > 0 || !parsed.success)
    throw invalid(name, isOld ? asV3(problems) : problems, env);
  const recipeName = recipe?.["recipe"];
  return {
    config: normalise(parsed.data, {
      dialect: dialect.name,
      recipe: typeof recipeName === "string" ? recipeName : null,
    }),
    dialect: dialect.name,
    warnings: [...translated.warnings, ...found.warnings],
    v3: withoutNulls(v3) as Tree,
    values: valuesIn(parsed.data, {
      tree,
      shape: SHAPE,
      origins,
      env,
      written: isOld ? "translation" : "file",
    }),
    recipeTree: recipe,
  };
}

/** A recipe's keys beside ours; without the word `recipe` everything is ours. */
function split(tree: Tree): { readonly runner: Tree; readonly recipe: Tree | null } {
  if (tree["recipe"] === undefined) return { runner: tree, recipe: null };
  const ours = Object.entries(tree).filter(([key]) => RUNNER_KEYS.includes(key));
  const others = Object.entries(tree).filter(([key]) => !RUNNER_KEYS.includes(key));
  const { consul } = tree;
  const address = typeof consul === "string" ? consul : (consul as Tree | undefined)?.["address"];
  const shared = typeof address === "string" ? { consul: { address } } : {};
  return {
    runner: Object.fromEntries(ours),
    recipe: { ...Object.fromEntries(others), ...shared },
  };
}

function unused(command: readonly string[]): readonly string[] {
  return command.length === 0 ? [] : ["a command after the options means nothing in a v3 file"];
}

/** The same place was complained of already. */
function isTold(line: string, told: readonly string[]): boolean {
  const [path] = line.split(": ", 1);
  return told.some((other) => other.startsWith(`${path}: `));
}

/** Paths of a translation are not those of the file. */
function asV3(problems: readonly string[]): readonly string[] {
  return problems.map((line) => `as v3, ${line}`);
}

function invalid(name: string, found: readonly string[], env: NodeJS.ProcessEnv): ConfigError {
  const problems = found.map((line) => withoutSecrets(line, env));
  const count = `${problems.length} problem${problems.length === 1 ? "" : "s"}`;
  return new ConfigError("AP_CONFIG_INVALID", `${name}: ${count}`, { problems });
}

/** A null is as good as no value, as ContainerPilot took it; entries of lists stay, for their numbers' sake. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, one]) => one !== null && one !== undefined);
  return Object.fromEntries(kept.map(([key, one]) => [key, withoutNulls(one)]));
}

function withoutEmptyEntries(tree: Tree): Tree {
  const kept = ["jobs", "watches"].flatMap((key) => {
    const all = tree[key];
    return Array.isArray(all) ? [[key, all.filter((one) => one !== null)] as const] : [];
  });
  return { ...tree, ...Object.fromEntries(kept) };
}
