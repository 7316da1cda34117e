// Real mysqlds for tests: a template datadir, made by our own initialize() and kept below node_modules/.cache for as long
// as what makes it stays the same, copied for each server. Everything else is in one temp directory and ends with the lab.
import { createHash, randomBytes, randomUUID } from "node:crypto";
import {
  cp,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  statfs,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findTool, type Tool } from "../../src/local/toolchain.ts";
import { createLog } from "../../src/log.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { makeSupervise, type Supervised } from "../../src/runtime/supervisor.ts";
import { connect, type Sql } from "../../recipes/mysql/mysqld/connection.ts";
import { writeAutoCnf, writeNode } from "../../recipes/mysql/mysqld/datadir.ts";
import { initialize } from "../../recipes/mysql/mysqld/initialize.ts";
import { layout } from "../../recipes/mysql/mysqld/layout.ts";
import { myCnf, toolPaths } from "../../recipes/mysql/mysqld/my-cnf.ts";
import type { Mysqld } from "../../recipes/mysql/mysqld/port.ts";
import { openMysqld } from "../../recipes/mysql/mysqld/server.ts";
import {
  ensureSecrets,
  readSecrets,
  secretFiles,
  type Secrets,
} from "../../recipes/mysql/mysqld/secrets.ts";
import { mysqlSpec } from "../../recipes/mysql/mysqld/tool.ts";
import { freePorts } from "../contract/free-ports.ts";

export const CLUSTER = "0f5c8d1e-0000-4000-8000-00000000c1d5";

export const quietLog = createLog({
  level: "error",
  pretty: false,
  fields: {},
  to: { write: () => undefined },
});
export const supervise = makeSupervise({ clock: realClock, log: quietLog });

export type Lab = AsyncDisposable & {
  readonly dir: string;
  readonly tool: Tool;
  readonly secrets: Secrets;
  /** Disposed with the lab, in this order. */
  readonly made: AsyncDisposable[];
  /** A started server with a datadir copied from the template, closed as every start is. */
  server(serverId: number): Promise<Server>;
  /** A node's directory with its my.cnf and nothing else. */
  place(serverId: number): Promise<Place>;
};

export type Place = {
  readonly dir: string;
  readonly serverId: number;
  readonly uuid: string;
  readonly host: "127.0.0.1";
  readonly port: number;
  readonly adminPort: number;
};

export type Server = Place & {
  readonly child: Supervised;
  start(): Promise<void>;
  /** A new connection to the admin port, as the agent. */
  admin(): Promise<Sql>;
  /** A new connection to the port of clients, as the application. */
  app(): Promise<Sql>;
  /** The agent's own view of it. Disposed with the lab. */
  mysqld(): Promise<Mysqld>;
  /** SIGKILL, and gone. */
  crash(): Promise<void>;
  pid(): number;
};

