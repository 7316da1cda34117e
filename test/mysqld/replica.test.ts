// The replica's verbs of port.ts, against real servers: what was received is never lost, and stopped means stopped.
import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { contains, gtidSet, union } from "../../recipes/mysql/core/gtid.ts";
import type { Sql } from "../../recipes/mysql/mysqld/connection.ts";
import { layout } from "../../recipes/mysql/mysqld/layout.ts";
import type { Mysqld } from "../../recipes/mysql/mysqld/port.ts";
import { lab, promote, until, type Lab, type Server } from "./servers.ts";

vi.setConfig({ testTimeout: 40_000 });

let servers: Lab;
let a: Server;
let b: Server;
let primary: Mysqld;
let replica: Mysqld;
let writer: Sql;

beforeAll(async () => {
  servers = await lab();
  [a, b] = [await servers.server(1), await servers.server(2)];
  [primary, replica] = [await a.mysqld(), await b.mysqld()];
  await promote(primary, { epoch: 1, acks: 0, replicas: [1, 2] });
  writer = await a.app();
  await writer.rows("CREATE TABLE app.t (id INT PRIMARY KEY)", 5_000);
}, 60_000);

afterAll(async () => {
  writer.destroy();
  await servers[Symbol.asyncDispose]();
});

const SOURCE = { serverId: 2 };
const atPrimary = (): { host: string; port: number } => ({ host: a.host, port: a.port });
const held = (facts: { executed: string; retrieved: string }) =>
  union(gtidSet(facts.executed), gtidSet(facts.retrieved));

async function insert(id: number): Promise<void> {
  await writer.rows(`INSERT INTO app.t VALUES (${id})`, 5_000);
}

async function receiving(): Promise<void> {
  await until("the receiver is connected", async () => (await replica.receiver()).io === "Yes");
}

async function received(): Promise<void> {
  const { executed } = await primary.observe();
  await until("it is received", async () =>
    contains(held(await replica.observe()), gtidSet(executed)),
  );
}

async function inSync(): Promise<void> {
  await until("the replica has executed all", async () => {
    const [p, r] = [await primary.observe(), await replica.observe()];
    return contains(gtidSet(r.executed), gtidSet(p.executed));
  });
}

describe("a server that was just started", () => {
  test("has no source, receives nothing, and says so", async () => {
    const facts = await replica.observe();
    expect(facts.source).toBeNull();
    expect(facts.superReadOnly && facts.readOnly).toBe(true);
    expect(facts.semiSync).toMatchObject({ sourceEnabled: false, replicaEnabled: false });
    expect(await replica.receiver()).toEqual({ io: "No", lastQueued: "" });
    await expect(replica.stopReceiver()).resolves.toMatchObject({ executed: "", retrieved: "" });
    await expect(replica.forgetSource()).resolves.toBeUndefined();
  });
});

