// The comparison: three mysqlds of the same binary in single-primary Group Replication, the same ledger client, the
// primary killed with SIGKILL. Each round waits until three members are ONLINE again before the next.
import { createServer, type Server } from "node:net";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { monotonicNow } from "../recipes/mysql/drills/ledger.ts";
import { createLedgerTable, judge } from "../recipes/mysql/drills/ledger-rows.ts";
import { LedgerRun } from "../recipes/mysql/drills/ledger-run.ts";
import { gapsOf } from "../recipes/mysql/drills/verdict-acks.ts";
import { mysqlSpec } from "../recipes/mysql/mysqld/tool.ts";
import { findTool } from "../src/local/toolchain.ts";
import { BareMysqld, makeTemplate } from "./mysqld.ts";
import { round, spreadOf } from "./statistics.ts";

const HOST = "127.0.0.1";
const GROUP = "c1de2c3f-5a4e-4d4b-9a0c-3f1d7e7b8a90";
/** Throw-away servers on loopback: the word guards nothing. */
const account = { user: "bench", password: "bench", database: "bench", tls: false };
const ACCOUNTS = [
  "CREATE USER bench@'127.0.0.1' IDENTIFIED BY 'bench';",
  "GRANT ALL ON bench.* TO bench@'127.0.0.1';",
  "CREATE USER recovery@'%' IDENTIFIED BY 'recovery';",
  "GRANT REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM ON *.* TO recovery@'%';",
].join("\n");
/** A round of 21.8 s at the defaults, and what a busy machine adds. */
const FAILOVER_LIMIT_MS = 120_000;

export type GroupReplicationOptions = {
  readonly rounds: number;
  /** null: the server's default (5 s, on top of 5 s until it is suspected). */
  readonly expelTimeoutSeconds: number | null;
  readonly progress: (text: string) => void;
};

export async function benchGroupReplication(options: GroupReplicationOptions): Promise<unknown> {
  const tool = await findTool(mysqlSpec, { progress: options.progress });
  const dir = await mkdtemp(join(tmpdir(), "autopilot-bench-gr-"));
  const members: BareMysqld[] = [];
  try {
    const template = join(dir, "template");
    await makeTemplate(tool, template, ACCOUNTS);
    const ports = await freePorts(6);
    for (let i = 0; i < 3; i++)
      members.push(
        new BareMysqld(tool, {
          dir: join(dir, `m${i}`),
          port: ports[i] ?? 0,
          options: memberOptions(i, ports.slice(3), options.expelTimeoutSeconds),
        }),
      );
    await formGroup(members, template);
    return { mysql: tool.version, ...(await measure(members, options)) };
  } finally {
    await Promise.all(members.map((member) => member.kill()));
    await rm(dir, { recursive: true, force: true });
  }
}

function memberOptions(
  index: number,
  ports: readonly number[],
  expelTimeout: number | null,
): readonly string[] {
  const seeds = ports.map((port) => `${HOST}:${port}`);
  const base = { server_id: index + 1, gtid_mode: "ON", enforce_gtid_consistency: "ON" };
  const durable = { sync_binlog: 1, innodb_flush_log_at_trx_commit: 1, report_host: HOST };
  const group = {
    plugin_load_add: "group_replication.so",
    loose_group_replication_group_name: GROUP,
    loose_group_replication_start_on_boot: "OFF",
    loose_group_replication_local_address: seeds[index] ?? "",
    loose_group_replication_group_seeds: seeds.join(","),
    loose_group_replication_recovery_get_public_key: "ON",
  };
  const expel =
    expelTimeout === null
      ? {}
      : { loose_group_replication_member_expel_timeout: String(expelTimeout) };
  return Object.entries({ ...base, ...durable, ...group, ...expel }).map(
    ([name, value]) => `--${name}=${value}`,
  );
}

async function formGroup(members: readonly BareMysqld[], template: string): Promise<void> {
  for (const [i, member] of members.entries()) {
    await member.provision(template);
    await member.start();
    await member.sql("RESET BINARY LOGS AND GTIDS");
    if (i === 0) await member.sql("SET GLOBAL group_replication_bootstrap_group=ON");
    await join_(member);
    if (i === 0) await member.sql("SET GLOBAL group_replication_bootstrap_group=OFF");
    if (i === 0) await member.sql("CREATE DATABASE bench");
  }
  await whole(members);
}

