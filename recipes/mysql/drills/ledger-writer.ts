// The outage client: a process of its own whose clients write one row (or one transfer) after the other, each with a
// fresh id, to whichever node takes it, and which prints what became of each. One statement is outstanding per
// connection; a hanging one is counted as unknown and abandoned for the next node, never sent again with the same id.
//
//   stdin: one JSON line (WriterConfig), then "stop" or its end     stdout: WriterLine, one JSON object per line
import { createWriteStream, type WriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import {
  connect,
  insertRow,
  renewed,
  transfer,
  type Address,
  type Deed,
  type Open,
} from "./ledger-client.ts";
import { freshDesk, readAll, settle, type Desk } from "./ledger-reader.ts";
import { monotonicNow, type Write, type WriterConfig, type WriterLine } from "./ledger.ts";

/** What nobody reads any more is kept in memory up to here; then the writers stand still, and the ledger says so. */
const UNREAD_BYTES = 8 * 1024 * 1024;
const STALL_LOOK_MS = 50;
const STALL_MS = 100;

let file: WriteStream | null = null;

function print(line: WriterLine): void {
  const text = `${JSON.stringify(line)}\n`;
  process.stdout.write(text);
  file?.write(text);
}

async function readersKeptUp(): Promise<void> {
  while (process.stdout.writableLength + (file?.writableLength ?? 0) > UNREAD_BYTES) await sleep(5);
}

type Client = { readonly writer: number; readonly everyMs: number; readonly deed: Deed };

/** One client: keeps at most one connection per address, and stays with a node as long as it acknowledges. */
async function writeAll(config: WriterConfig, desk: Desk, client: Client): Promise<void> {
  const pool = new Map<Address, Open>();
  let due = monotonicNow();
  for (let seq = 0, at = 0; !desk.stopping;) {
    due = Math.max(due + client.everyMs, monotonicNow());
    await sleep(due - monotonicNow());
    await readersKeptUp();
    const address = config.addresses[at % config.addresses.length];
    if (address === undefined) throw new Error("no addresses");
    const open = pool.get(address) ?? (await connect(config, address));
    if (open === null) {
      at++;
      continue;
    }
    pool.set(address, open);
    const write = await writeOne(config, desk, client, { open, port: address.port, seq: ++seq });
    if (write.outcome === "acked") {
      desk.at = address;
      continue;
    }
    at++;
    if (write.broken) {
      pool.delete(address);
      open.connection.destroy();
    } else pool.set(address, renewed(open));
  }
  for (const open of pool.values()) open.connection.destroy();
}

async function writeOne(
  config: WriterConfig,
  desk: Desk,
  { writer, deed }: Client,
  { open, port, seq }: { readonly open: Open; readonly port: number; readonly seq: number },
): Promise<{ readonly outcome: Write["outcome"]; readonly broken: boolean }> {
  const id = `${writer}:${seq}`;
  const sent = monotonicNow();
  desk.pending.set(id, null);
  const { outcome, why, broken } = await deed(config, open, [writer, seq]);
  const where = { node: open.node, port, connection: open.id };
  const write: Write = { writer, seq, ...where, sent, ended: monotonicNow(), outcome, why };
  print({ line: "write", write });
  settle(desk, id, outcome);
  return { outcome, broken };
}

/** Says when this process itself was not run: then a gap is not the cluster's. */
function watchOurselves(): NodeJS.Timeout {
  let last = monotonicNow();
  return setInterval(() => {
    const ms = monotonicNow() - last - STALL_LOOK_MS;
    if (ms > STALL_MS) print({ line: "stall", stall: { at: last, ms } });
    last = monotonicNow();
  }, STALL_LOOK_MS);
}

function clientsOf(config: WriterConfig): readonly Client[] {
  const { writer, connections, transferrers, everyMs, transferEveryMs } = config;
  return Array.from({ length: connections + transferrers }, (_, i) =>
    i < connections
      ? { writer: writer + i, everyMs, deed: insertRow }
      : { writer: writer + i, everyMs: transferEveryMs, deed: transfer },
  );
}

async function main(): Promise<void> {
  const lines = createInterface({ input: process.stdin });
  const first = await lines[Symbol.asyncIterator]().next();
  const config = JSON.parse(String(first.value)) as WriterConfig;
  if (config.file !== null) file = createWriteStream(config.file, { flags: "a", mode: 0o600 });
  const desk = freshDesk(print);
  // Either word or the end of stdin (the harness died): nobody would read on.
  lines.on("line", () => (desk.stopping = true));
  lines.on("close", () => (desk.stopping = true));
  process.stdout.on("error", () => process.exit(0));
  print({ line: "begin", at: monotonicNow() });
  const watching = watchOurselves();
  const work = clientsOf(config).map((client) => writeAll(config, desk, client));
  if (config.readEveryMs > 0) work.push(readAll(config, desk));
  await Promise.all(work);
  clearInterval(watching);
  print({ line: "end", at: monotonicNow() });
  file?.end();
  lines.close();
  process.stdin.destroy();
}

await main();
