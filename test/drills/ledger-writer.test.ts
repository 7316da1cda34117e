// The outage client on real servers: what it takes for acknowledged, refused and unknown, and that it never sends an id
// twice. Two mysqlds without replication, so what each one holds shows what was sent to it.
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePorts } from "../../bench/group-replication.ts";
import { BareMysqld, makeTemplate } from "../../bench/mysqld.ts";
import {
  createLedgerTable,
  judge,
  readRows,
  type Archive,
} from "../../recipes/mysql/drills/ledger-rows.ts";
import { LedgerRun } from "../../recipes/mysql/drills/ledger-run.ts";
import type { Write } from "../../recipes/mysql/drills/ledger.ts";
import { verify } from "../../recipes/mysql/drills/verdict.ts";
import { mysqlSpec } from "../../recipes/mysql/mysqld/tool.ts";
import { findTool } from "../../src/local/toolchain.ts";
import { until } from "../cluster/until.ts";

const account = { user: "app", password: "app", database: "app", tls: false };
const ACCOUNTS = [
  "CREATE DATABASE app;",
  "CREATE USER app@'127.0.0.1' IDENTIFIED BY 'app';",
  "GRANT ALL ON app.* TO app@'127.0.0.1';",
].join("\n");

const GTIDS = ["--gtid-mode=ON", "--enforce-gtid-consistency=ON"];
const servers: BareMysqld[] = [];
let dir = "";

beforeAll(async () => {
  const tool = await findTool(mysqlSpec, { progress: (line) => console.error(line) });
  dir = await mkdtemp(join(tmpdir(), "autopilot-ledger-"));
  await makeTemplate(tool, join(dir, "template"), ACCOUNTS);
  for (const [i, port] of (await freePorts(2)).entries()) {
    const place = { dir: join(dir, String(i)), port };
    const server = new BareMysqld(tool, { ...place, options: [`--server-id=${i + 1}`, ...GTIDS] });
    servers.push(server);
    await server.provision(join(dir, "template"));
    await server.start();
    await createLedgerTable(addressOf(server), account);
  }
}, 120_000);

afterAll(async () => {
  await Promise.all(servers.map((server) => server.kill()));
  await rm(dir, { recursive: true, force: true });
});

function addressOf({ port }: BareMysqld) {
  return { host: "127.0.0.1", port };
}

/** Both servers; the writer begins with the first. */
async function pair(): Promise<readonly [BareMysqld, BareMysqld]> {
  const [first, second] = servers;
  if (first === undefined || second === undefined) throw new Error("no servers");
  await first.sql("SET GLOBAL read_only=OFF");
  return [first, second];
}

async function acks(run: LedgerRun, { port }: BareMysqld): Promise<void> {
  const had = run.writes.length;
  await until(`acknowledgements of ${port}`, () =>
    [...run.writes].slice(had).some((write) => write.outcome === "acked" && write.port === port),
  );
}

test("a row of an earlier ledger that goes while a later one is written is lost", async () => {
  const [first] = await pair();
  const at = [{ ...addressOf(first), name: "first" }];
  const archive: Archive = new Map();
  const play = async () => {
    await using run = new LedgerRun({ ...account, transferrers: 1, addresses: at });
    await acks(run, first);
    const ledger = await run.finish();
    return { ledger, verdict: await judge(ledger, at, { account, reigns: null, archive }) };
  };
  const { ledger } = await play();
  expect((await play()).verdict.ok).toBe(true);
  await first.sql(`DELETE FROM app.autopilot_ledger WHERE writer=${ledger.writers[0]} AND seq=1`);
  expect((await play()).verdict.lost).toEqual([
    { writer: ledger.writers[0], seq: 0, node: "first" },
  ]);
  expect((await play()).verdict.ok).toBe(true);
});

/** Rows of both servers as if of one node: each write was sent to one of them. */
async function judgeBoth(run: LedgerRun) {
  const ledger = await run.finish();
  const held = await Promise.all(
    servers.map((server) => readRows({ ...addressOf(server), name: "both" }, account, ledger)),
  );
  const rows = held.flatMap((node) => node.rows);
  const verdict = verify(ledger, [{ node: "both", rows, balances: null }]);
  return { writes: [...ledger.writes], rows, verdict, balances: held.map((node) => node.balances) };
}

