// The outage client: a process of its own that writes one row after the other, each with a fresh id, to whichever node
// takes it, and prints what became of each. One statement is outstanding per connection; a hanging one is counted as
// unknown and abandoned for the next node, never sent again with the same id.
//
//   stdin: one JSON line (WriterConfig), then "stop" or its end     stdout: WriterLine, one JSON object per line
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import mysql from "mysql2";
import { LEDGER_TABLE, monotonicNow, payloadOf } from "./ledger.ts";
import type { Outcome, Write, WriterConfig, WriterLine } from "./ledger.ts";

type Address = WriterConfig["addresses"][number];
type Open = { readonly connection: mysql.Connection; readonly node: string; readonly id: number };
type Answer = { readonly outcome: Outcome; readonly why: string | null };

// Server errors that rule out that the statement was applied: read only (1290, 1836), group replication's refusals
// (3098, 3100, 3101), lock wait and deadlock (1205, 1213), no right and no table (1142, 1146). All others are unknown.
const REFUSALS: ReadonlySet<number> = new Set([
  1142, 1146, 1205, 1213, 1290, 1836, 3098, 3100, 3101,
]);

let connectionsMade = 0;
let stopping = false;

function print(line: WriterLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Resolves with null when `ms` passed first. The loser's late failure is of no interest. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | null> {
  const timer = new AbortController();
  work.catch(() => undefined); // raced below; a late rejection after the limit has nobody to hear it
  try {
    return await Promise.race([work, sleep(ms, null, { signal: timer.signal })]);
  } finally {
    timer.abort();
  }
}

function ask(connection: mysql.Connection, sql: string, values: unknown[] = []): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  connection.query(sql, values, (error, result) =>
    error === null ? resolve(result) : reject(error),
  );
  return promise;
}

/** A connection whose server said who it is, all within the connect limit; null when it did not. */
async function connect(config: WriterConfig, address: Address): Promise<Open | null> {
  const { user, password, database } = config;
  const ssl = config.tls ? { ssl: { rejectUnauthorized: false } } : {};
  const connection = mysql.createConnection({ ...address, user, password, database, ...ssl });
  connection.on("error", () => undefined); // each statement reports its own failure
  try {
    const rows = await within(
      config.connectLimitMs,
      ask(connection, "SELECT @@server_uuid AS node"),
    );
    const node = (rows as { node: string }[] | null)?.[0]?.node;
    if (node !== undefined) return { connection, node, id: ++connectionsMade };
  } catch {
    // Down, starting, or refusing logins: the next address is tried, which is what a client does.
  }
  connection.destroy();
  return null;
}

async function insert(config: WriterConfig, open: Open, id: [number, number]): Promise<Answer> {
  const sql = `INSERT INTO ${LEDGER_TABLE} (writer, seq, payload) VALUES (?, ?, ?)`;
  const payload = payloadOf(config.run, ...id);
  try {
    const result = await within(config.hangLimitMs, ask(open.connection, sql, [...id, payload]));
    return result === null ? { outcome: "unknown", why: "hang" } : { outcome: "acked", why: null };
  } catch (error) {
    const { errno = 0, code = "error" } = error as { errno?: number; code?: string };
    // A lost connection has a negative errno or none; the server's own errors are numbered from 1000 on.
    const why = errno >= 1000 ? String(errno) : code;
    return { outcome: REFUSALS.has(errno) ? "refused" : "unknown", why };
  }
}

/** One client: keeps at most one connection per address, and stays with a node as long as it acknowledges. */
async function writeAll(config: WriterConfig, writer: number): Promise<void> {
  const pool = new Map<Address, Open>();
  let due = monotonicNow();
  for (let seq = 0, at = 0; !stopping;) {
    due = Math.max(due + config.everyMs, monotonicNow());
    await sleep(due - monotonicNow());
    const address = config.addresses[at % config.addresses.length];
    if (address === undefined) throw new Error("no addresses");
    const open = pool.get(address) ?? (await connect(config, address));
    if (open === null) {
      at++;
      continue;
    }
    pool.set(address, open);
    const sent = monotonicNow();
    const { outcome, why } = await insert(config, open, [writer, ++seq]);
    const id = { writer, seq, node: open.node, port: address.port, connection: open.id };
    const write: Write = { ...id, sent, ended: monotonicNow(), outcome, why };
    print({ line: "write", write });
    if (outcome === "acked") continue;
    at++;
    // Refused: the node is no primary now. What it acknowledges later on this connection belongs to another reign.
    pool.set(address, { ...open, id: ++connectionsMade });
    if (outcome === "unknown") {
      pool.delete(address);
      open.connection.destroy();
    }
  }
  for (const open of pool.values()) open.connection.destroy();
}

async function main(): Promise<void> {
  const lines = createInterface({ input: process.stdin });
  const first = await lines[Symbol.asyncIterator]().next();
  const config = JSON.parse(String(first.value)) as WriterConfig;
  // Either word or the end of stdin (the harness died): nobody would read on.
  lines.on("line", () => (stopping = true));
  lines.on("close", () => (stopping = true));
  process.stdout.on("error", () => process.exit(0));
  print({ line: "begin", at: monotonicNow() });
  const writers = Array.from({ length: config.connections }, (_, i) => config.writer + i);
  await Promise.all(writers.map((writer) => writeAll(config, writer)));
  print({ line: "end", at: monotonicNow() });
  lines.close();
  process.stdin.destroy();
}

await main();
