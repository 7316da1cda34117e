// Backups and restores against the shell: the same stream through the same zstd in the same run, ours with hashes, a
// store, and all the checks. The worker is a process of its own, as in life: its memory is measured too.
import { execFile } from "node:child_process";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { zstdSpec } from "../recipes/mysql/backup/zstd.ts";
import { findTool } from "../src/local/toolchain.ts";
import type { Progress } from "./outage.ts";
import { round, spreadOf } from "./statistics.ts";

const MIB = 2 ** 20;
/** Sent again and again: far beyond what zstd -1 looks back. */
const BLOCK_BYTES = 64 * MIB;
const WORKER = fileURLToPath(new URL("backup-worker.ts", import.meta.url));
const run = promisify(execFile);

/** What the worker says of itself. */
export type Worked = { readonly ms: number; readonly rawBytes: number; readonly maxRssMiB: number };

export type BackupBench = {
  readonly what: "backup" | "restore";
  readonly bytes: number;
  readonly rounds: number;
  readonly progress: Progress;
};

type Place = { readonly dir: string; readonly source: string; readonly zstd: readonly string[] };

export async function benchBackup({
  what,
  bytes,
  rounds,
  progress,
}: BackupBench): Promise<unknown> {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-bench-"));
  try {
    const tool = await findTool(zstdSpec, { progress });
    const place = { dir, source: await streamOf(dir, bytes), zstd: tool.command("zstd") };
    const done: Compared[] = [];
    while (done.length < rounds) {
      const one = await compare(place, what);
      done.push(one);
      progress(`${what}: shell ${one.shell} MiB/s, ours ${one.ours}, encrypted ${one.encrypted}`);
    }
    const spread = (of: (one: Compared) => number) => spreadOf(done.map(of));
    return {
      bytes,
      shellMiBPerSecond: spread(({ shell }) => shell),
      oursMiBPerSecond: spread(({ ours }) => ours),
      encryptedMiBPerSecond: spread(({ encrypted }) => encrypted),
      ratioPercent: spread(({ ours, shell }) => (100 * ours) / shell),
      workerMaxRssMiB: spread(({ rss }) => rss),
      rounds: done,
    };
  } finally {
    await rm(dir, { recursive: true });
  }
}

type Compared = {
  readonly shell: number;
  readonly ours: number;
  readonly encrypted: number;
  readonly rss: number;
};

async function compare(place: Place, what: BackupBench["what"]): Promise<Compared> {
  const ours = await work(place, what, "plain");
  const encrypted = await work(place, what, "age");
  const shell = await pipe(place, what, ours.rawBytes);
  const rss = round(Math.max(ours.maxRssMiB, encrypted.maxRssMiB));
  return { shell, ours: speedOf(ours), encrypted: speedOf(encrypted), rss };
}

function speedOf({ ms, rawBytes }: { readonly ms: number; readonly rawBytes: number }): number {
  return round(rawBytes / MIB / (ms / 1000));
}

async function work({ dir, source, zstd }: Place, what: string, how: string): Promise<Worked> {
  const argv = [WORKER, what, how, dir, source, ...zstd];
  const { stdout } = await run(process.execPath, argv);
  return JSON.parse(stdout) as Worked;
}

/** The shell's: a restore reads what the worker's plain backup stored. */
async function pipe(
  { dir, source, zstd }: Place,
  what: BackupBench["what"],
  rawBytes: number,
): Promise<number> {
  const program = zstd.map((word) => `'${word}'`).join(" ");
  const stored = `"$(find '${join(dir, "plain")}' -name data | grep backups/ | tail -1)"`;
  const script =
    what === "backup"
      ? `${source} | ${program} -1 -q -c > /dev/null`
      : `${program} -d -q -c ${stored} | cat > /dev/null`;
  const begun = performance.now();
  await run("sh", ["-c", script]);
  return speedOf({ ms: performance.now() - begun, rawBytes });
}

/** A shell command that streams `bytes` of something like pages of a database: a third as large when compressed. */
async function streamOf(dir: string, bytes: number): Promise<string> {
  const block = Buffer.alloc(Math.min(BLOCK_BYTES, bytes));
  let state = 1;
  for (let i = 0; i < block.length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    block[i] = i % 128 < 40 ? state >> 16 : (i >> 7) & 0x3f;
  }
  const path = join(dir, "block");
  await using file = await open(path, "w");
  await file.writeFile(block);
  const times = Math.max(1, Math.ceil(bytes / block.length));
  return `for i in $(seq ${times}); do cat '${path}'; done`;
}
