// The outage client on real servers: what it takes for acknowledged, refused and unknown, and that it never sends an id
// twice. Two mysqlds without replication, so what each one holds shows what was sent to it.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePorts } from "../../bench/group-replication.ts";
import { BareMysqld, makeTemplate } from "../../bench/mysqld.ts";
import { createLedgerTable, LedgerRun, readRows } from "../../recipes/mysql/drills/ledger-run.ts";
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

const servers: BareMysqld[] = [];
let dir = "";

beforeAll(async () => {
  const tool = await findTool(mysqlSpec, { progress: (line) => console.error(line) });
  dir = await mkdtemp(join(tmpdir(), "autopilot-ledger-"));
  await makeTemplate(tool, join(dir, "template"), ACCOUNTS);
  for (const [i, port] of (await freePorts(2)).entries()) {
    const place = { dir: join(dir, String(i)), port };
    const server = new BareMysqld(tool, { ...place, options: [`--server-id=${i + 1}`] });
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
    run.writes.slice(had).some((write) => write.outcome === "acked" && write.port === port),
  );
}

/** Rows of both servers as if of one node: each write was sent to one of them. */
async function judge(run: LedgerRun) {
  const ledger = await run.finish();
  const held = await Promise.all(
    servers.map((server) => readRows({ ...addressOf(server), name: "both" }, account, ledger)),
  );
  const rows = held.flatMap((node) => node.rows);
  return { ledger, rows, verdict: verify(ledger, [{ node: "both", rows }]) };
}

test("a node that became read only refuses, and the client goes on with the next under fresh ids", async () => {
  const [first, second] = await pair();
  await using run = new LedgerRun({ ...account, addresses: servers.map(addressOf) });
  await acks(run, first);
  await first.sql("SET GLOBAL read_only=ON");
  await acks(run, second);
  const { ledger, verdict } = await judge(run);
  expect(verdict).toMatchObject({ ok: true, unknown: 0 });
  expect(
    ledger.writes.filter(({ outcome }) => outcome === "refused").map(({ why }) => why),
  ).toEqual(["1290"]);
  const ids = ledger.writes.map(({ seq }) => seq);
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
  const { verdict } = await judge(run);
  expect(verdict).toMatchObject({ lost: [], doubled: [], invented: [] });
  expect(verdict.unknown).toBeLessThanOrEqual(3);
  // These two do not replicate, so both acknowledge at will: three clients that stay prove nothing of each other.
  expect(verdict.acked).toBeGreaterThan(3);
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
  const { ledger, rows, verdict } = await judge(run);
  const [hung, ...more] = ledger.writes.filter(({ outcome }) => outcome === "unknown");
  expect([hung?.why, more]).toEqual(["hang", []]);
  expect(verdict).toMatchObject({ ok: true, unknown: 1 });
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
      new Set(run.writes.slice(-2).map(({ outcome, port }) => outcome === "refused" && port))
        .size === 2,
  );
  await second.sql("SET GLOBAL read_only=OFF");
  await acks(run, second);
  expect((await judge(run)).verdict).toMatchObject({ ok: true, unknown: 0 });
});
