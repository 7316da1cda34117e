// The primary's verbs of port.ts, against real servers: nothing is acknowledged that k voters do not have, a cut voter
// stops counting, and nobody who waits ever sees OK by a fence.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { contains, gtidSet, maxOf } from "../../recipes/mysql/core/gtid.ts";
import { sqlErrno, type Sql } from "../../recipes/mysql/mysqld/connection.ts";
import type { Mysqld } from "../../recipes/mysql/mysqld/port.ts";
import { MARKER, lab, promote, until, type Lab, type Server } from "./servers.ts";

vi.setConfig({ testTimeout: 40_000 });

let servers: Lab;
let a: Server;
let b: Server;
let c: Server;
let primary: Mysqld;
let second: Mysqld;
let third: Mysqld;
/** Straight to the primary, beside our lines. */
let admin: Sql;

beforeAll(async () => {
  servers = await lab();
  [a, b, c] = [await servers.server(1), await servers.server(2), await servers.server(3)];
  [primary, second, third] = [await a.mysqld(), await b.mysqld(), await c.mysqld()];
  admin = await a.admin();
  await promote(primary, { epoch: 1, acks: 0, replicas: [1, 2, 3] });
  await admin.rows("CREATE TABLE app.t (id INT AUTO_INCREMENT PRIMARY KEY, n INT)", 5_000);
  await follow(second, 2, true);
  await follow(third, 3, true);
}, 60_000);

afterAll(async () => {
  await servers[Symbol.asyncDispose]();
});

async function follow(replica: Mysqld, serverId: number, semiSync: boolean): Promise<void> {
  await replica.follow({ host: a.host, port: a.port }, { serverId }, semiSync);
  await until("it receives", async () => (await replica.receiver()).io === "Yes");
}

async function clientsAre(count: number): Promise<void> {
  await until(`${count} semi-sync replicas`, async () => {
    return (await primary.observe()).semiSync.clients === count;
  });
}

async function executed(): Promise<string> {
  return (await primary.observe()).executed;
}

/** Whether a promise is settled by now: of several that were started, the finished ones win the race. */
async function pending(work: Promise<unknown>): Promise<boolean> {
  const still = Symbol("pending");
  return (await Promise.race([work.catch(() => 0), Promise.resolve(still)])) === still;
}

/** One more acknowledgement than there are replicas: every commit waits, until setAcks lowers it again. */
const TOO_MANY = 3;

/** An application's write that waits for an acknowledgement; its outcome, as the client sees it. */
async function waitingWrite(): Promise<{ outcome: Promise<"OK" | Error>; sql: Sql }> {
  const sql = await a.app();
  const before = (await primary.observe()).semiSync.waitSessions;
  const outcome = sql.change("INSERT INTO app.t (n) VALUES (1)", 60_000).then(
    () => "OK" as const,
    (error: unknown) => error as Error,
  );
  await until("a commit waits", async () => {
    return (await primary.observe()).semiSync.waitSessions > before;
  });
  return { outcome, sql };
}

