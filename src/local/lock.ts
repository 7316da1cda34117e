// One `autopilot up` per directory: a lock file that names its holder by pid and start time, so that a killed holder's
// lock is no lock, also when its pid runs again as something else. Taken by a hard link: never seen half-written.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RefusedError } from "../errors.ts";
import { isRunning, processFacts } from "./process.ts";

export type Holder = { readonly pid: number; readonly startTime: string | null };

const NAME = "up.lock";
// Two processes that both find a dead holder's lock try again; more rounds than this are not chance.
const ROUNDS = 5;

/** Errors: RefusedError AP_CLUSTER_RUNNING, which names the holder. Disposing it lets go. */
export function lockDirectory(dir: string): Disposable {
  const path = join(dir, NAME);
  const draft = `${path}.${process.pid}`;
  const me: Holder = {
    pid: process.pid,
    startTime: processFacts(process.pid)?.startTime ?? null,
  };
  writeFileSync(draft, JSON.stringify(me));
  try {
    for (let round = 0; round < ROUNDS; round++) {
      if (linked(draft, path)) return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
      removeDead(path, draft);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  throw running(dir, holderOf(dir));
}

/** Who holds the directory and runs; null: nobody. */
export function holderOf(dir: string): Holder | null {
  const holder = read(join(dir, NAME));
  return holder !== null && isAlive(holder) ? holder : null;
}

function removeDead(path: string, draft: string): void {
  const holder = read(path);
  if (holder === null) return; // let go of just now
  if (isAlive(holder)) throw running(path.slice(0, -NAME.length - 1), holder);
  const aside = `${draft}.old`;
  try {
    renameSync(path, aside);
  } catch {
    return; // another one was faster
  }
  const moved = read(aside);
  // Between our look and our rename a living one took it: give it back.
  if (moved !== null && isAlive(moved)) linked(aside, path);
  rmSync(aside, { force: true });
}

function isAlive({ pid, startTime }: Holder): boolean {
  if (!isRunning(pid)) return false;
  const now = processFacts(pid)?.startTime ?? null;
  return startTime === null || now === null || startTime === now;
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function read(path: string): Holder | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Holder;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    if (error instanceof SyntaxError) return { pid: 0, startTime: null }; // no lock of ours: nobody's
    throw error;
  }
}

function running(dir: string, holder: Holder | null): RefusedError {
  const who = holder === null ? "another process" : `process ${holder.pid}`;
  return new RefusedError("AP_CLUSTER_RUNNING", `${who} runs the cluster in ${dir}`);
}
