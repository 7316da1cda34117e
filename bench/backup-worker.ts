// One backup, or one restore of the newest one, in a process of its own; prints what it took.
//   node backup-worker.ts backup|restore plain|age DIR SOURCE ZSTD…
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readCatalog } from "../recipes/mysql/backup/catalog.ts";
import { recipientsOf } from "../recipes/mysql/backup/encrypt.ts";
import type { Engine } from "../recipes/mysql/backup/engine.ts";
import { fetchBackup } from "../recipes/mysql/backup/fetch.ts";
import { takeSnapshot } from "../recipes/mysql/backup/snapshot.ts";
import { openStore } from "../src/objects/open.ts";
import { realClock } from "../src/runtime/clock.ts";
import type { Worked } from "./backup.ts";

const [, , what, how = "plain", dir = "", source = "", ...zstd] = process.argv;
const CLUSTER = "bench";
const KIB_PER_MIB = 1024;

/** The shell's stream; unpacked into nothing, as the shell's is. */
const engine: Engine = {
  name: "clone",
  version: "0",
  incremental: false,
  holdsGtid: true,
  async image() {
    const child = spawn("sh", ["-c", source], { stdio: ["ignore", "pipe", "inherit"] });
    // Node throws away what a child wrote when it has ended before anybody began to read.
    child.stdout.on("readable", () => {});
    const ended = once(child, "close");
    return {
      stream: child.stdout,
      format: "tar",
      estimate: 0,
      async finish() {
        await ended;
        return { gtid: "", binlog: null, lsn: null };
      },
      async [Symbol.asyncDispose]() {
        child.kill("SIGKILL");
        await ended;
      },
    };
  },
  async unpack(chain) {
    for (const { stream } of chain) for await (const _ of stream) continue;
  },
};

async function identity(): Promise<string> {
  const file = join(dir, "identity");
  const known = await readFile(file, "utf8").catch(() => null);
  if (known !== null) return known;
  const { generateX25519Identity } = await import("age-encryption");
  const made = await generateX25519Identity();
  await writeFile(file, made, { mode: 0o600 });
  return made;
}

const objects = join(dir, how);
await mkdir(objects, { recursive: true });
await using store = await openStore(objects, { env: {}, clock: realClock });
const identities = how === "age" ? [await identity()] : null;
const signal = new AbortController().signal;

async function backup(): Promise<number> {
  const request = {
    cluster: { name: CLUSTER, id: CLUSTER, restoredFrom: null },
    node: { name: "bench", uuid: "", role: "replica" },
    epoch: 1,
    server: { flavor: "mysql", version: "9.7.4" },
    parent: null,
    scratch: dir,
    level: 1,
    recipients: identities === null ? null : await recipientsOf(identities),
    rate: null,
    signal,
    progress: () => {},
  } as const;
  const { rawBytes } = await takeSnapshot({ store, clock: realClock, engine, zstd }, request);
  return rawBytes;
}

async function restore(): Promise<number> {
  const [entry] = (await readCatalog(store, CLUSTER)).entries;
  if (entry === undefined) throw new Error("there is no backup to restore");
  const around = { into: dir, engine, zstd, clock: realClock, identities, signal };
  const { rawBytes } = await fetchBackup(store, entry.manifest, { ...around, progress: () => {} });
  return rawBytes;
}

// What a restore is made of is not measured.
if (what === "restore" && (await readCatalog(store, CLUSTER)).entries.length === 0) await backup();
const begun = performance.now();
const rawBytes = what === "backup" ? await backup() : await restore();
const ms = performance.now() - begun;
const maxRssMiB = process.resourceUsage().maxRSS / KIB_PER_MIB;
process.stdout.write(JSON.stringify({ ms, rawBytes, maxRssMiB } satisfies Worked));