describe("follow", () => {
  test("configures a first source with GTID auto-position over TLS, and receives", async () => {
    await replica.follow(atPrimary(), SOURCE, false);
    await receiving();
    await inSync();
    const { source, semiSync, superReadOnly } = await replica.observe();
    expect(source).toMatchObject({
      host: a.host,
      port: a.port,
      uuid: a.uuid,
      user: "autopilot_repl_2",
      io: "Yes",
      sql: "Yes",
    });
    expect(semiSync.replicaEnabled).toBe(false);
    expect(superReadOnly).toBe(true);
    await using sql = await b.admin();
    const [row] = await sql.rows("SHOW REPLICA STATUS", 1_000);
    expect(row).toMatchObject({ Auto_Position: 1, Source_SSL_Allowed: "Yes" });
  });

  test("shows the primary a dump thread with this node's uuid and server_id", async () => {
    const { dumpThreads } = await primary.observe();
    expect(dumpThreads).toMatchObject([{ uuid: b.uuid, serverId: 2 }]);
  });

  test("names the newest transaction that was queued", async () => {
    await insert(1);
    await inSync();
    const { executed } = await primary.observe();
    const { lastQueued } = await replica.receiver();
    expect(contains(gtidSet(executed), gtidSet(lastQueued))).toBe(true);
    expect(lastQueued).toMatch(new RegExp(`^${a.uuid}:\\d+$`));
  });

  test("keeps events that were received and not applied, from a running applier", async () => {
    await using blocker = await b.admin();
    await blocker.rows("LOCK TABLES app.t READ", 1_000);
    await insert(2);
    await received();
    const facts = await replica.stopReceiver();
    expect(contains(gtidSet(facts.executed), gtidSet(facts.retrieved))).toBe(false);
    // A port where nobody listens: what is not kept cannot be received again.
    await replica.follow({ host: "127.0.0.1", port: 1 }, SOURCE, false);
    expect(contains(held(await replica.observe()), held(facts))).toBe(true);
    blocker.destroy();
    await until("the applier has applied it", async () => {
      const { executed } = await replica.observe();
      return contains(gtidSet(executed), held(facts));
    });
    await replica.follow(atPrimary(), SOURCE, false);
    await receiving();
  });

  test("keeps them also when both threads are stopped, as after a start", async () => {
    await using admin = await b.admin();
    await admin.rows("STOP REPLICA SQL_THREAD", 5_000);
    await insert(3);
    await received();
    const { executed } = await primary.observe();
    await b.crash();
    await b.start();
    await until(
      "our lines are back",
      async () => (await replica.observe().catch(() => null)) !== null,
    );
    const before = await replica.observe();
    expect(before.source).toMatchObject({ io: "No", sql: "No" });
    expect(contains(held(before), gtidSet(executed))).toBe(true);
    await replica.follow({ host: "127.0.0.1", port: 1 }, SOURCE, false);
    await until("the applier has applied it", async () =>
      contains(gtidSet((await replica.observe()).executed), gtidSet(executed)),
    );
    await replica.follow(atPrimary(), SOURCE, false);
    await receiving();
  });

  test("keeps what was received in the retrieved set when its relay log is applied and purged", async () => {
    await inSync();
    const before = gtidSet((await replica.observe()).retrieved);
    expect(before).not.toEqual([]);
    await using sql = await b.admin();
    const oldest = async () => {
      const logs = await readdir(layout(b.dir).data);
      return logs.filter((name) => /^relaylog\.\d+$/.test(name)).toSorted()[0] ?? "";
    };
    const first = await oldest();
    await sql.rows("FLUSH RELAY LOGS", 5_000);
    await insert(151);
    await sql.rows("FLUSH RELAY LOGS", 5_000);
    await insert(152);
    await inSync();
    await until("the oldest relay log is purged", async () => (await oldest()) !== first);
    // PROTOCOL §7 "Errant on a running replica" rests on this.
    expect(contains(gtidSet((await replica.observe()).retrieved), before)).toBe(true);
  });

  test("refuses to CHANGE over an applier that cannot apply what was received", async () => {
    await using admin = await b.admin();
    await admin.rows("SET GLOBAL super_read_only = OFF", 1_000);
    await admin.rows("SET SESSION sql_log_bin = OFF", 1_000);
    await admin.rows("INSERT INTO app.t VALUES (4)", 1_000);
    await admin.rows("SET GLOBAL super_read_only = ON", 1_000);
    await insert(4);
    await until("the applier stopped by an error", async () => {
      const { source } = await replica.observe();
      return source?.sql === "No" && source.sqlErrno === 1062;
    });
    const facts = await replica.stopReceiver();
    // It is stopped by an error: it was not started, and what was received is still there.
    expect((await replica.observe()).source).toMatchObject({ io: "No", sql: "No" });
    await expect(replica.follow(atPrimary(), SOURCE, false)).rejects.toMatchObject({
      code: "AP_VERB_FAILED",
    });
    await expect(replica.forgetSource()).rejects.toMatchObject({ code: "AP_BUG_INVARIANT" });
    expect(contains(held(await replica.observe()), held(facts))).toBe(true);
    await admin.rows("SET GLOBAL super_read_only = OFF", 1_000);
    await admin.rows("DELETE FROM app.t WHERE id = 4", 1_000);
    await admin.rows("SET GLOBAL super_read_only = ON", 1_000);
    await replica.startApplier();
    await until("the applier has applied it", async () =>
      contains(gtidSet((await replica.observe()).executed), held(facts)),
    );
    await replica.follow(atPrimary(), SOURCE, false);
    await inSync();
  });
});

describe("stopReceiver", () => {
  test("waits until the IO thread is No, also while it is connecting", async () => {
    await replica.follow({ host: "127.0.0.1", port: 1 }, SOURCE, true);
    await until("it is connecting", async () => (await replica.receiver()).io === "Connecting");
    await replica.stopReceiver();
    expect(await replica.receiver()).toMatchObject({ io: "No" });
  });

  test("takes the semi-sync flag back and starts a stopped applier", async () => {
    await replica.follow(atPrimary(), SOURCE, true);
    await receiving();
    expect((await replica.observe()).semiSync).toMatchObject({
      replicaEnabled: true,
      replicaActive: true,
    });
    await using admin = await b.admin();
    await admin.rows("STOP REPLICA SQL_THREAD", 5_000);
    await replica.stopReceiver();
    const { semiSync, source } = await replica.observe();
    expect(semiSync.replicaEnabled).toBe(false);
    expect(source).toMatchObject({ io: "No", sql: "Yes" });
  });
});

describe("setSemiSyncReplica", () => {
  test("restarts the receiver, so that the primary counts it, or not", async () => {
    await primary.setAcks(1);
    await replica.follow(atPrimary(), SOURCE, false);
    await receiving();
    // The dump thread of the connection before, which counted, goes when the new one of the same uuid comes.
    await until("it does not", async () => (await primary.observe()).semiSync.clients === 0);
    await replica.setSemiSyncReplica(true);
    await until("it counts", async () => (await primary.observe()).semiSync.clients === 1);
    await replica.setSemiSyncReplica(false);
    await until("it does not", async () => (await primary.observe()).semiSync.clients === 0);
    await primary.releaseWaiters();
    await receiving();
  });
});

describe("forgetSource", () => {
  test("removes the source of a replica that has applied everything", async () => {
    await inSync();
    await replica.forgetSource();
    expect((await replica.observe()).source).toBeNull();
    await replica.forgetSource();
  });
});
