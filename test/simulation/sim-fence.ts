// Closing a simulated primary that runs: the steps of recipes/mysql/mysqld/fence.ts. A closing SET waits behind
// waiters (S8); its connection is killed when it was given up; offline_mode cuts clients first.
import type { SimServer } from "./sim-server.ts";
import { refused, type Connection, type Use } from "./statements.ts";

const LIMIT_MS = 2_000;
const OFFLINE_MS = 1_000;

function close(
  to: Connection,
  use: Use,
  what: "read" | "super",
  cancelled: () => boolean,
): Promise<void> {
  return to.wait<void>(use, (done) => to.server.close(what, cancelled, done));
}

export async function softFence(to: Connection): Promise<boolean> {
  const { server } = to;
  const fence = async (use: Use): Promise<boolean> => {
    await to.sql(use, () => {
      server.offline = true;
      server.closeSessions();
    });
    // Given up by us, the SET goes on in the server: only a KILL of the process ends it.
    await close(to, use, "super", () => false);
    await to.until(use, () => isClosed(server));
    return true;
  };
  return await to.use(OFFLINE_MS + LIMIT_MS, fence).catch(() => false);
}

export async function drain(to: Connection, limitMs: number): Promise<boolean> {
  const { server } = to;
  let cancelled = false;
  const closing = async (use: Use): Promise<boolean> => {
    const half = server.around.world.after(limitMs / 2, to.agent, () => {
      if (!use.over && server.closing > 0) server.closeSessions();
    });
    await close(to, use, "read", () => cancelled);
    server.around.world.cancel(half);
    await close(to, use, "super", () => cancelled);
    await to.sql(use, () => server.closeSessions());
    await to.until(use, () => isClosed(server));
    return true;
  };
  try {
    return await to.use(limitMs, closing);
  } catch {
    // The SET's connection is killed, and seen gone; then opened again, or it is an error.
    await to.use(LIMIT_MS, (use) =>
      to.sql(use, () => {
        cancelled = true;
      }),
    );
    await undrain(to);
    return false;
  }
}

export function undrain(to: Connection): Promise<void> {
  const { server } = to;
  return to.use(LIMIT_MS, async (use) => {
    await to.sql(use, () => {
      server.superReadOnly = false;
    });
    await to.sql(use, () => server.setOpen());
    await to.sql(use, () => {
      if (server.readOnly || server.superReadOnly)
        throw refused("a drained server does not open again");
    });
  });
}

export function killAllClients(to: Connection): Promise<void> {
  const { server } = to;
  return to.use(LIMIT_MS, async (use) => {
    await to.sql(use, () => {
      if (server.superReadOnly) return;
      if (server.dumps.size > 0) server.full = true;
      else server.offline = true;
    });
    await to.sql(use, () => server.closeSessions());
  });
}

function isClosed({ readOnly, superReadOnly, waiters }: SimServer): boolean {
  return readOnly && superReadOnly && waiters.length === 0;
}