test("a node that became read only refuses, and the client goes on with the next under fresh ids", async () => {
  const [first, second] = await pair();
  await using run = new LedgerRun({ ...account, addresses: servers.map(addressOf) });
  await acks(run, first);
  await first.sql("SET GLOBAL read_only=ON");
  await acks(run, second);
  const { writes, verdict } = await judgeBoth(run);
  expect(verdict).toMatchObject({ ok: true, counts: { unknown: 0 } });
  expect(writes.filter(({ outcome }) => outcome === "refused").map(({ why }) => why)).toEqual([
    "1290",
  ]);
  const ids = writes.map(({ seq }) => seq);
  expect(ids).toEqual([...new Set(ids)]);
});

test("a killed node leaves at most one unknown write per connection, and the client goes on with the next", async () => {
  const [first, second] = await pair();
  await using run = new LedgerRun({
    ...account,
    connections: 3,
    addresses: servers.map(addressOf),
  });
  await acks(run, first);
  await first.kill();
  await acks(run, second);
  await first.start();
  const { verdict } = await judgeBoth(run);
  expect(verdict).toMatchObject({ lost: [], doubled: [], invented: [] });
  expect(verdict.counts.unknown).toBeLessThanOrEqual(3);
  // These two do not replicate, so both acknowledge at will: three clients that stay prove nothing of each other.
  expect(verdict.counts.acknowledged).toBeGreaterThan(3);
});

test("a hanging statement is counted as unknown and abandoned, and is there at most once when it wakes up", async () => {
  const [first, second] = await pair();
  await using run = new LedgerRun({
    ...account,
    hangLimitMs: 200,
    addresses: servers.map(addressOf),
  });
  await acks(run, first);
  await first.sql("SET GLOBAL read_only=OFF");
  await using lock = await first.lockTables("app.autopilot_ledger");
  await acks(run, second);
  await lock[Symbol.asyncDispose]();
  const { writes, rows, verdict } = await judgeBoth(run);
  const [hung, ...more] = writes.filter(({ outcome }) => outcome === "unknown");
  expect([hung?.why, more]).toEqual(["hang", []]);
  expect(verdict).toMatchObject({ ok: true, counts: { unknown: 1 } });
  expect(rows.filter(({ seq }) => seq === hung?.seq).length).toBeLessThanOrEqual(1);
});

test("without any node that takes writes the client keeps asking, and finds the first that does", async () => {
  const [first, second] = await pair();
  await using run = new LedgerRun({ ...account, addresses: servers.map(addressOf) });
  await first.sql("SET GLOBAL read_only=ON");
  await second.sql("SET GLOBAL read_only=ON");
  await until(
    "both refuse",
    () =>
      new Set([...run.writes].slice(-2).map(({ outcome, port }) => outcome === "refused" && port))
        .size === 2,
  );
  await second.sql("SET GLOBAL read_only=OFF");
  await acks(run, second);
  expect((await judgeBoth(run)).verdict).toMatchObject({ ok: true, counts: { unknown: 0 } });
});

test("a transfer is there whole or not at all, on whichever node it went to, and the balances are what was booked", async () => {
  const [first, second] = await pair();
  const file = join(dir, "ledger.jsonl");
  await using run = new LedgerRun({
    ...account,
    connections: 1,
    transferrers: 3,
    transferEveryMs: 2,
    readEveryMs: 5,
    hangLimitMs: 300,
    file,
    addresses: servers.map(addressOf),
  });
  await acks(run, first);
  // Some hang on a row's lock before their COMMIT, some are killed wherever they are.
  await using lock = await first.lockTables("app.autopilot_account");
  await acks(run, second);
  await lock[Symbol.asyncDispose]();
  await second.sql("SET GLOBAL read_only=ON");
  await acks(run, first);
  await second.sql("SET GLOBAL read_only=OFF");
  await first.kill();
  await acks(run, second);
  await first.start();
  const { verdict, writes, rows, balances } = await judgeBoth(run);
  expect(verdict).toMatchObject({ lost: [], doubled: [], invented: [], halved: [], vanished: [] });
  expect(verdict.counts.imbalanced).toBe(0);
  expect(rows.filter(({ part }) => part === 1).length).toBe(
    rows.filter(({ part }) => part === 2).length,
  );
  for (const [i, node] of balances.entries())
    expect(verify(await empty(run), [{ node: `${i}`, rows: [], balances: node }]).counts).toEqual(
      expect.objectContaining({ imbalanced: 0 }),
    );
  expect(writes.filter(({ why }) => why === "hang before COMMIT")).not.toEqual([]);
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  expect(lines.filter((line) => line.includes('"line":"write"'))).toHaveLength(writes.length);
});

