// Acknowledgements, against real servers (port.ts): nothing returns that k replicas do not have, a cut replica stops
// counting, and local statements wait for nobody.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { contains, gtidSet, maxOf } from "../../recipes/mysql/core/gtid.ts";
import { sqlErrno } from "../../recipes/mysql/mysqld/connection.ts";
import { MARKER, until } from "./servers.ts";
import { TOO_MANY, pending, trio, type Trio } from "./trio.ts";

vi.setConfig({ testTimeout: 40_000 });

let on: Trio;
let { a, b, c, primary, second, third, rest, clientsAre, executed, waitingWrite } = {} as Trio;

beforeAll(async () => {
  on = await trio();
  ({ a, b, c, primary, second, third, rest, clientsAre, executed, waitingWrite } = on);
}, 60_000);

beforeEach(() => rest());

afterAll(async () => {
  await on[Symbol.asyncDispose]();
});

describe("cut", () => {
  test("makes the dump thread disappear, and the replica's acknowledgements stop counting", async () => {
    await primary.setAcks(2);
    await primary.heartbeat(1);
    await primary.cut(3, c.uuid);
    const { dumpThreads, accounts, semiSync } = await primary.observe();
    expect(dumpThreads).toMatchObject([{ uuid: b.uuid, serverId: 2 }]);
    expect(semiSync.clients).toBe(1);
    expect(accounts).toContainEqual({ serverId: 3, locked: true });
    expect(accounts).toContainEqual({ serverId: 2, locked: false });
    const { outcome, sql } = await waitingWrite();
    expect(await pending(outcome)).toBe(true);
    await primary.uncut(3);
    expect(await outcome).toBe("OK");
    sql.destroy();
  });

  test("keeps the replica out: its receiver is refused until it is uncut", async () => {
    await primary.cut(3, c.uuid);
    await until("it is refused", async () => {
      const { source } = await third.observe();
      // ER_ACCOUNT_HAS_BEEN_LOCKED
      return source?.ioErrno === 3118;
    });
    await primary.uncut(3);
    await clientsAre(2);
  });

  test("ends a connection that is logged in and has not asked for the binlog yet", async () => {
    await using sql = await on.replicaLogin(3);
    await primary.cut(3, c.uuid);
    await until("it is cut", async () => {
      return await sql.rows("SELECT 1", 1_000).then(
        () => false,
        () => true,
      );
    });
  });

  test("ends a login that is under way", async () => {
    const { connect } = await import("node:net");
    const socket = connect(a.port, a.host);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await new Promise((resolve) => socket.once("data", resolve));
    await primary.cut(3, c.uuid);
    await closed;
  });

  test("cuts a server that is not connected", async () => {
    await primary.cut(9, "00000000-0000-4000-8000-000000000009");
  });
});

describe("the local account statements", () => {
  test("make no GTID", async () => {
    const before = await executed();
    await primary.cut(3, c.uuid);
    await primary.uncut(3);
    await primary.setAccounts({ unlocked: [2], locked: [3, 77], keep: [b.uuid] });
    await primary.probe(true);
    expect(await executed()).toBe(before);
  });

  test("work while a commit waits for an acknowledgement", async () => {
    await primary.setAcks(TOO_MANY);
    const { outcome, sql } = await waitingWrite();
    await primary.cut(2, b.uuid);
    await primary.uncut(2);
    await primary.setAcks(1);
    expect(await outcome).toBe("OK");
    sql.destroy();
  });

  test("setAccounts locks the others' accounts and keeps only the voters' dump threads", async () => {
    await primary.setAccounts({ unlocked: [2], locked: [3], keep: [b.uuid] });
    const { dumpThreads, accounts } = await primary.observe();
    expect(dumpThreads.map((thread) => thread.uuid)).toEqual([b.uuid]);
    expect(accounts).toContainEqual({ serverId: 3, locked: true });
  });

  test("setAccounts cuts a replica that is not kept, though its account is not locked", async () => {
    const connected = async (): Promise<number | undefined> => {
      const { dumpThreads } = await primary.observe();
      return dumpThreads.find((thread) => thread.uuid === c.uuid)?.threadId;
    };
    const before = await connected();
    await primary.setAccounts({ unlocked: [2, 3], locked: [], keep: [b.uuid] });
    expect(await connected()).not.toBe(before);
  });
});

