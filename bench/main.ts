// `npm run bench NAME`: measures, and prints one JSON document on stdout. What it is doing, and a small table at the
// end, go to stderr. Speed is measured here only: no test asserts it.
import { cpus, release, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { parseSize } from "../recipes/mysql/core/size.ts";
import { benchBackup } from "./backup.ts";
import { benchGroupReplication } from "./group-replication.ts";
import { benchIdle } from "./idle.ts";
import { benchOutages } from "./outage.ts";
import { benchPitr } from "./pitr.ts";
import { benchRunner } from "./runner.ts";
import { benchStart } from "./start.ts";

const USAGE = `usage: node bench/main.ts failover|switchover|idle|start|group-replication|backup|restore|pitr|runner|all
         [--rounds 10] [--size 2GiB] [--transactions 100000] [--seconds 60] [--without-group-replication] [--json]`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "10" },
    /** Of the idle measurement. */
    seconds: { type: "string", default: "60" },
    /** Of the image that is backed up and restored. */
    size: { type: "string", default: "2GiB" },
    /** That point-in-time recovery applies. */
    transactions: { type: "string", default: "100000" },
    /** 22 s per round at the server's defaults: leave it out while working on something else. */
    "without-group-replication": { type: "boolean", default: false },
    /** Nothing but the document: no progress, no table. */
    json: { type: "boolean", default: false },
  },
});

const rounds = Number(values.rounds);
const progress = (text: string): void => {
  if (!values.json) process.stderr.write(`${text}\n`);
};

async function groupReplication(): Promise<unknown> {
  const run = (expelTimeoutSeconds: number | null) =>
    benchGroupReplication({ rounds, expelTimeoutSeconds, progress });
  return { defaults: await run(null), memberExpelTimeout0: await run(0) };
}

async function failover(): Promise<unknown> {
  const ours = await benchOutages(["mysqld", "node"], rounds, progress);
  if (values["without-group-replication"]) return ours;
  return { ...ours, groupReplication: await groupReplication() };
}

async function backups(what: "backup" | "restore"): Promise<unknown> {
  const bytes = parseSize(values.size);
  if (bytes === null) throw new Error(`--size ${values.size}: expected a size like 2GiB`);
  return benchBackup({ what, bytes, rounds: Math.min(rounds, 5), progress });
}

const benches: Readonly<Record<string, () => Promise<unknown>>> = {
  failover,
  switchover: async () => (await benchOutages(["switchover"], rounds, progress))["switchover"],
  idle: () => benchIdle(Number(values.seconds), progress),
  start: () => benchStart(Math.min(rounds, 5), progress),
  "group-replication": groupReplication,
  runner: () => benchRunner({ rounds, seconds: Number(values.seconds) }, progress),
  backup: () => backups("backup"),
  restore: () => backups("restore"),
  pitr: () => benchPitr({ transactions: Number(values.transactions), progress }),
};

/** Every spread in the document, by its path: enough of a table for a terminal. */
function rowsOf(value: unknown, path = ""): readonly string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  if ("median" in value && "max" in value)
    return [`${path.padEnd(58)} median ${String(value.median)}  max ${String(value.max)}`];
  return Object.entries(value).flatMap(([name, inner]) =>
    rowsOf(inner, path === "" ? name : `${path}.${name}`),
  );
}

const [name = "all"] = positionals;
const wanted = name === "all" ? ["failover", "switchover", "idle", "start"] : [name];
if (!wanted.every((one) => one in benches) || !(rounds >= 1) || positionals.length > 1) {
  process.stderr.write(`${USAGE}\n`);
  process.exit(64);
}
const results: Record<string, unknown> = {};
for (const one of wanted) results[one] = await benches[one]?.();
const [cpu] = cpus();
const machine = {
  cpu: cpu?.model,
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
  node: process.version,
};
process.stdout.write(`${JSON.stringify({ at: new Date(), machine, ...results }, null, 2)}\n`);
for (const row of rowsOf(results)) progress(row);

/** A round that lost, doubled or invented a write, or saw two nodes acknowledge: a figure of it is worth nothing. */
function anyFailed(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return ("ok" in value && value.ok === false) || Object.values(value).some(anyFailed);
}
process.exitCode = anyFailed(results) ? 1 : 0;