/** Every test starts from an open primary with two semi-sync replicas and k = 1. */
beforeEach(async () => {
  await primary.setAccounts({ unlocked: [2, 3], locked: [], keep: [b.uuid, c.uuid] });
  await clientsAre(2);
  await primary.setAcks(1);
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
    await using sql = await replicaLogin(3);
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
    await expect(primary.mark(MARKER, 4, 100)).rejects.toMatchObject({ code: "AP_MYSQLD_TIMEOUT" });
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
      const [row] = await sql.rows("SELECT epoch FROM autopilot.heartbeat WHERE id = 1", 1_000);
      return row?.["epoch"] === 5;
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

describe("drain", () => {
  test("closes the server, cuts its clients, and undrain opens it again", async () => {
    await using client = await a.app();
    expect(await primary.drain(5_000)).toBe(true);
    const { readOnly, superReadOnly, semiSync } = await primary.observe();
    expect({ readOnly, superReadOnly }).toEqual({ readOnly: true, superReadOnly: true });
    expect(semiSync).toMatchObject({ waitSessions: 0, sourceEnabled: true });
    await expect(client.rows("SELECT 1", 5_000)).rejects.toMatchObject({
      code: "AP_MYSQLD_EXITED",
    });
    await using late = await a.app();
    await expect(late.rows("INSERT INTO app.t (n) VALUES (1)", 5_000)).rejects.toSatisfy(
      (error) => sqlErrno(error) === 1290,
    );
    await primary.undrain();
    expect(await late.change("INSERT INTO app.t (n) VALUES (1)", 5_000)).toBe(1);
  });

  test("cuts a client whose transaction stands in the way", async () => {
    await using client = await a.app();
    await client.rows("LOCK TABLES app.t WRITE", 1_000);
    expect(await primary.drain(1_000)).toBe(true);
    await primary.undrain();
  });

  test("returns false and opens again when a commit hangs", async () => {
    await primary.setAcks(TOO_MANY);
    const { outcome, sql } = await waitingWrite();
    expect(await primary.drain(500)).toBe(false);
    const { readOnly, superReadOnly } = await primary.observe();
    expect({ readOnly, superReadOnly }).toEqual({ readOnly: false, superReadOnly: false });
    await primary.setAcks(1);
    // Its client was cut at half time: it saw no answer, and never an OK.
    expect(await outcome).toBeInstanceOf(Error);
    sql.destroy();
    await using late = await a.app();
    expect(await late.change("INSERT INTO app.t (n) VALUES (1)", 5_000)).toBe(1);
  });
});

describe("killClients", () => {
  test("cuts every client and leaves replication and our own lines alone", async () => {
    await using client = await a.app();
    await using other = await a.admin();
    await primary.killClients();
    await expect(client.rows("SELECT 1", 5_000)).rejects.toMatchObject({
      code: "AP_MYSQLD_EXITED",
    });
    await expect(other.rows("SELECT 1", 5_000)).rejects.toMatchObject({ code: "AP_MYSQLD_EXITED" });
    const { dumpThreads, semiSync } = await primary.observe();
    expect(dumpThreads.map((thread) => thread.uuid).toSorted()).toEqual(
      [b.uuid, c.uuid].toSorted(),
    );
    expect(semiSync.clients).toBe(2);
    expect((await second.observe()).source).toMatchObject({ io: "Yes", sql: "Yes" });
    admin = await a.admin();
  });

  test("of a replica leaves its applier alone", async () => {
    await using client = await b.admin();
    await second.killClients();
    await expect(client.rows("SELECT 1", 5_000)).rejects.toBeInstanceOf(Error);
    expect((await second.observe()).source).toMatchObject({ io: "Yes", sql: "Yes" });
  });
});

describe("a promotion", () => {
  test("is armed before the gate opens, and keeps events as their owners left them", async () => {
    await admin.rows(
      "CREATE DEFINER = 'app'@'%' EVENT app.tick ON SCHEDULE EVERY 1 DAY DO SELECT 1",
      5_000,
    );
    const target = gtidSet(await executed());
    await until("the second has everything", async () => {
      return contains(gtidSet((await second.observe()).executed), target);
    });
    expect(await primary.drain(5_000)).toBe(true);
    const before = await second.stopReceiver();
    await second.takeOver(1);
    const armed = await second.observe();
    expect(armed.source).toBeNull();
    expect(armed.superReadOnly).toBe(true);
    expect(armed.semiSync).toMatchObject({
      sourceEnabled: true,
      sourceActive: true,
      waitFor: 1,
      replicaEnabled: false,
    });
    expect(contains(gtidSet(armed.executed), gtidSet(before.executed))).toBe(true);

    await second.liftSuperReadOnly();
    await using early = await b.app();
    await expect(early.rows("INSERT INTO app.t (n) VALUES (2)", 5_000)).rejects.toSatisfy(
      (error) => sqlErrno(error) === 1290,
    );
    await second.setAccounts({ unlocked: [1, 3], locked: [2], keep: [a.uuid, c.uuid] });
    let marked = false;
    const marking = second.mark(MARKER, 6, 30_000).then(() => (marked = true));
    await until("it waits", async () => (await second.observe()).semiSync.waitSessions === 1);
    expect(marked).toBe(false);
    await third.follow({ host: b.host, port: b.port }, { serverId: 3 }, true);
    await marking;
    await second.open();
    expect(await early.change("INSERT INTO app.t (n) VALUES (2)", 5_000)).toBe(1);
    await using sql = await b.admin();
    const events = await sql.rows(
      "SELECT event_name AS name, status AS status, definer AS definer FROM information_schema.events ORDER BY 1",
      1_000,
    );
    expect(events).toEqual([{ name: "tick", status: "ENABLED", definer: "app@%" }]);
  });

  test("the old primary follows the new one with its data kept", async () => {
    await primary.follow({ host: b.host, port: b.port }, { serverId: 1 }, true);
    await until("it has caught up", async () => {
      const [old, now] = [await primary.observe(), await second.observe()];
      return contains(gtidSet(old.executed), gtidSet(now.executed));
    });
    expect((await primary.observe()).source).toMatchObject({ uuid: b.uuid, io: "Yes", sql: "Yes" });
    // Back, for the tests that follow.
    expect(await second.drain(5_000)).toBe(true);
    await until("it has the rest", async () => {
      const [old, now] = [await primary.observe(), await second.observe()];
      return contains(gtidSet(old.executed), gtidSet(now.executed));
    });
    await primary.stopReceiver();
    await primary.takeOver(0);
    await primary.liftSuperReadOnly();
    await primary.setAccounts({ unlocked: [2, 3], locked: [], keep: [] });
    await primary.mark(MARKER, 7, 5_000);
    await primary.open();
    await follow(second, 2, true);
    await follow(third, 3, true);
  });

  test("is refused on a server that is not closed, and while something received is not applied", async () => {
    await expect(primary.takeOver(1)).rejects.toMatchObject({ code: "AP_BUG_INVARIANT" });
    await using blocker = await c.admin();
    await blocker.rows("LOCK TABLES app.t READ", 1_000);
    await admin.rows("INSERT INTO app.t (n) VALUES (3)", 5_000);
    const { executed: all } = await primary.observe();
    await until("it is received", async () => {
      const { source } = await third.observe();
      return source !== null && contains(gtidSet(all), gtidSet(source.lastQueued));
    });
    await third.stopReceiver();
    blocker.destroy();
  });
});

describe("softFence", () => {
  test("does not let a waiting client see OK, and says that it is not done", async () => {
    await primary.setAcks(TOO_MANY);
    const { outcome } = await waitingWrite();
    expect(await primary.softFence()).toBe(false);
    await a.crash();
    expect(await outcome).toBeInstanceOf(Error);
    await a.start();
    await until("our lines are back", async () => {
      return (await primary.observe().catch(() => null)) !== null;
    });
    const { superReadOnly, readOnly, semiSync } = await primary.observe();
    expect({ superReadOnly, readOnly }).toEqual({ superReadOnly: true, readOnly: true });
    expect(semiSync).toMatchObject({ sourceEnabled: false, replicaEnabled: false });
  });
});

async function replicaLogin(serverId: number): Promise<Sql> {
  const { connect } = await import("../../recipes/mysql/mysqld/connection.ts");
  const user = `autopilot_repl_${serverId}`;
  const login = { user, password: servers.secrets.replication, tls: true };
  return connect({ host: a.host, port: a.port, ...login }, 5_000);
}