describe("createAccount", () => {
  test("makes the account on every node, and again is no error", async () => {
    await primary.createAccount(41);
    await primary.createAccount(41);
    const { accounts } = await primary.observe();
    expect(accounts).toContainEqual({ serverId: 41, locked: false });
    await using sql = await b.admin();
    await until("the replica has it", async () => {
      const [row] = await sql.rows(
        "SELECT Repl_slave_priv AS may, ssl_type AS tls FROM mysql.user WHERE user = 'autopilot_repl_41'",
        1_000,
      );
      return row?.["may"] === "Y" && row["tls"] === "ANY";
    });
  });
});

describe("account statements that wait for an acknowledgement", () => {
  test("keep everybody from logging in, and our standing lines still work", async () => {
    await primary.setAcks(TOO_MANY);
    const creating = primary.createAccount(42);
    await until("it waits", async () => (await primary.observe()).semiSync.waitSessions === 1);
    await expect(primary.probe(false)).rejects.toMatchObject({ code: "AP_MYSQLD_TIMEOUT" });
    await primary.setAcks(1);
    await creating;
    await primary.probe(true);
  });
});

describe("mark", () => {
  test("uses the fixed GTID and returns only after k acknowledgements", async () => {
    await primary.setAcks(TOO_MANY);
    let acknowledged = false;
    const marking = primary.mark(MARKER, 2, 30_000).then(() => (acknowledged = true));
    await until("the marker waits", async () => {
      return (await primary.observe()).semiSync.waitSessions === 1;
    });
    expect(acknowledged).toBe(false);
    expect(maxOf(gtidSet(await executed()), MARKER)).toBe(1);
    await primary.setAcks(2);
    await marking;
    expect(maxOf(gtidSet(await executed()), MARKER)).toBe(2);
    await until("a replica has joined the epoch", async () => {
      return maxOf(gtidSet((await third.observe()).executed), MARKER) === 2;
    });
    await using admin = await a.admin();
    const [row] = await admin.rows("SELECT * FROM autopilot.epoch WHERE epoch = 2", 1_000);
    expect(row).toMatchObject({ uuid: a.uuid, node: `127.0.0.1:${a.port}` });
  });

  test("of an epoch that is marked already still waits for k acknowledgements", async () => {
    await primary.mark(MARKER, 3, 5_000);
    await primary.setAcks(TOO_MANY);
    const again = primary.mark(MARKER, 3, 30_000);
    await until("it waits", async () => (await primary.observe()).semiSync.waitSessions === 1);
    await primary.setAcks(1);
    await again;
  });

  test("gives up after its limit", async () => {
    await primary.setAcks(TOO_MANY);
    await expect(primary.mark(MARKER, 4, 100)).rejects.toMatchObject({
      code: "AP_MYSQLD_TIMEOUT",
    });
    expect(maxOf(gtidSet(await executed()), MARKER)).toBe(3);
    await primary.setAcks(1);
    // Given up is not undone: it is committed as soon as it is acknowledged.
    await until("it is there", async () => maxOf(gtidSet(await executed()), MARKER) === 4);
  });
});

describe("heartbeat", () => {
  test("is one transaction of the epoch that the replicas receive", async () => {
    await primary.heartbeat(5);
    await using sql = await b.admin();
    await until("it arrived", async () => {
      const arrived = "SELECT 1 FROM autopilot.heartbeat WHERE epoch = 5";
      return (await sql.rows(arrived, 1_000)).length === 1;
    });
    const { lastQueued } = await second.receiver();
    expect(contains(gtidSet(await executed()), gtidSet(lastQueued))).toBe(true);
  });
});

describe("probe", () => {
  test("does not wait for acknowledgements", async () => {
    await primary.setAcks(TOO_MANY);
    const { outcome, sql } = await waitingWrite();
    await primary.probe(true);
    await primary.setAcks(1);
    await outcome;
    sql.destroy();
  });

  test("on a closed server logs in, and its write is refused", async () => {
    await second.probe(false);
    await expect(second.probe(true)).rejects.toSatisfy((error) => sqlErrno(error) === 1290);
  });
});

describe("releaseWaiters", () => {
  test("lets the waiting commits return", async () => {
    await primary.setAcks(TOO_MANY);
    const { outcome, sql } = await waitingWrite();
    await primary.releaseWaiters();
    expect(await outcome).toBe("OK");
    expect((await primary.observe()).semiSync).toMatchObject({
      sourceEnabled: false,
      sourceActive: false,
    });
    sql.destroy();
  });
});
