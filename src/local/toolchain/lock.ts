// A lock file between processes of one machine that survives kill -9: it names its holder, and a holder that no
// longer runs does not hold it. Taking it is one hard link, so that a lock is never seen without its holder's name.
// It keeps two makers from doing the same work; it is not what keeps a prefix whole (the rename in cache.ts is).
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { link, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** As long as the holder may work (FETCH_LIMIT_MS in toolchain.ts), so that one who waits outlives it. */
const WAIT_LIMIT_MS = 10 * 60_000;
/** A wait of this grain is not noticed beside a download. */
const POLL_MS = 200;
/** A holder on another host (a cache shared by containers) cannot be looked up: it is gone after its longest work. */
const ABANDONED_MS = 15 * 60_000;

type Holder = {
  readonly host: string;
  readonly pid: number;
  /** The process's start time as the kernel counts it: a pid is used again, in containers at once. */
  readonly start: string | null;
  readonly id: string;
};

/**
 * Takes the lock, waiting for its holder. `waiting` is called once, with the holder, if there is one.
 * Throws the signal's reason, or an Error that names the holder when it does not let go within 10 minutes.
 */
export async function takeLock(
  path: string,
  signal: AbortSignal,
  waiting: (holder: Holder) => void,
): Promise<AsyncDisposable> {
  const me = describeHolder();
  const draft = `${path}-${me.pid}-${me.id}`;
  await writeFile(draft, JSON.stringify(me));
  try {
    await waitFor(path, draft, signal, waiting);
  } finally {
    await rm(draft, { force: true });
  }
  return {
    async [Symbol.asyncDispose]() {
      if ((await readHolder(path))?.id === me.id) await rm(path, { force: true });
    },
  };
}

async function waitFor(
  path: string,
  draft: string,
  signal: AbortSignal,
  waiting: (holder: Holder) => void,
): Promise<void> {
  const deadline = performance.now() + WAIT_LIMIT_MS;
  let told = false;
  for (;;) {
    signal.throwIfAborted();
    if (await linked(draft, path)) return;
    const holder = await readHolder(path);
    if (holder === null) continue; // let go of just now
    if (await isGone(path, holder)) {
      await putAside(path, holder, draft);
      continue;
    }
    if (!told) waiting(holder);
    told = true;
    if (performance.now() > deadline)
      throw new Error(`process ${holder.pid} on ${holder.host} holds ${path} for too long`);
    await sleep(POLL_MS, undefined, { signal });
  }
}

/** This process as a lock's holder. */
export function describeHolder(): Holder {
  const id = randomBytes(4).toString("hex");
  return { host: hostname(), pid: process.pid, start: startOf(process.pid), id };
}

/** Whether a process of that id runs on this machine. A zombie does not. */
export function isRunning(pid: number): boolean {
  return startOf(pid) !== null;
}

/** Start time from /proc/PID/stat (field 22, proc(5)); null when no such process runs. */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // Field 2 is the program's name in parentheses and may hold anything; field 3, the state, comes after it.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

async function isGone(path: string, holder: Holder): Promise<boolean> {
  if (holder.host === hostname()) return startOf(holder.pid) !== holder.start;
  const since = await stat(path).catch(() => null); // gone between two looks: the caller looks again
  return since !== null && Date.now() - since.mtimeMs > ABANDONED_MS;
}

/** Moves a dead holder's lock out of the way, and puts it back if another process was faster and it is a living one's. */
async function putAside(path: string, holder: Holder, draft: string): Promise<void> {
  const aside = `${draft}-old`;
  if (!(await moved(path, aside))) return;
  const was = await readHolder(aside);
  if (was !== null && was.id !== holder.id) await linked(aside, path);
  await rm(aside, { force: true });
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** Null when there is no lock. A file that is no lock of ours reads as held by nobody who runs. */
async function readHolder(path: string): Promise<Holder | null> {
  const text = await readFile(path, "utf8").catch(() => null);
  if (text === null) return null;
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return { host: hostname(), pid: 0, start: "none", id: "none" };
  }
}