/** One per test file. */
export async function lab(): Promise<Lab> {
  const tool = await findTool(mysqlSpec, { progress: (line) => process.stderr.write(`${line}\n`) });
  const dir = await mkdtemp(join(await roomyDir(), "autopilot-test-"));
  const template = await templateOf(tool);
  const secrets = await readSecrets(secretFiles(join(template, "secrets")));
  const made: AsyncDisposable[] = [];

  async function server(serverId: number): Promise<Server> {
    const at = await makePlace(dir, serverId, tool);
    const data = layout(at.dir).data;
    await cp(join(template, "data"), data, { recursive: true });
    await writeAutoCnf(data, at.uuid);
    await writeNode(at.dir, { ...at, clusterId: CLUSTER });
    return startServer(at, { tool, secrets, made });
  }

  return {
    dir,
    tool,
    secrets,
    made,
    server,
    place: (serverId) => makePlace(dir, serverId, tool),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(made.map((child) => child[Symbol.asyncDispose]()));
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function makePlace(dir: string, serverId: number, tool: Tool): Promise<Place> {
  const [port = 0, adminPort = 0] = await freePorts(2);
  const name = `n${serverId}-${randomBytes(3).toString("hex")}`;
  const host = "127.0.0.1" as const;
  const at = { dir: join(dir, name), serverId, uuid: randomUUID(), host, port, adminPort };
  await mkdir(at.dir, { mode: 0o700 });
  await writeFile(layout(at.dir).myCnf, cnf(at, tool));
  return at;
}

/** `data` and `secrets` of a cluster that nobody has started yet. Made where it is missing; makers at once agree on one. */
async function templateOf(tool: Tool): Promise<string> {
  const cache = new URL("../../node_modules/.cache/autopilot-test-datadir/", import.meta.url);
  const hash = createHash("sha256").update(tool.command("mysqld").join(" ")).update(tool.version);
  for (const name of ["initial-sql.ts", "initialize.ts", "my-cnf.ts"]) {
    hash.update(
      await readFile(new URL(`../../recipes/mysql/mysqld/${name}`, import.meta.url), "utf8"),
    );
  }
  hash.update(await readFile(new URL(import.meta.url), "utf8"));
  const place = join(cache.pathname, hash.digest("hex").slice(0, 16));
  if ((await stat(place).catch(() => null)) !== null) return place;
  await mkdir(cache, { recursive: true });
  const half = await mkdtemp(join(cache.pathname, "half-"));
  const secrets = await readSecrets(await ensureSecrets(join(half, "secrets")));
  const at = await makePlace(half, 0, tool);
  const signal = new AbortController().signal;
  await initialize({ ...at, clusterId: CLUSTER, tool, secrets, signal, spawn: supervise });
  await rename(layout(at.dir).data, join(half, "data"));
  for (const old of await readdir(cache)) {
    if (/^[0-9a-f]{16}$/.test(old)) await rm(join(cache.pathname, old), { recursive: true });
  }
  await rename(half, place).catch(() => rm(half, { recursive: true, force: true }));
  return place;
}

type Parts = { readonly tool: Tool; readonly secrets: Secrets; readonly made: AsyncDisposable[] };

/** Starts mysqld on a complete datadir; returns when it answers. */
export async function startServer(at: Place, parts: Parts): Promise<Server> {
  const child = supervise({ name: "mysqld" });
  parts.made.push(child);
  const login = { host: "127.0.0.1", user: "autopilot", password: parts.secrets.admin };
  const admin = (): Promise<Sql> =>
    connect({ ...login, port: at.adminPort, scripts: true }, 20_000);
  const start = async (): Promise<void> => {
    const argv = [...parts.tool.command("mysqld"), `--defaults-file=${layout(at.dir).myCnf}`];
    const started = await child.start({ argv, output: { file: layout(at.dir).errorLog } });
    if (!started.ok) throw started.error;
    await until(`mysqld ${at.serverId} answers`, async () => {
      if (!child.facts().running) {
        throw new Error(`mysqld ended: ${await readFile(layout(at.dir).errorLog, "utf8")}`);
      }
      try {
        (await admin()).destroy();
        return true;
      } catch {
        return false; // not yet
      }
    });
  };
  await start();
  return {
    ...at,
    child,
    start,
    admin,
    app: () =>
      connect(
        { host: "127.0.0.1", port: at.port, user: "app", password: parts.secrets.app },
        20_000,
      ),
    mysqld: async () => {
      const mysqld = await openMysqld({ ...at, secrets: parts.secrets });
      parts.made.push(mysqld);
      return mysqld;
    },
    crash: () => child.stop({ termFirst: false, graceMs: 0 }),
    pid: () => child.facts().pid ?? 0,
  };
}

function cnf(at: Place, tool: Tool): string {
  return myCnf({
    ...at,
    bindAddress: "127.0.0.1",
    memoryBytes: null,
    cores: 2,
    // The template is copied for each server: 190 MB → 120 MB.
    options: { innodb_redo_log_capacity: "33554432", innodb_buffer_pool_size: "33554432" },
    runAsRoot: process.getuid?.() === 0,
    tool: toolPaths(tool.prefix),
  });
}

/** In memory where there is room: these tests crash processes, never the machine, so no disk has to remember. */
async function roomyDir(): Promise<string> {
  const shared = await statfs("/dev/shm").catch(() => null);
  return shared !== null && shared.bavail * shared.bsize > 4 * 1024 ** 3 ? "/dev/shm" : tmpdir();
}

/** Polls a condition of a real server until it holds; fails loudly after half a minute. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`did not happen: ${what}`);
}

/** Makes a closed server an open primary with accounts for these server_ids, as an election would. */
export async function promote(
  mysqld: Mysqld,
  o: { readonly epoch: number; readonly acks: number; readonly replicas: readonly number[] },
): Promise<void> {
  await mysqld.takeOver(0);
  await mysqld.liftSuperReadOnly();
  for (const serverId of o.replicas) await mysqld.createAccount(serverId);
  await mysqld.mark(MARKER, o.epoch, 5_000);
  await mysqld.open();
  if (o.acks > 0) await mysqld.setAcks(o.acks);
}

export const MARKER = "5fe3a1a9-0000-5000-8000-00000000e40c";