function join_(member: BareMysqld): Promise<unknown> {
  return member.sql("START GROUP_REPLICATION USER='recovery', PASSWORD='recovery'");
}

/** Waits until every member sees three ONLINE members. */
async function whole(members: readonly BareMysqld[]): Promise<void> {
  for (const limit = monotonicNow() + FAILOVER_LIMIT_MS; ; await sleep(200)) {
    const views = await Promise.all(members.map(online));
    if (views.every((count) => count === members.length)) return;
    if (monotonicNow() < limit) continue;
    const logs = await Promise.all(members.map((member) => member.errorLog()));
    throw new Error(`the group is not whole: ${views.join(", ")}\n${logs.join("\n--\n")}`);
  }
}

const MEMBERS = "performance_schema.replication_group_members";

async function online(member: BareMysqld): Promise<number> {
  const rows = await member.sql(`SELECT MEMBER_STATE AS state FROM ${MEMBERS}`);
  return rows.filter((row) => row["state"] === "ONLINE").length;
}

async function primaryOf(members: readonly BareMysqld[]): Promise<BareMysqld> {
  for (const member of members) {
    const mine = `MEMBER_ROLE='PRIMARY' AND MEMBER_STATE='ONLINE' AND MEMBER_ID=@@server_uuid`;
    const rows = await member.sql(`SELECT 1 FROM ${MEMBERS} WHERE ${mine}`);
    if (rows.length === 1) return member;
  }
  throw new Error("the group has no primary");
}

async function measure(members: readonly BareMysqld[], options: GroupReplicationOptions) {
  const addresses = members.map(({ port }) => ({ host: HOST, port }));
  const first = await primaryOf(members);
  await createLedgerTable({ host: HOST, port: first.port }, account);
  await using ledger = new LedgerRun({ ...account, addresses });
  const outages: number[] = [];
  for (let i = 1; i <= options.rounds; i++) {
    await until(() => recentlyAcked(ledger), "writes before the fault");
    const primary = await primaryOf(members);
    const killed = monotonicNow();
    await primary.kill();
    const others = (): boolean =>
      (ledger.lastAcked?.ended ?? 0) > killed && ledger.lastAcked?.port !== primary.port;
    await until(others, "another primary's acknowledgement");
    const outage = Math.max(
      ...gapsOf(ledger.soFar(), 0).flatMap(({ ms, to }) =>
        to !== null && to > killed ? [ms] : [],
      ),
    );
    outages.push(round(outage));
    options.progress(`group replication: round ${i}: ${round(outage)} ms`);
    await primary.start();
    await join_(primary);
    await whole(members);
  }
  const done = await ledger.finish();
  await converged(members);
  const nodes = addresses.map((at) => ({ ...at, name: String(at.port) }));
  const { ok, counts } = await judge(done, nodes, { account, reigns: null });
  return { rounds: outages, outageMs: spreadOf(outages), ok, ...counts };
}

function recentlyAcked(ledger: LedgerRun): boolean {
  return monotonicNow() - (ledger.lastAcked?.ended ?? 0) < 50;
}

async function converged(members: readonly BareMysqld[]): Promise<void> {
  const primary = await primaryOf(members);
  const [row] = await primary.sql("SELECT @@global.gtid_executed AS executed");
  const executed = String(row?.["executed"]).replaceAll(/\s/g, "");
  for (const member of members)
    await member.sql(`SELECT WAIT_FOR_EXECUTED_GTID_SET('${executed}', 30)`);
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const limit = monotonicNow() + FAILOVER_LIMIT_MS; !condition(); await sleep(20))
    if (monotonicNow() > limit) throw new Error(`waited in vain for ${what}`);
}

/** Ports of loopback that were free a moment ago. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers: Server[] = [];
  for (let i = 0; i < count; i++) {
    const server = createServer().listen(0, HOST);
    await once(server, "listening");
    servers.push(server);
  }
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
  return ports;
}
