// A node's configuration: the JSON5 file, the environment on top of it, defaults below. All problems are told at once;
// each value knows where it came from. Secrets are never printed (values whose name says that they are one).
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import JSON5 from "json5";
import type { ZodType } from "zod";
import { ConfigError, messageOf } from "../errors.ts";
import { overridesFrom, type Override } from "./environment.ts";
import type { AnyRecipe, LoadRecipe } from "./load-recipe.ts";
import { pathText, problemsOf } from "./problems.ts";
import { LONGEST_SOCKET_PATH, SOCKET_PATH_RULE, schemaWith, type Config } from "./schema.ts";
import { shapeAt, shapeOf, type Shape } from "./shape.ts";

export type ConfigValue = {
  readonly path: string;
  /** As it is written; "***" for a secret. */
  readonly value: unknown;
  /** "file", "default", or the name of the variable. */
  readonly origin: string;
};

export type Loaded = {
  readonly recipe: AnyRecipe;
  readonly config: Config;
  /** The recipe's own part, as its schema made it. */
  readonly section: unknown;
  readonly controlSocket: string;
  readonly values: readonly ConfigValue[];
};

type Sources = { readonly env: NodeJS.ProcessEnv; readonly loadRecipe: LoadRecipe };
type Tree = Record<string, unknown>;

/** Errors: ConfigError AP_CONFIG_UNREADABLE (with line and column), AP_CONFIG_INVALID (with all problems). */
export async function loadConfig(file: string, sources: Sources): Promise<Loaded> {
  return loadTree(file, readTree(file), sources);
}

/** The same, of a tree that was read already; paths in it are meant from `file`. */
export async function loadTree(
  file: string,
  written: Readonly<Tree>,
  sources: Sources,
): Promise<Loaded> {
  const { recipe, problems: unknown } = await recipeOf(written, sources);
  const schema = schemaWith(
    recipe && { name: recipe.name, schema: await schemaOf(recipe), hooks: recipe.hooks },
  );
  const shape = shapeOf(schema);
  const { values: overrides, problems: misread } = overridesFrom(sources.env, shape);
  const tree = structuredClone(written);
  for (const { path, value } of overrides) put(tree, path, value);
  const variables = new Map(overrides.map(({ path, variable }) => [pathText(path), variable]));
  const parsed = schema.safeParse(tree);
  const wrong = parsed.success
    ? []
    : problemsOf(parsed.error, shape, (path) => variables.get(pathText(path)) ?? null);
  const problems = [...unknown, ...misread, ...wrong.filter((line) => !isTwin(line, unknown))];
  if (problems.length > 0 || recipe === null || !parsed.success) {
    const count = `${problems.length} problem${problems.length === 1 ? "" : "s"}`;
    throw new ConfigError("AP_CONFIG_INVALID", `${file}: ${count}`, { problems });
  }
  const all = parsed.data as Tree;
  const config = relativeTo(file, all as unknown as Config);
  const values = valuesOf(all, { tree, shape, overrides, path: [] });
  refuseTwoStores(file, config);
  const controlSocket = socketOf(file, config);
  return { recipe, config, section: all[recipe.name], controlSocket, values };
}

/** A relative directory is meant from the file that names it, not from wherever the agent was started. */
function relativeTo(file: string, config: Config): Config {
  const dir = resolve(dirname(resolve(file)), config.node.dir);
  const { controlSocket: socket } = config.node;
  const sockets =
    socket === undefined ? {} : { controlSocket: resolve(dirname(resolve(file)), socket) };
  return { ...config, node: { ...config.node, dir, ...sockets } };
}

function refuseTwoStores(file: string, { consul, etcd }: Config): void {
  if (etcd === undefined || (consul.address === undefined && consul.tokenFile === undefined))
    return;
  const problem =
    "etcd: consul is configured too, and a node has one store: leave one of them away";
  throw new ConfigError("AP_CONFIG_INVALID", `${file}: 1 problem`, { problems: [problem] });
}

