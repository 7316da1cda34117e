// The server process: start it closed, fence it, stop it without a false OK (PROTOCOL §2, §6).
import { forgetPrimacy, forgetReplication } from "../memory.ts";
import type { Executors, Hands } from "./hands.ts";

/** A clean shutdown of a busy server flushes for a while; after this the next start does crash recovery instead. */
const SHUTDOWN_GRACE_MS = 15_000;

/** SIGKILL, and wait until it is gone. */
export async function killMysqld({ handle, memory }: Hands): Promise<void> {
  const exited = handle.process().exited();
  handle.process().kill();
  await exited;
  memory.restartAt = 0;
}

/** Keeps the lease alive while something slow goes on that must not be interrupted. */
async function alive<T>(hands: Hands, work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const ticking = (async () => {
    while (!over.signal.aborted) {
      hands.lease.tick();
      await hands.clock.sleep(1_000, over.signal).catch(() => {}); // Aborted: the work is done.
    }
  })();
  try {
    return await work;
  } finally {
    over.abort();
    await ticking;
  }
}

export const server = {
  "start-mysqld": async ({ maker, memory }) => {
    forgetReplication(memory);
    await maker.start(memory.serverId ?? 0);
  },

  "kill-mysqld": async (hands, { why }) => {
    hands.announce("fenced", `mysqld killed: ${why}`);
    await killMysqld(hands);
  },

  "soft-fence": async (hands, { why }) => {
    hands.announce("fenced", `clients cut: ${why}`);
    const mysqld = hands.handle.connection();
    const done = mysqld !== null && (await mysqld.softFence());
    // Cut and closed: no client can see an OK any more, so an orderly shutdown is safe. It comes back closed.
    if (done) await alive(hands, hands.handle.process().stop({ termFirst: true, graceMs: 2_000 }));
    else await killMysqld(hands);
    hands.memory.restartAt = 0;
    forgetPrimacy(hands.memory);
    await hands.lease.hold(null);
  },

  "stop-mysqld": async (hands) => {
    const { handle } = hands;
    const mysqld = handle.connection();
    // §6: mysqld must never get SIGTERM while clients could still be told OK (S5).
    const cut = mysqld !== null && (await killClients(hands));
    if (cut) {
      // mysqld waits up to 10 s for connections that are not closed, ours too (measured).
      await handle.disconnect();
      const stop = handle.process().stop({ termFirst: true, graceMs: SHUTDOWN_GRACE_MS });
      await alive(hands, stop);
    } else await killMysqld(hands);
  },
} satisfies Partial<Executors>;

async function killClients(hands: Hands): Promise<boolean> {
  try {
    await hands.handle.connection()?.killClients();
    return true;
  } catch (error) {
    hands.log.warn("clients could not be cut: mysqld is killed instead", { err: error });
    return false;
  }
}
