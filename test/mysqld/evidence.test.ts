// Errant transactions of a real stopped datadir, in its binary logs and only in its relay logs: extracted byte for byte,
// and applied to another server they give exactly these rows (PROTOCOL §7 "Rebuild").
import { execFile } from "node:child_process";
import { appendFile, cp, mkdir, readFile, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatGtidSet, gtidSet, subtract, union } from "../../recipes/mysql/core/gtid.ts";
import { MAGIC, transactions, type Transaction } from "../../recipes/mysql/mysqld/binlog.ts";
import { copyTransactions, findErrant } from "../../recipes/mysql/mysqld/errant-log.ts";
import { COPY, keepEvidence, TEXT } from "../../recipes/mysql/mysqld/evidence.ts";
import { layout } from "../../recipes/mysql/mysqld/layout.ts";
import type { Story } from "../../recipes/mysql/machine.ts";
import { lab, promote, quietLog, supervise, until, type Lab, type Server } from "./servers.ts";

const run = promisify(execFile);
const never = new AbortController().signal;
const XID_BYTES = 31;
const STRANGER = "99999999-0000-4000-8000-000000000099";
/** What was written on the replica, and what only arrived there: the rows that the evidence has to give. */
const WRITTEN = [100, 101, 102, 103, 104];
const RECEIVED = [200, 201];

let servers: Lab;
let replica: Server;
let held = "";
let all = "";

async function executed(server: Server): Promise<string> {
  await using sql = await server.admin();
  const [row] = await sql.rows("SELECT @@GLOBAL.gtid_executed AS gtids", 5_000);
  return formatGtidSet(gtidSet(String(row?.["gtids"])));
}

/** Ids in the table, of which each row says its id in words too. */
async function ids(server: Server): Promise<readonly number[]> {
  await using sql = await server.admin();
  const rows = await sql.rows("SELECT id, v FROM app.t ORDER BY id", 5_000);
  for (const { id, v } of rows) expect(v).toBe(`row ${String(id)}`);
  return rows.map(({ id }) => Number(id));
}

const insert = (id: number): string => `INSERT INTO app.t VALUES (${id}, 'row ${id}')`;
const TABLE = "CREATE TABLE app.t (id INT PRIMARY KEY, v VARCHAR(20)) ENGINE=InnoDB";

beforeAll(async () => {
  servers = await lab();
  const primary = await servers.server(1);
  replica = await servers.server(2);
  await promote(await primary.mysqld(), { epoch: 1, acks: 0, replicas: [2] });
  await using onPrimary = await primary.admin();
  for (const sql of [TABLE, insert(1)]) await onPrimary.rows(sql, 5_000);
  const its = await replica.mysqld();
  await its.follow({ host: "127.0.0.1", port: primary.port }, { serverId: 2 }, false);
  held = await executed(primary);
  await until("the replica has it", async () => (await executed(replica)) === held);
  await using onReplica = await replica.admin();
  const rows = (sql: string) => onReplica.rows(sql, 10_000);
  await rows("STOP REPLICA SQL_THREAD");
  await rows("SET GLOBAL super_read_only = OFF");
  await rows(insert(100));
  await rows(`SET gtid_next = '${STRANGER}:300'`);
  await rows(insert(101));
  await rows("SET gtid_next = 'AUTOMATIC:by_hand'");
  await rows("FLUSH BINARY LOGS");
  await rows(insert(102));
  await rows("SET gtid_next = 'AUTOMATIC'");
  await rows("SET SESSION binlog_transaction_compression = ON");
  await rows(insert(103));
  await rows("SET SESSION binlog_transaction_compression = OFF, binlog_rows_query_log_events = ON");
  await rows(insert(104));
  await onPrimary.rows(insert(200), 5_000);
  await until("it has arrived", async () => (await its.observe()).retrieved.includes(primary.uuid));
  await rows("FLUSH RELAY LOGS");
  await onPrimary.rows(insert(201), 5_000);
  const sent = gtidSet(await executed(primary));
  const heldByReplica = async () => {
    const facts = await its.observe();
    return union(gtidSet(facts.executed), gtidSet(facts.retrieved));
  };
  await until("both have", async () => subtract(sent, await heldByReplica()).length === 0);
  all = formatGtidSet(subtract(await heldByReplica(), gtidSet(held)));
  await replica.crash();
});