/** The default's length depends on the directory, so the schema cannot check it. */
function socketOf(file: string, { node }: Config): string {
  const path = node.controlSocket ?? join(node.dir, "control.sock");
  if (Buffer.byteLength(path) <= LONGEST_SOCKET_PATH) return path;
  const problem = `node.controlSocket: ${SOCKET_PATH_RULE}, and ${path} has more`;
  throw new ConfigError("AP_CONFIG_INVALID", `${file}: 1 problem`, { problems: [problem] });
}

function readTree(file: string): Tree {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError("AP_CONFIG_UNREADABLE", messageOf(error), { cause: error });
  }
  try {
    const tree: unknown = JSON5.parse(text);
    if (typeof tree === "object" && tree !== null && !Array.isArray(tree)) return tree as Tree;
  } catch (error) {
    const { lineNumber = 0, columnNumber = 0 } = error as Record<string, number>;
    const what = messageOf(error).replace(/^JSON5: | at \d+:\d+$/g, "");
    // Without the cause: it says the same with the place at the end.
    throw new ConfigError("AP_CONFIG_UNREADABLE", `${file}:${lineNumber}:${columnNumber}: ${what}`);
  }
  throw new ConfigError("AP_CONFIG_UNREADABLE", `${file}: expected one object in braces`);
}

/** The recipe decides half of the schema; without it the rest is checked all the same. */
async function recipeOf(
  tree: Tree,
  { env, loadRecipe }: Sources,
): Promise<{ recipe: AnyRecipe | null; problems: readonly string[] }> {
  const name = env["AUTOPILOT_RECIPE"] ?? tree["recipe"];
  if (typeof name !== "string") return { recipe: null, problems: [] }; // the schema says so
  try {
    return { recipe: await loadRecipe(name), problems: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { recipe: null, problems: error.problems };
  }
}

function schemaOf({ schema }: AnyRecipe): Promise<ZodType> {
  return typeof schema === "function" ? schema() : Promise.resolve(schema);
}

/** A second complaint about a path that was already complained about. */
function isTwin(line: string, others: readonly string[]): boolean {
  return others.some((other) => other.split(":")[0] === line.split(":")[0]);
}

function put(tree: Tree, path: readonly string[], value: unknown): void {
  const [key = "", ...rest] = path;
  if (rest.length === 0) {
    tree[key] = value;
    return;
  }
  const below = tree[key];
  // Something else stands where a section belongs: the schema says so, and a value below it would hide that.
  if (below !== undefined && (typeof below !== "object" || below === null)) return;
  const section = (below ?? {}) as Tree;
  tree[key] = section;
  put(section, rest, value);
}

type Place = {
  /** What was written, file and environment together. */
  readonly tree: unknown;
  readonly shape: Shape;
  readonly overrides: readonly Override[];
  readonly path: readonly string[];
};

/** Every value of the parsed configuration, with the text that it was written with. */
function valuesOf(parsed: unknown, place: Place): readonly ConfigValue[] {
  const { tree, shape, overrides, path } = place;
  if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) {
    return Object.entries(parsed).flatMap(([key, value]) => {
      const below = typeof tree === "object" && tree !== null ? (tree as Tree)[key] : undefined;
      return valuesOf(value, { tree: below, shape, overrides, path: [...path, key] });
    });
  }
  const text = pathText(path);
  const override = overrides.find((one) => pathText(one.path) === text);
  const fallback = shapeAt(shape, path)?.fallback ?? parsed;
  const origin = override?.variable ?? (tree === undefined ? "default" : "file");
  const value = tree === undefined ? fallback : tree;
  return [{ path: text, value: isSecret(path.at(-1) ?? "") ? "***" : value, origin }];
}

function isSecret(name: string): boolean {
  return /(password|secret|token|passphrase|privateKey)$/i.test(name);
}
