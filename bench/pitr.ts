// Point-in-time recovery: the same binary logs applied to the same image, by `mysqlbinlog | mysql` and by our replay, one
// after the other on servers of the same settings. What comes out must be the same, or the figures are worth nothing.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { archiveBinlogs } from "../recipes/mysql/backup/archive.ts";
import { binlogPaths } from "../recipes/mysql/backup/binlogs-here.ts";
import { lookAtPrimary } from "../recipes/mysql/backup/primary-look.ts";
import { executedBy, replay } from "../recipes/mysql/backup/replay.ts";
import { startScratch } from "../recipes/mysql/backup/scratch-server.ts";
import { loadSegments } from "../recipes/mysql/backup/segment-store.ts";
import { timelineOf } from "../recipes/mysql/core/backup/segment.ts";
import { contains, formatGtidSet, gtidSet, size } from "../recipes/mysql/core/gtid.ts";
import { connect } from "../recipes/mysql/mysqld/connection.ts";
import { mysqlSpec } from "../recipes/mysql/mysqld/tool.ts";
import { findTool, type Tool } from "../src/local/toolchain.ts";
import { SILENT } from "../src/log.ts";
import { openDisk } from "../src/objects/disk.ts";
import { realClock } from "../src/runtime/clock.ts";
import { makeSupervise } from "../src/runtime/supervisor.ts";
import { BareMysqld, makeTemplate } from "./mysqld.ts";
import { round } from "./statistics.ts";

const CLUSTER = "00000000-0000-4000-8000-00000000be4c";
const WRITERS = 8;
const GTID = ["--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--server-id=1"];
/** As the server has them that ours replays on. */
const QUICK = ["--skip-log-bin", "--skip-networking", "--innodb-flush-log-at-trx-commit=0"];
const never = new AbortController().signal;

export type PitrOptions = {
  readonly transactions: number;
  readonly progress: (text: string) => void;
};

