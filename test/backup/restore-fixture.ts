// A backup as an engine would have made it, and what a restore of it is: a copy of a clone of a server that nobody writes
// to meanwhile. What comes out is started as any node's datadir is.
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { availableParallelism } from "node:os";
import type { ObjectStore } from "../../src/ports.ts";
import {
  restore,
  type RestoreNote,
  type RestoreProgress,
} from "../../recipes/mysql/backup/restore.ts";
import { planRestore, type Wanted } from "../../recipes/mysql/backup/restore-plan.ts";
import { loadSegments } from "../../recipes/mysql/backup/segment-store.ts";
import type { Manifest } from "../../recipes/mysql/core/backup/manifest.ts";
import { timelineOf } from "../../recipes/mysql/core/backup/segment.ts";
import type { RestorePlan } from "../../recipes/mysql/core/backup/target.ts";
import { writeNode } from "../../recipes/mysql/mysqld/datadir.ts";
import { layout } from "../../recipes/mysql/mysqld/layout.ts";
import type { Sql } from "../../recipes/mysql/mysqld/connection.ts";
import { CLUSTER, startServer, supervise, type Lab, type Server } from "../mysqld/servers.ts";

export type Image = { readonly manifest: Manifest; readonly dir: string };

let images = 0;

export function manifestOf(o: Partial<Manifest> & { readonly gtid: string }): Manifest {
  const id = o.id ?? "20261120T000000Z-n1-0001";
  return {
    format: 1,
    cluster: { name: "shop", id: CLUSTER },
    node: { name: "n1", uuid: "u", role: "primary" },
    epoch: 1,
    engine: { name: "clone", version: "9.7.4" },
    server: { flavor: "mysql", version: "9.7.0" },
    kind: "full",
    parent: null,
    lsn: null,
    binlog: null,
    startedAt: "2026-11-20T00:00:00.000Z",
    finishedAt: "2026-11-20T00:00:00.000Z",
    rawBytes: 1,
    stream: "tar",
    compression: null,
    encryption: null,
    data: { key: "data", bytes: 1, sha256: "0".repeat(64), parts: [] },
    ...o,
    id,
  };
}

export async function executedOf(server: Server): Promise<string> {
  await using sql = await server.admin();
  const [row] = await sql.rows("SELECT @@GLOBAL.gtid_executed AS executed", 5_000);
  return String(row?.["executed"]).replaceAll("\n", "");
}

export async function imageOf(lab: Lab, server: Server): Promise<Image> {
  const number = ++images;
  const dir = join(lab.dir, `image-${number}`);
  await using sql = await server.admin();
  await sql.rows(`CLONE LOCAL DATA DIRECTORY = '${dir}'`, 60_000);
  const finishedAt = new Date().toISOString();
  const gtid = await executedOf(server);
  return { dir, manifest: manifestOf({ id: `b${number}`, gtid, finishedAt }) };
}

export type Around = {
  readonly lab: Lab;
  readonly store: ObjectStore;
  readonly images: readonly Image[];
  readonly identities?: readonly string[];
};

const never = new AbortController().signal;

export async function planOf(
  { store, images: all, identities = [] }: Around,
  wanted: Wanted,
): Promise<RestorePlan> {
  const segments = await loadSegments(store, CLUSTER, never);
  const known = { timeline: timelineOf(segments), backups: all.map(({ manifest }) => manifest) };
  return planRestore({ store, identities, signal: never }, known, wanted);
}

export type Restored = {
  readonly server: Server;
  readonly note: RestoreNote;
  readonly told: readonly RestoreProgress[];
};

/** Restores, and starts a server on what came out, as the agent would: closed. */
export async function restoreAndStart(
  around: Around,
  plan: RestorePlan,
  batchBytes?: number,
): Promise<Restored> {
  const { lab, store, identities = [] } = around;
  const place = await lab.place(50 + ++images);
  const into = layout(place.dir).data;
  const told: RestoreProgress[] = [];
  const job = {
    store,
    into,
    identities,
    tool: lab.tool,
    spawn: supervise,
    signal: never,
    fetch: async (backup: Manifest, to: string) => {
      const image = around.images.find(({ manifest }) => manifest.id === backup.id);
      await cp(image?.dir ?? "", to, { recursive: true });
    },
    tell: (progress: RestoreProgress) => told.push(progress),
    ...(batchBytes === undefined ? {} : { batchBytes }),
  };
  const note = await restore(job, plan);
  await writeNode(place.dir, { ...place, clusterId: CLUSTER });
  const server = await startServer(place, lab);
  return { server, note, told };
}

/** What all tables of the application hold. */
export async function sumsOf(sql: Sql): Promise<Readonly<Record<string, unknown>>> {
  const tables = await sql.rows(
    "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'app' ORDER BY 1",
    5_000,
  );
  const sums: Record<string, unknown> = {};
  for (const { name } of tables) {
    const [row] = await sql.rows(`CHECKSUM TABLE app.\`${String(name)}\``, 30_000);
    sums[String(name)] = row?.["Checksum"];
  }
  return sums;
}

export async function dispose(server: Server): Promise<void> {
  await server.crash();
  await rm(server.dir, { recursive: true, force: true });
}

export const WRITERS = Math.max(2, availableParallelism());
