// Closing a primary that runs (PROTOCOL §6). No step here ever lets a waiting client see OK: semi-sync stays ON, its
// count stays, and a client is cut before anything else changes. What cannot be closed in time is the caller's to kill.
import { UnavailableError, messageOf } from "../../../src/index.ts";
import { clients, killClients, killId, pause } from "./clients.ts";
import type { Sql } from "./connection.ts";
import type { Lines } from "./lines.ts";
import { semiSyncStatus } from "./status.ts";

const LIMIT_MS = 2_000;
const OFFLINE_MS = 1_000;
const LOOK_EVERY_MS = 10;

/**
 * The self-fence at the deadline. True: closed, nobody waits and nobody is left but us and replication.
 * False: not done; SIGKILL. Either way no client that waited has seen, or will see, OK.
 */
export async function softFence(lines: Lines): Promise<boolean> {
  try {
    return await lines.admin.use(OFFLINE_MS, async (sql) => {
      // Cuts everybody without CONNECTION_ADMIN first: a client that waits sees its connection end.
      await sql.rows("SET GLOBAL offline_mode = ON", OFFLINE_MS);
      await sql.rows("SET GLOBAL super_read_only = ON", LIMIT_MS);
      const ours = lines.ours();
      return await isClosed(sql, (id) => !ours.has(id), performance.now() + OFFLINE_MS);
    });
  } catch {
    return false; // whatever the reason: not known to be closed, so the caller kills it
  }
}

/**
 * Planned switchover: closes within the limit, or opens again as before and returns false.
 * Errors: when it is not known to be open again either: fence.
 */
export async function drain(lines: Lines, limitMs: number): Promise<boolean> {
  const over = performance.now() + limitMs;
  const why = await tryDrain(lines, over).catch((error: unknown) => messageOf(error));
  if (why === null) return true;
  await undrain(lines);
  return false;
}

/** Null: drained. Otherwise why not. */
async function tryDrain(lines: Lines, over: number): Promise<string | null> {
  const left = (): number => Math.max(1, over - performance.now());
  await using sql = await lines.fresh(Math.min(LIMIT_MS, left()));
  const { id } = sql;
  let set = false;
  try {
    await setReadOnly(lines, sql, left());
    await sql.rows("SET GLOBAL super_read_only = ON", left());
    set = true;
  } finally {
    // A SET that we gave up would still close the server later, behind our back.
    if (!set) await lines.admin.use(LIMIT_MS, (admin) => endStatement(admin, id));
  }
  // Cut once, to make them look for the new primary; who comes back meanwhile can only read.
  const killed = await lines.admin.use(LIMIT_MS, (admin) => killClients(admin, lines.ours()));
  return (await isClosed(sql, (client) => killed.has(client), over)) ? null : "somebody is left";
}

/** KILLs the connection and sees it gone: only then what it was setting stays as it is. */
async function endStatement(admin: Sql, id: number): Promise<void> {
  const over = performance.now() + LIMIT_MS;
  do {
    await killId(admin, id);
    if ((await clients(admin)).every((client) => client.id !== id)) return;
    await pause(LOOK_EVERY_MS);
  } while (performance.now() < over);
  throw new UnavailableError("AP_VERB_FAILED", "an unfinished SET read_only does not end");
}

/** Waits for running statements; at half time their clients are cut, so that what is only slow does not stop a drain. */
async function setReadOnly(lines: Lines, sql: Sql, limitMs: number): Promise<void> {
  let done = false;
  const setting = sql.rows("SET GLOBAL read_only = ON", limitMs).finally(() => (done = true));
  const half = performance.now() + limitMs / 2;
  const cutAtHalf = async (): Promise<void> => {
    while (!done && performance.now() < half) await pause(LOOK_EVERY_MS);
    if (!done) await lines.admin.use(LIMIT_MS, (admin) => killClients(admin, lines.ours()));
  };
  await Promise.all([setting, cutAtHalf()]);
}

/** Opens a drained server again. The caller has read that the epoch is still its own (PROTOCOL §6). */
export async function undrain(lines: Lines): Promise<void> {
  await lines.admin.use(LIMIT_MS, async (sql) => {
    await sql.rows("SET GLOBAL super_read_only = OFF", LIMIT_MS);
    await sql.rows("SET GLOBAL read_only = OFF", LIMIT_MS);
    const [row] = await sql.rows(
      "SELECT @@GLOBAL.read_only + @@GLOBAL.super_read_only AS closed",
      LIMIT_MS,
    );
    if (row?.["closed"] === 0) return;
    throw new UnavailableError("AP_VERB_FAILED", "a drained server does not open again");
  });
}

/**
 * For a stop. On an open server new clients are kept out first: one that wrote after the last KILL would wait, and a
 * mysqld that shuts down answers OK (S5). Nothing undoes that but the stop.
 */
export async function killAllClients(lines: Lines): Promise<void> {
  await lines.admin.use(LIMIT_MS, async (sql) => {
    const [row] = await sql.rows("SELECT @@GLOBAL.super_read_only AS closed", LIMIT_MS);
    if (row?.["closed"] !== 1) await keepOut(sql);
    await killClients(sql, lines.ours());
  });
}

/** Replicas may still acknowledge: they keep their connections, which fill the server. Without any, nobody gets in. */
async function keepOut(sql: Sql): Promise<void> {
  const serves = (await clients(sql)).some((client) => client.dumps);
  const gate = serves ? "SET GLOBAL max_connections = 1" : "SET GLOBAL offline_mode = ON";
  await sql.rows(gate, LIMIT_MS);
}

/** Both switches are ON, no commit waits, and none of these clients is left. Looks until it is so, or `over`. */
async function isClosed(
  sql: Sql,
  matters: (clientId: number) => boolean,
  over: number,
): Promise<boolean> {
  for (;;) {
    const [row] = await sql.rows(
      "SELECT @@GLOBAL.read_only AS read_only, @@GLOBAL.super_read_only AS super_read_only",
      LIMIT_MS,
    );
    const { waitSessions } = await semiSyncStatus(sql, LIMIT_MS);
    const set = row?.["read_only"] === 1 && row["super_read_only"] === 1;
    const somebody = (await clients(sql)).some((client) => !client.dumps && matters(client.id));
    if (set && waitSessions === 0 && !somebody) return true;
    if (performance.now() > over) return false;
    await pause(LOOK_EVERY_MS);
  }
}