export async function benchPitr(o: PitrOptions): Promise<unknown> {
  const tool = await findTool(mysqlSpec, { progress: o.progress });
  const dir = await mkdtemp(join(tmpdir(), "autopilot-bench-pitr-"));
  try {
    const template = join(dir, "template");
    await makeTemplate(tool, template, "CREATE DATABASE bench;\n");
    o.progress(`pitr: writing ${o.transactions} transactions`);
    const source = await write(tool, { dir, template, ...o });
    o.progress("pitr: mysqlbinlog | mysql");
    const piped = await pipe(tool, { dir, template, ...source });
    o.progress("pitr: replay");
    const ours = await replayed(tool, { dir, template, ...source });
    const ok = piped.checksum === source.checksum && ours.checksum === source.checksum;
    const { transactions, bytes } = source;
    return {
      ok,
      mysql: tool.version,
      transactions,
      bytes,
      workers: ours.workers,
      pipe: { seconds: round(piped.seconds), perSecond: Math.round(transactions / piped.seconds) },
      replay: { seconds: round(ours.seconds), perSecond: Math.round(transactions / ours.seconds) },
      ratio: round(piped.seconds / ours.seconds),
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

type Place = { readonly dir: string; readonly template: string };

async function checksumOf(server: BareMysqld): Promise<string> {
  const [row] = await server.sql("CHECKSUM TABLE bench.t");
  return JSON.stringify(row?.["Checksum"]);
}

/** A server that is written to, its binary logs, and the archive of them in dir/objects. */
async function write(tool: Tool, { dir, template, transactions }: Place & PitrOptions) {
  const at = join(dir, "source");
  const options = [...GTID, "--log-bin=binlog", "--skip-networking", "--sync-binlog=0"];
  await using server = new BareMysqld(tool, { dir: at, port: 0, options });
  await server.provision(template);
  await server.start();
  await server.sql(
    "CREATE TABLE bench.t (id INT PRIMARY KEY AUTO_INCREMENT, w INT NOT NULL, v VARCHAR(500), KEY (w))",
  );
  const login = { socket: join(at, "s"), user: "root", password: "" };
  const each = Math.ceil(transactions / WRITERS);
  await Promise.all(
    Array.from({ length: WRITERS }, async (_, w) => {
      await using sql = await connect(login, 10_000);
      for (let i = 0; i < each; i++)
        await sql.rows(`INSERT INTO bench.t (w, v) VALUES (${w}, REPEAT('v', 300))`, 60_000);
    }),
  );
  await using sql = await connect(login, 10_000);
  const store = openDisk(await made(join(dir, "objects")), { clock: realClock });
  const executed = await executedBy(sql);
  const over = new AbortController();
  await archiveBinlogs({
    store,
    cluster: { id: CLUSTER },
    epoch: 1,
    look: () => lookAtPrimary(sql),
    withinMs: 100,
    sealing: { level: 1, recipients: [] },
    clock: realClock,
    signal: over.signal,
    tell: ({ archived }) => {
      if (contains(gtidSet(archived), executed)) over.abort();
    },
  });
  const { logIndex, datadir } = await lookAtPrimary(sql);
  const files = await binlogPaths({ logIndex, datadir });
  const segments = timelineOf(await loadSegments(store, CLUSTER, never));
  const bytes = segments.reduce((sum, { rawBytes }) => sum + rawBytes, 0);
  const checksum = await checksumOf(server);
  return { store, files, segments, bytes, executed, transactions: size(executed), checksum };
}

type Source = Place & Awaited<ReturnType<typeof write>>;

async function made(dir: string): Promise<string> {
  await mkdir(dir, { recursive: true });
  return dir;
}

async function pipe(tool: Tool, { dir, template, files }: Source) {
  const at = join(dir, "pipe");
  await using server = new BareMysqld(tool, { dir: at, port: 0, options: [...GTID, ...QUICK] });
  await server.provision(template);
  await server.start();
  const began = performance.now();
  const read = command(tool, "mysqlbinlog", ["--disable-log-bin", ...files], ["ignore", "pipe"]);
  const apply = command(
    tool,
    "mysql",
    ["--binary-mode", `--socket=${at}/s`, "--user=root"],
    ["pipe", "ignore"],
  );
  if (read.stdout === null || apply.stdin === null) throw new Error("no pipe");
  read.stdout.pipe(apply.stdin);
  const codes = await Promise.all([once(read, "close"), once(apply, "close")]);
  if (codes.some(([code]) => code !== 0)) throw new Error(`the pipe failed: ${codes.join(", ")}`);
  const seconds = (performance.now() - began) / 1_000;
  return { seconds, checksum: await checksumOf(server) };
}

function command(
  tool: Tool,
  name: string,
  args: readonly string[],
  [stdin, stdout]: readonly ["ignore" | "pipe", "ignore" | "pipe"],
) {
  const [program = "", ...before] = tool.command(name);
  const argv = [...before, "--no-defaults", ...args];
  return spawn(program, argv, { stdio: [stdin, stdout, "inherit"] });
}

async function replayed(tool: Tool, { dir, template, store, segments, executed }: Source) {
  const datadir = join(dir, "replay");
  const workdir = await made(join(dir, "work"));
  await cp(template, datadir, { recursive: true });
  const supervise = makeSupervise({ clock: realClock, log: SILENT });
  const workers = Math.max(2, availableParallelism());
  const parts = { tool, spawn: supervise, signal: never, datadir, workdir, workers };
  await using server = await startScratch(parts);
  const { sql } = server;
  const began = performance.now();
  await replay({
    sql,
    store,
    workdir,
    segments,
    identities: null,
    signal: never,
    wanted: executed,
    progress: () => undefined,
  });
  const seconds = (performance.now() - began) / 1_000;
  const has = await executedBy(sql);
  if (!contains(has, executed)) throw new Error(`replayed only ${formatGtidSet(has)}`);
  const [row] = await sql.rows("CHECKSUM TABLE bench.t", 60_000);
  return { seconds, workers, checksum: JSON.stringify(row?.["Checksum"]) };
}
