// The private prefixes below one cache directory, safe against concurrent and interrupted makers:
//
//   mysql-9.7/                 a whole prefix; it has complete.json, because the rename below brought both at once
//   mysql-9.7.tmp-<pid>-<id>/  a prefix in the making; its maker alone knows the name
//   mysql-9.7.apt/             what is being downloaded; kept from an interrupted run to the next
//   mysql-9.7.lock             who is making it (lock.ts); the others wait for the result
//
// A prefix is never changed after its rename, and one that is in use is never replaced unless it cannot start.
import { cacheDir } from "../../cache-dir.ts";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isRunning } from "./lock.ts";

// Retries: a killed maker's `dpkg -x` may still be writing into what is being removed.
const REMOVE = { recursive: true, force: true, maxRetries: 5 } as const;

/** Where one tool of one version lives in the cache. */
export type Place = {
  readonly root: string;
  readonly prefix: string;
  readonly downloads: string;
  readonly lock: string;
};

/** What complete.json says of the prefix that it lies in. */
type Completion = {
  readonly tool: string;
  /** The cache key that it was made for. */
  readonly version: string;
  readonly suite: string;
  /** The unpacked packages, NAME_VERSION_ARCHITECTURE. */
  readonly packages: readonly string[];
};

/** `$XDG_CACHE_HOME/autopilot/toolchain`, or the same below ~/.cache. */
export function defaultCacheDir(env: NodeJS.ProcessEnv): string {
  return join(cacheDir(env), "toolchain");
}

export function placeOf(tool: { name: string; version: string }, root: string): Place {
  const prefix = join(root, `${tool.name}-${tool.version}`);
  return { root, prefix, downloads: `${prefix}.apt`, lock: `${prefix}.lock` };
}

/** Whether the prefix was made to its end. */
export async function isComplete(place: Place): Promise<boolean> {
  try {
    const text = await readFile(join(place.prefix, "complete.json"), "utf8");
    return Array.isArray((JSON.parse(text) as Partial<Completion>).packages);
  } catch {
    return false; // absent, cut short or not ours: it is made again
  }
}

/** A new empty directory to make the prefix in. */
export async function startPrefix(place: Place): Promise<string> {
  const dir = scratchName(place);
  await mkdir(dir, { recursive: true });
  return dir;
}

/** Makes `made` the tool's prefix, in one step. What was there (incomplete, or not able to start) is removed. */
export async function publish(place: Place, made: string, completion: Completion): Promise<void> {
  const text = `${JSON.stringify(completion, null, 2)}\n`;
  await writeFile(join(made, "complete.json"), text, { flush: true });
  const old = scratchName(place);
  const hadOld = await rename(place.prefix, old).then(
    () => true,
    () => false, // nothing was there
  );
  await rename(made, place.prefix);
  if (hadOld) await rm(old, REMOVE);
}

/** Removes what interrupted makers left. To be called by the lock's holder: then no maker of this process lives. */
export async function sweep(place: Place): Promise<void> {
  const names = await readdir(place.root);
  for (const name of names) {
    const path = join(place.root, name);
    if (!path.startsWith(`${place.prefix}.tmp-`)) continue;
    const pid = Number(path.slice(`${place.prefix}.tmp-`.length).split("-")[0]);
    if (pid === process.pid || !isRunning(pid)) await rm(path, REMOVE);
  }
}

function scratchName(place: Place): string {
  return `${place.prefix}.tmp-${process.pid}-${randomBytes(4).toString("hex")}`;
}
