// Finds the programs that a recipe names, or fetches them. In this order, and each source's refusal is remembered:
//
//   the variable (must be usable) → PATH → the cache → the machine's own Debian archive (into the cache)
//
// Nothing is installed, no root is needed, and nothing of the machine outside the cache directory is changed.
import { mkdir, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { ConfigError, UnavailableError } from "../errors.ts";
import { fetchPackages } from "./toolchain/apt.ts";
import { defaultCacheDir, isComplete, placeOf, publish, type Place } from "./toolchain/cache.ts";
import { startPrefix, sweep } from "./toolchain/cache.ts";
import { isExecutable, programsOnPath, type Surroundings } from "./toolchain/child.ts";
import { takeLock } from "./toolchain/lock.ts";
import { tryInstalled, tryPrefix } from "./toolchain/tool.ts";
import type { FetchableSpec, Tool, ToolSpec, Tried } from "./toolchain/tool.ts";

export type { Tool, ToolSpec } from "./toolchain/tool.ts";

/** Download and unpacking together: 11 s on a fast line, 10 minutes for 63 MB on one of 1 Mbit/s. */
const FETCH_LIMIT_MS = 10 * 60_000;

type Search<Spec = FetchableSpec> = {
  readonly spec: Spec;
  readonly place: Place;
  readonly around: Surroundings;
};

type FindOptions = {
  /** One line per step of a fetch; nothing when the tool is already there. */
  readonly progress: (line: string) => void;
  /** Default: process.env. PATH, HOME, XDG_CACHE_HOME and the spec's variable are read; children get all of it. */
  readonly env?: NodeJS.ProcessEnv;
  /** Default: `$XDG_CACHE_HOME/autopilot/toolchain`. */
  readonly cacheDir?: string;
  readonly signal?: AbortSignal;
};

/**
 * The tool, ready to run. Concurrent calls, in this process or others, fetch once.
 * Throws ConfigError AP_TOOL_UNUSABLE when the spec's variable names something unusable; UnavailableError
 * AP_TOOL_MISSING, with the reason of each source, when there is none; and the signal's reason.
 */
export async function findTool(spec: ToolSpec, options: FindOptions): Promise<Tool> {
  const env = options.env ?? process.env;
  const signal = options.signal ?? new AbortController().signal;
  const place = placeOf(spec, options.cacheDir ?? defaultCacheDir(env));
  const search = { spec, place, around: { env, signal, progress: options.progress } };
  const named = await fromVariable(search);
  if (named !== null) return named;
  const onPath = await fromPath(search);
  if (onPath.tool !== null) return onPath.tool;
  const refused = [`${spec.env} is not set`, onPath.why];
  if (!isFetchable(spec)) throw missing(spec, refused);
  const fetchable = { ...search, spec };
  const cached = await fromCache(fetchable);
  if (cached.tool !== null) return cached.tool;
  try {
    return await fromArchive(fetchable);
  } catch (error) {
    signal.throwIfAborted();
    const { message, cause } = error instanceof Error ? error : new Error(String(error));
    throw missing(spec, [...refused, cached.why, `fetching: ${message}`], cause);
  }
}

function isFetchable(spec: ToolSpec): spec is FetchableSpec {
  return spec.apt !== null;
}

/** `cause`: the end of apt's output, where it was asked. */
function missing(spec: ToolSpec, reasons: readonly string[], cause?: unknown): UnavailableError {
  const why = `${spec.name} ${spec.version}: no usable ${spec.binary}: ${reasons.join("; ")}`;
  return new UnavailableError("AP_TOOL_MISSING", why, { hint: spec.install, cause });
}

async function fromVariable({ spec, around }: Search<ToolSpec>): Promise<Tool | null> {
  const value = around.env[spec.env];
  if (value === undefined || value === "") return null;
  const main = resolve(value);
  const tried = isExecutable(main)
    ? await tryInstalled(spec, "env", main, around)
    : { tool: null, why: `${main}: not an executable file` };
  if (tried.tool !== null) return tried.tool;
  const hint = `unset ${spec.env}, or point it at a usable ${spec.binary}`;
  throw new ConfigError("AP_TOOL_UNUSABLE", `${spec.env}: ${tried.why}`, { hint });
}

async function fromPath({ spec, around }: Search<ToolSpec>): Promise<Tried> {
  const refused: string[] = [];
  for (const main of programsOnPath(spec.binary, around.env)) {
    const tried = await tryInstalled(spec, "path", main, around);
    if (tried.tool !== null) return tried;
    refused.push(tried.why);
  }
  return { tool: null, why: refused.join("; ") || `no ${spec.binary} on PATH` };
}

async function fromCache({ spec, place, around }: Search): Promise<Tried> {
  if (!(await isComplete(place))) return { tool: null, why: `not in the cache at ${place.prefix}` };
  return tryPrefix(spec, "cache", place.prefix, around);
}

/** Makes the prefix, or takes the one that another process made while this one waited for it. */
async function fromArchive(search: Search): Promise<Tool> {
  const { spec, place, around } = search;
  await mkdir(place.root, { recursive: true });
  await using _lock = await takeLock(place.lock, around.signal, ({ pid }) =>
    around.progress(`${spec.name} ${spec.version}: waiting for process ${pid}, which fetches it`),
  );
  const cached = await fromCache(search);
  if (cached.tool !== null) return cached.tool;
  await sweep(place);
  const limit = AbortSignal.timeout(FETCH_LIMIT_MS);
  const signal = AbortSignal.any([around.signal, limit]);
  try {
    return await make({ ...search, around: { ...around, signal } });
  } catch (error) {
    if (error !== limit.reason) throw error;
    throw new Error(`not done after ${FETCH_LIMIT_MS / 60_000} minutes`, { cause: error });
  }
}

async function make({ spec, place, around }: Search): Promise<Tool> {
  const begin = performance.now();
  const prefix = await startPrefix(place);
  try {
    const packages = await fetchPackages(spec, place.downloads, prefix, around);
    const tried = await tryPrefix(spec, "fetched", prefix, around);
    if (tried.tool === null) throw new Error(`what was fetched is unusable: ${tried.why}`);
    const { suite } = spec.apt;
    await publish(place, prefix, { tool: spec.name, version: spec.version, suite, packages });
  } catch (error) {
    await rm(prefix, { recursive: true, force: true });
    throw error;
  }
  await rm(place.downloads, { recursive: true, force: true });
  const made = await tryPrefix(spec, "fetched", place.prefix, around);
  if (made.tool === null) throw new Error(made.why);
  const seconds = Math.max(1, Math.round((performance.now() - begin) / 1000));
  around.progress(`${spec.name} ${spec.version}: ready in ${seconds} s`);
  return made.tool;
}
