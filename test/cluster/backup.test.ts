// Backups of a living cluster: one by a replica under load, taken over when its node dies, found good, and a whole cluster
// that comes back from the store alone, under an id of its own.
import { existsSync, globSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, open, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mysql from "mysql2/promise";
import { expect, onTestFinished } from "vitest";
import type { Job } from "../../recipes/mysql/backup/job.ts";
import type { Account } from "../../recipes/mysql/drills/ledger-rows.ts";
import { ACCOUNT_TABLE, LEDGER_TABLE } from "../../recipes/mysql/drills/ledger.ts";
import { Cluster, acknowledges } from "./harness.ts";
import { isAlive, killAll, processesOf, signal } from "./processes.ts";
import { expectVerdict, story } from "./story.ts";
import { until } from "./until.ts";

type Backups = {
  readonly last: { readonly id: string; readonly node: string; readonly gtid: string } | null;
  readonly verified: { readonly id: string; readonly ok: boolean } | null;
  readonly archive: { readonly gtid: string } | null;
};

async function backupsOf(cluster: Cluster): Promise<Backups> {
  return (JSON.parse(await cluster.must("status", "--json")) as { backups: Backups }).backups;
}

async function storeOf(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-objects-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** The process that makes a backup now, and whose it is. */
function workerOf(cluster: Cluster): { readonly pid: number; readonly node: string } | null {
  for (const { pid, argv } of processesOf(cluster.dir)) {
    const file = argv.find((word) => word.endsWith("/backup/backup/job.json"));
    // While it is started its own program is still that of others.
    if (file === undefined || argv[0] === "setpriv") continue;
    const job = JSON.parse(readFileSync(file, "utf8")) as Job;
    if (job.task.do === "backup") return { pid, node: job.node.name };
  }
  return null;
}

story(
  "a backup under load is a replica's; its node dies over it and another takes it over; a cluster that is gone comes back from the store",
  {},
  async (cluster) => {
    const store = await storeOf();
    await cluster.start({ objects: store });
    await cluster.whole();
    await using run = await cluster.ledger();
    const primary = await cluster.primary();
    const before = (await backupsOf(cluster)).last?.id;
    await cluster.must("backup", "now", "--no-wait");
    // Stopped in the middle: whatever comes finds it under way.
    const first = await until("a node makes one", () => workerOf(cluster));
    signal(first.pid, "SIGSTOP");
    expect(first.node).not.toBe(primary.name);
    await cluster.kill(first.node);
    await until("its worker has died with it", () => !isAlive(first.pid));
    const done = await until("another node has made one", async () => {
      const { last } = await backupsOf(cluster);
      return last !== null && last.id !== before && last.node !== first.node ? last : null;
    });
    expect(done.node).not.toBe(primary.name);
    expect((await cluster.primary()).name).toBe(primary.name);
    await acknowledges(run);

    expect(await cluster.must("backup", "verify", done.id)).toContain(`${done.id} is good`);
    expect((await backupsOf(cluster)).verified).toMatchObject({ id: done.id, ok: true });
    await flipIn(await dataOf(store, done.id));
    const damaged = await cluster.verb("backup", "verify", done.id);
    expect(damaged.stdout).toContain(`${done.id} is bad`);
    expect(damaged.code).toBe(1);
    await flipIn(await dataOf(store, done.id));

    await expectVerdict(cluster, run, [first.node]);
    const account = await cluster.account();
    const at = await cluster.primary();
    const written = await checksum(at, account);
    const executed = await ask(at, account, "SELECT @@GLOBAL.gtid_executed AS answer");
    await until("all of it is archived", async () => {
      const { archive } = await backupsOf(cluster);
      const sql = "SELECT GTID_SUBSET(?, ?) AS answer";
      return (await ask(at, account, sql, [executed, archive?.gtid ?? ""])) === 1;
    });
    const { cluster: name } = await cluster.status();
    const old = await idOf(cluster, name);
    await killAll(cluster.dir);

    const again = await Cluster.prepare({ nodes: 1 });
    onTestFinished(async ({ task }) => {
      if (task.result?.state === "fail") console.error(await again.lastWords());
      await again[Symbol.asyncDispose]();
    });
    await again.start({ restoreFrom: store, objects: store });
    const restored = await again.primary();
    expect(await checksum(restored, await again.account())).toBe(written);
    expect((await again.status()).epoch).toBe(1);
    const fresh = await idOf(again, (await again.status()).cluster);
    expect(fresh).not.toBe(old);
    expect(existsSync(join(store, "clusters", old))).toBe(true);
    expect((await readdir(join(store, "clusters", old, "backups"))).length).toBeGreaterThan(0);
  },
);

const SSL = { rejectUnauthorized: false };
type Place = { readonly host: string; readonly port: number };
type Login = Pick<Account, "user" | "password" | "database">;

function connect({ host, port }: Place, { user, password, database }: Login) {
  return mysql.createConnection({ host, port, user, password, database, ssl: SSL });
}

async function ask(at: Place, login: Login, sql: string, values: unknown[] = []) {
  const connection = await connect(at, login);
  try {
    const [found] = await connection.query(sql, values);
    return (found as { answer: unknown }[])[0]?.answer;
  } finally {
    connection.destroy();
  }
}

async function dataOf(store: string, id: string): Promise<string> {
  const [path = ""] = globSync(join(store, "clusters", "*", "backups", id, "data"));
  return path;
}

/** One bit in the middle; a second time it is as it was. */
async function flipIn(path: string): Promise<void> {
  await chmod(path, 0o600);
  await using file = await open(path, "r+");
  const at = Math.floor((await file.stat()).size / 2);
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
  await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, at);
}

/** Of all that the ledger acknowledged. */
async function checksum(at: Place, login: Login): Promise<string> {
  const connection = await connect(at, login);
  try {
    const [found] = await connection.query(`CHECKSUM TABLE ${LEDGER_TABLE}, ${ACCOUNT_TABLE}`);
    return JSON.stringify(found);
  } finally {
    connection.destroy();
  }
}

async function idOf(cluster: Cluster, name: string): Promise<string> {
  const key = `/v1/kv/autopilot/${name}/initialize?raw`;
  return (await fetch(new URL(key, cluster.consul))).text();
}