afterAll(async () => {
  await servers[Symbol.asyncDispose]();
});

/** A node's directory with a copy of the replica's datadir. */
async function copied(name: string): Promise<string> {
  const dir = join(servers.dir, name);
  await mkdir(dir);
  await cp(layout(replica.dir).data, layout(dir).data, { recursive: true });
  return dir;
}

const story = (more: Partial<Story> = {}): Story => ({
  why: "told by the test",
  at: "2026-01-02T03:04:05.678Z",
  node: "mysql-2",
  uuid: replica.uuid,
  epoch: 7,
  primary: "mysql-1",
  held,
  errant: all,
  ...more,
});

const parts = (dir: string, tool = servers.tool) => ({
  dir,
  tool,
  spawn: supervise,
  log: quietLog,
});

describe("the errant transactions of a stopped datadir", () => {
  test("are all extracted, for the agent's own user alone, and give exactly their rows elsewhere", async () => {
    const dir = await copied("whole");
    const evidence = await keepEvidence(parts(dir), story(), never);
    expect(evidence).toMatchObject({ gtids: all, complete: true, problems: [] });
    const place = evidence.place ?? "";
    expect(place).toBe(join(dir, "errant", `2026-01-02T03-04-05-678Z-${replica.uuid.slice(0, 8)}`));
    expect((await stat(place)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(place))
      expect((await stat(join(place, name))).mode & 0o777).toBe(0o600);
    const text = await readFile(join(place, TEXT), "utf8");
    for (const id of [...WRITTEN, ...RECEIVED]) expect(text).toContain(`row ${id}`);
    expect(text).not.toContain("'row 1'");
    const note = await readFile(join(place, "note.md"), "utf8");
    for (const said of [
      all,
      "epoch 7",
      "mysql-1",
      "told by the test",
      replica.uuid,
      "--skip-gtids",
    ])
      expect(note).toContain(said);
    const other = await servers.server(3);
    await promote(await other.mysqld(), { epoch: 1, acks: 0, replicas: [] });
    {
      await using sql = await other.admin();
      for (const one of [TABLE, insert(1)]) await sql.rows(one, 5_000);
    }
    await applyTo(other, join(place, COPY));
    expect(await ids(other)).toEqual([1, ...WRITTEN, ...RECEIVED]);
  });

  test("are found also where the server could not say what it holds, and are not taken for all then", async () => {
    const dir = await copied("unknown");
    const evidence = await keepEvidence(parts(dir), story({ errant: null }), never);
    expect(evidence).toMatchObject({ gtids: all, complete: false });
    expect(evidence.place).not.toBeNull();
  });

  test("that are none make no folder", async () => {
    const dir = await copied("none");
    const everything = formatGtidSet(union(gtidSet(held), gtidSet(all)));
    expect(await keepEvidence(parts(dir), story({ held: everything, errant: "" }), never)).toEqual({
      place: null,
      gtids: "",
      complete: true,
      problems: [],
    });
    expect(await readdir(dir)).toEqual(["data"]);
  });

  test("that are in no log any more are told, and the evidence is not complete", async () => {
    const dir = await copied("purged");
    await rm(join(layout(dir).data, "binlog.000001"));
    const { complete, problems, place } = await keepEvidence(parts(dir), story(), never);
    expect(complete).toBe(false);
    expect(problems.join()).toMatch(new RegExp(`in no log any more: .*${STRANGER}:300`));
    const note = await readFile(join(place ?? "", "note.md"), "utf8");
    expect(note).toContain("never deleted automatically");
    expect(await readFile(join(place ?? "", TEXT), "utf8")).toContain("row 104");
  });

  test("are extracted up to where a crash has torn a log", async () => {
    const dir = await copied("torn");
    const logs = (await readdir(layout(dir).data)).filter((name) => /^relaylog\.\d+$/.test(name));
    const last = join(layout(dir).data, logs.toSorted().at(-1) ?? "");
    const bytes = await readFile(last);
    // The start of an event whose end was never written.
    await appendFile(last, bytes.subarray(4, 40));
    expect(await keepEvidence(parts(dir), story(), never)).toMatchObject({ complete: true });
  });

  test("are only whole ones: what a broken connection has cut off in the middle never counts", async () => {
    const dir = await copied("cut");
    const path = join(layout(dir).data, "relaylog.000099");
    const logs = (await readdir(layout(dir).data)).filter((name) => /^relaylog\.\d+$/.test(name));
    const [log = ""] = logs.toSorted().toReversed();
    const bytes = await readFile(join(layout(dir).data, log));
    let last: Transaction | undefined;
    for await (const one of transactions([join(layout(dir).data, log)])) last = one;
    const [piece] = last?.pieces ?? [];
    if (last === undefined || piece === undefined) throw new Error("the last relay log has one");
    // All of it but the event that commits it, under a number of its own; then its file ends, and the next one begins.
    const half = Buffer.from(bytes.subarray(piece.start, piece.end - XID_BYTES));
    half.writeBigInt64LE(999n, 19 + 17);
    await appendFile(path, Buffer.concat([MAGIC, last.format, half]));
    await cp(join(layout(dir).data, log), join(layout(dir).data, "relaylog.000100"));
    const { gtids } = await keepEvidence(parts(dir), story({ errant: null }), never);
    expect(gtids).toBe(all);
  });

  test("that do not fit are told, and the others are copied", async () => {
    const dir = await copied("large");
    const limits = { signal: never, late: () => false };
    const found = await findErrant(layout(dir).data, story(), limits);
    const left = await copyTransactions(found.transactions, join(dir, COPY), {
      ...limits,
      bytes: 1_000,
    });
    const fitting: string[] = [];
    for await (const { uuid, tag, n } of transactions([join(dir, COPY)]))
      fitting.push(`${uuid}${tag === "" ? "" : `:${tag}`}:${n}`);
    expect(fitting.length).toBeGreaterThan(0);
    expect(left.length).toBeGreaterThan(0);
    expect(formatGtidSet(union(left, gtidSet(fitting.join(","))))).toBe(all);
    const late = await findErrant(layout(dir).data, story(), { signal: never, late: () => true });
    expect(late.problems.join()).toContain("no time");
  });

  test("of a log that is encrypted are told to be missing", async () => {
    const dir = await copied("encrypted");
    const path = join(layout(dir).data, "binlog.000001");
    const bytes = await readFile(path);
    bytes[0] = 0xfd;
    await rm(path);
    await appendFile(path, bytes);
    const { complete, problems } = await keepEvidence(parts(dir), story(), never);
    expect(complete).toBe(false);
    expect(problems.join()).toContain("is encrypted");
  });

  test("without mysqlbinlog are copied all the same, and the datadir stays the evidence", async () => {
    const dir = await copied("no-tool");
    const command = (): never => {
      throw new Error("no program mysqlbinlog");
    };
    const { complete, problems, place } = await keepEvidence(
      parts(dir, { ...servers.tool, command }),
      story(),
      never,
    );
    expect(complete).toBe(false);
    expect(problems.join()).toContain("no program mysqlbinlog");
    expect((await stat(join(place ?? "", COPY))).size).toBeGreaterThan(1_000);
  });
});

/** As the note says: mysqlbinlog … | mysql. */
async function applyTo(server: Server, path: string): Promise<void> {
  const quoted = (argv: readonly string[]): string => argv.map((word) => `'${word}'`).join(" ");
  const read = quoted([...servers.tool.command("mysqlbinlog"), "--no-defaults", "--skip-gtids"]);
  const login = ["--host=127.0.0.1", `--port=${server.adminPort}`, "--user=autopilot"];
  const apply = quoted([...servers.tool.command("mysql"), "--no-defaults", ...login]);
  const env = { ...process.env, MYSQL_PWD: servers.secrets.admin };
  await run("bash", ["-o", "pipefail", "-c", `${read} '${path}' | ${apply}`], { env });
}