async function empty(run: LedgerRun) {
  return { ...(await run.finish()), writes: [] };
}

test("each row says which server wrote it, and in which epoch where the markers' uuid is known", async () => {
  const [first] = await pair();
  const marker = "8e7ab1d2-58b0-5fd7-9ff7-0a8b2f2fd4c7";
  await first.sql(`SET GLOBAL gtid_purged='+${marker}:1:3:12'`);
  await using run = new LedgerRun({ ...account, marker, addresses: [addressOf(first)] });
  await acks(run, first);
  const { rows, verdict } = await judgeBoth(run);
  expect(new Set(rows.map(({ epoch }) => epoch))).toEqual(new Set([12]));
  expect(verdict.ranges).toMatchObject([{ epoch: 12, server: rows[0]?.server }]);
  await using unknown = new LedgerRun({ ...account, addresses: [addressOf(first)] });
  await acks(unknown, first);
  expect((await judgeBoth(unknown)).verdict.ranges).toMatchObject([{ epoch: null }]);
});

test("the reader tells of a row that it saw on a writable server, and that was never acknowledged", async () => {
  const [first, second] = await pair();
  const addresses = servers.map(addressOf);
  await using run = new LedgerRun({ ...account, readEveryMs: 2, hangLimitMs: 200, addresses });
  await acks(run, first);
  await using lock = await first.lockTables("app.autopilot_ledger");
  await acks(run, second);
  await lock[Symbol.asyncDispose]();
  const [hung] = [...run.writes].filter(({ outcome }) => outcome === "unknown");
  const id = `writer=${run.soFar().writers[0]} AND seq=${hung?.seq}`;
  await until("the abandoned statement was executed", async () => {
    const rows = await first.sql(`SELECT 1 FROM app.autopilot_ledger WHERE ${id}`);
    return rows.length === 1;
  });
  expect(run.soFar().seen).toEqual([]);
  await second.sql("SET GLOBAL read_only=ON");
  await until("the reader saw it", () => run.soFar().seen.length > 0);
  await second.sql("SET GLOBAL read_only=OFF");
  const { verdict } = await judgeBoth(run);
  expect((await run.finish()).seen).toMatchObject([{ seq: hung?.seq, node: hung?.node }]);
  expect(verdict.ok).toBe(true);
});

test("what a closed server shows was promised to nobody: the reader counts it only once the server is open", async () => {
  const [first] = await pair();
  const addresses = [addressOf(first)];
  await using run = new LedgerRun({ ...account, readEveryMs: 2, addresses });
  await acks(run, first);
  await first.sql("SET GLOBAL read_only=ON");
  const refused = (): Write[] => [...run.writes].filter(({ outcome }) => outcome === "refused");
  await until("it refuses", () => refused().length > 0);
  const { writer, seq } = refused()[0] as Write;
  const columns = "(writer, seq, part, amount, payload, server)";
  const row = `(${writer}, ${seq}, 0, 0, 'a tail', '')`;
  await first.sql(`INSERT INTO app.autopilot_ledger ${columns} VALUES ${row}`);
  const had = refused().length;
  await until("time for many looks", () => refused().length > had + 50);
  expect(run.soFar().seen).toEqual([]);
  await first.sql("SET GLOBAL read_only=OFF");
  await until("the reader saw it", () => run.soFar().seen.length > 0);
  const { verdict } = await judgeBoth(run);
  expect(verdict.invented).toMatchObject([{ writer, seq }]);
});
