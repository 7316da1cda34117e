// The copy that the server makes of itself (CLONE LOCAL), next to its datadir, while it goes on working.
import { readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { RefusedError } from "../../../../src/index.ts";
import { connect, quote, type Sql, type Target } from "../../mysqld/connection.ts";
import type { ServerNow } from "./server-facts.ts";

// A copy ends when it ends (or by the signal): a week is what setTimeout can hold at most, nearly.
const COPY_MS = 7 * 24 * 3_600_000;
const STATEMENT_MS = 10_000;
const GONE_WITHIN_MS = 60_000;
/** The doublewrite files that the copy gets when it starts, and what comes in while it is made. */
const RESERVE_BYTES = 256 * 1024 * 1024;
const RESERVE_SHARE = 0.02;

/**
 * Errors: RefusedError AP_BACKUP_SPACE. The server checks too, but only what it copies, and a file system that is full to
 * the last byte stops its commits.
 */
export async function requireSpace(scratch: string, now: ServerNow): Promise<void> {
  const copied = await bytesBelow(now.datadir, (name) => !isLog(name, now.logNames));
  const needed = copied * (1 + RESERVE_SHARE) + now.redoBytes + RESERVE_BYTES;
  const { bavail, bsize } = await statfs(scratch);
  const free = bavail * bsize;
  if (free >= needed) return;
  const why = `a copy of the data needs ${mib(needed)}, and ${scratch} has ${mib(free)} left`;
  throw new RefusedError("AP_BACKUP_SPACE", why);
}

/** Returns when the copy is made. Aborting ends the statement in the server, too, before this ends. */
export async function cloneLocal(login: Target, to: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await using sql = await connect(login, STATEMENT_MS);
  const copied = sql.rows(`CLONE LOCAL DATA DIRECTORY = ${quote(to)}`, COPY_MS);
  const kills: Promise<void>[] = [];
  const kill = (): void => {
    // Where the server cannot be told, the connection is cut: it notices that at its next piece.
    kills.push(killStatement(login, sql).catch(() => sql.destroy()));
  };
  signal.addEventListener("abort", kill, { once: true });
  if (signal.aborted) kill();
  try {
    await copied;
  } catch (error) {
    await Promise.all(kills);
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", kill);
  }
  signal.throwIfAborted();
}

async function killStatement(login: Target, copying: Sql): Promise<void> {
  await using sql = await connect(login, STATEMENT_MS);
  const { id } = copying;
  await sql.rows(`KILL ${id}`, STATEMENT_MS);
  const until = performance.now() + GONE_WITHIN_MS;
  while (performance.now() < until) {
    // What it copies to must not be removed under it.
    const [row] = await sql.rows(
      `SELECT COUNT(*) AS n FROM performance_schema.threads WHERE processlist_id = ${id}`,
      STATEMENT_MS,
    );
    if (Number(row?.["n"]) === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Binlogs and relay logs with their indexes; the redo log is counted by its capacity; temporary tables stay. */
function isLog(name: string, logNames: readonly string[]): boolean {
  if (/^(#innodb_redo|#innodb_temp|ibtmp\d+)$/.test(name)) return true;
  return logNames.some((log) => name.startsWith(`${log}.`) || name.startsWith(`${log}-`));
}

async function bytesBelow(dir: string, counts: (name: string) => boolean): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (!counts(entry.name)) continue;
    const path = join(dir, entry.name);
    if (entry.isDirectory()) sum += await bytesBelow(path, counts);
    // Dropped between two looks: then it is not copied either.
    else sum += (await stat(path).catch(() => null))?.size ?? 0;
  }
  return sum;
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / (1024 * 1024))} MiB`;
}
