// Restores from an archive that goes over a failover, each exact to the transaction: what came out is compared with what
// the server itself held at that moment, table by table.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { gtidSet, maxOf } from "../../recipes/mysql/core/gtid.ts";
import { lab, MARKER, promote, until, type Lab, type Server } from "../mysqld/servers.ts";
import { runArchiver, storeIn } from "./archive-fixture.ts";
import { makeTables, rotate, writeBig, writeSmall, writeSpecial } from "./history.ts";
import {
  dispose,
  executedOf,
  imageOf,
  planOf,
  restoreAndStart,
  sumsOf,
  WRITERS,
  type Around,
} from "./restore-fixture.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });

type Moment = {
  readonly executed: string;
  /** The last transaction. */
  readonly gtid: string;
  readonly sums: Readonly<Record<string, unknown>>;
  /** µs since 1970: after that transaction and before the next. */
  readonly at: number;
};

let servers: Lab;
let around: Around;
const moments: Record<string, Moment> = {};

async function mark(server: Server): Promise<Moment> {
  await using sql = await server.admin();
  const executed = await executedOf(server);
  const gtid = `${server.uuid}:${maxOf(gtidSet(executed), server.uuid)}`;
  const [row] = await sql.rows("SELECT UNIX_TIMESTAMP(NOW(6)) * 1000000 AS at", 5_000);
  return { executed, gtid, sums: await sumsOf(sql), at: Math.floor(Number(row?.["at"])) };
}

async function follows(replica: Server, source: Server): Promise<void> {
  await using sql = await replica.admin();
  await until("the replica has all", async () => {
    const [row] = await sql.rows(
      `SELECT GTID_SUBSET('${await executedOf(source)}', @@GLOBAL.gtid_executed) AS has`,
      5_000,
    );
    return row?.["has"] === 1;
  });
}

beforeAll(async () => {
  servers = await lab();
  await mkdir(join(servers.dir, "objects"));
  const store = storeIn(servers);
  const [a, b] = [await servers.server(1), await servers.server(2)];
  const [first, second] = [await a.mysqld(), await b.mysqld()];
  await promote(first, { epoch: 1, acks: 0, replicas: [1, 2] });
  await second.follow({ host: "127.0.0.1", port: a.port }, { serverId: 2 }, false);
  {
    await using run = await runArchiver(a, store);
    await makeTables(a);
    around = { lab: servers, store, images: [await imageOf(servers, a)] };
    await writeSmall(a, WRITERS, 40);
    moments["mid"] = await mark(a);
    await writeSmall(a, WRITERS, 40);
    await rotate(a);
    await writeSpecial(a);
    moments["special"] = await mark(a);
    await writeBig(a, 20);
    moments["big"] = await mark(a);
    await run.caughtUp();
    await follows(b, a);
  }
  // What a commits in its last moments nobody has archived: b goes on there.
  await writeSmall(a, 1, 10);
  await follows(b, a);
  await a.crash();
  await second.stopReceiver();
  await promote(second, { epoch: 2, acks: 0, replicas: [] });
  {
    await using run = await runArchiver(b, store, { epoch: 2 });
    await writeSmall(b, WRITERS, 40);
    moments["over"] = await mark(b);
    await writeSmall(b, 1, 20);
    moments["last"] = await mark(b);
    await run.caughtUp();
  }
  await b.crash();
});
afterAll(() => servers[Symbol.asyncDispose]());

async function comesBack(moment: Moment, plan: Awaited<ReturnType<typeof planOf>>, batch?: number) {
  const { server, note, told } = await restoreAndStart(around, plan, batch);
  try {
    expect(note.gtid).toBe(moment.executed);
    expect(await executedOf(server)).toBe(moment.executed);
    await using sql = await server.admin();
    expect(await sumsOf(sql)).toEqual(moment.sums);
    expect(await sql.rows("SHOW REPLICA STATUS", 5_000)).toEqual([]);
    const users = "SELECT user FROM mysql.user WHERE user LIKE 'autopilot\\_restore%'";
    expect(await sql.rows(users, 5_000)).toEqual([]);
  } finally {
    await dispose(server);
  }
  return { note, told };
}

const given = (name: string): Moment => {
  const moment = moments[name];
  if (moment === undefined) throw new Error(`no moment ${name}`);
  return moment;
};

describe("a restore is exact to the transaction", () => {
  test("to a GTID in the middle of a segment", async () => {
    const moment = given("mid");
    const target = { to: "gtid", gtid: moment.gtid } as const;
    const plan = await planOf(around, { target, backup: null });
    expect(plan.lastIncluded?.gtid).toBe(moment.gtid);
    expect(plan.firstExcluded).not.toBeNull();
    await comesBack(moment, plan);
  });

  test("to a time, through every kind of transaction, in small batches", async () => {
    const moment = given("special");
    const target = { to: "time", at: moment.at } as const;
    const plan = await planOf(around, { target, backup: null });
    const { told } = await comesBack(moment, plan, 1);
    expect(told.filter(({ phase }) => phase === "replaying").length).toBeGreaterThan(2);
  });

  test("to the newest state, over a failover", async () => {
    const moment = given("last");
    const plan = await planOf(around, { target: { to: "latest" }, backup: null });
    expect(plan.firstExcluded).toBeNull();
    expect(plan.lastIncluded?.gtid).toBe(moment.gtid);
    expect(maxOf(plan.state, MARKER)).toBe(2);
    await comesBack(moment, plan);
  });
});
