// An archiver on a real server, as it runs in the worker: with a connection of its own and a store in a directory.
import { join } from "node:path";
import type { ObjectStore } from "../../src/ports.ts";
import { openDisk } from "../../src/objects/disk.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { archiveBinlogs, type ArchiveProgress } from "../../recipes/mysql/backup/archive.ts";
import { lookAtPrimary } from "../../recipes/mysql/backup/primary-look.ts";
import type { Sealing } from "../../recipes/mysql/backup/segment-codec.ts";
import { CLUSTER, promote, until, type Lab, type Server } from "../mysqld/servers.ts";

export const PLAIN: Sealing = { level: 1, recipients: [] };

export function storeIn(lab: Lab, name = "objects"): ObjectStore {
  return openDisk(join(lab.dir, name), { clock: realClock });
}

/** A server that is open, as a primary that is alone. */
export async function primary(lab: Lab, serverId: number, epoch = 1): Promise<Server> {
  const server = await lab.server(serverId);
  const mysqld = await server.mysqld();
  await promote(mysqld, { epoch, acks: 0, replicas: [] });
  return server;
}

export type Running = AsyncDisposable & {
  readonly told: readonly ArchiveProgress[];
  /** Rejects with what ended it. */
  readonly ended: Promise<void>;
  /** Until all that the server has executed by now, and has a binary log of, is archived. */
  caughtUp(): Promise<ArchiveProgress>;
};

export async function runArchiver(
  server: Server,
  store: ObjectStore,
  o: { readonly epoch?: number; readonly sealing?: Sealing; readonly withinMs?: number } = {},
): Promise<Running> {
  const over = new AbortController();
  const told: ArchiveProgress[] = [];
  const sql = await server.admin();
  const ended = archiveBinlogs({
    store,
    cluster: { id: CLUSTER },
    epoch: o.epoch ?? 1,
    look: () => lookAtPrimary(sql),
    withinMs: o.withinMs ?? 100,
    sealing: o.sealing ?? PLAIN,
    clock: realClock,
    signal: over.signal,
    tell: (progress) => told.push(progress),
  });
  ended.catch(() => undefined);
  return {
    told,
    ended,
    async caughtUp() {
      await using asks = await server.admin();
      const [row] = await asks.rows(
        "SELECT GTID_SUBTRACT(@@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged) AS executed",
        5_000,
      );
      let last: ArchiveProgress | undefined;
      await Promise.race([
        ended.then(() => Promise.reject(new Error("the archiver ended"))),
        until("everything is archived", async () => {
          last = told.at(-1);
          const [{ has } = {}] = await asks.rows(
            `SELECT GTID_SUBSET('${String(row?.["executed"])}', '${last?.archived ?? ""}') AS has`,
            5_000,
          );
          return has === 1;
        }),
      ]);
      if (last === undefined) throw new Error("it told nothing");
      return last;
    },
    async [Symbol.asyncDispose]() {
      over.abort();
      await ended.catch(() => undefined);
      await sql[Symbol.asyncDispose]();
    },
  };
}
