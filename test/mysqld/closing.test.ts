// Closing and opening a primary, against real servers (port.ts): drain, promotion, fence. Nobody who waits ever sees OK by
// a fence, and a promoted server is armed before anybody may write.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { contains, gtidSet } from "../../recipes/mysql/core/gtid.ts";
import { sqlErrno } from "../../recipes/mysql/mysqld/connection.ts";
import { MARKER, until } from "./servers.ts";
import { TOO_MANY, trio, type Trio } from "./trio.ts";

vi.setConfig({ testTimeout: 40_000 });

let on: Trio;
let { a, b, c, primary, second, third, rest, executed, waitingWrite } = {} as Trio;

beforeAll(async () => {
  on = await trio();
  ({ a, b, c, primary, second, third, rest, executed, waitingWrite } = on);
}, 60_000);

afterAll(async () => {
  await on[Symbol.asyncDispose]();
});

describe("drain", () => {
  beforeEach(() => rest());

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

  test("is not held up by clients that come back at once, and no write is acknowledged after it", async () => {
    let over = false;
    let closed = false;
    const late: number[] = [];
    const writer = async (n: number): Promise<void> => {
      while (!over) {
        try {
          await using sql = await a.app();
          while (!over) {
            const wasClosed = closed;
            await sql.change(`INSERT INTO app.t (n) VALUES (${n})`, 5_000);
            if (wasClosed) late.push(n);
          }
        } catch {
          // cut, or read-only: comes back at once
        }
      }
    };
    const writers = [1, 2, 3, 4].map((n) => writer(n));
    const { executed: before } = await primary.observe();
    await until("they write", async () => (await executed()) !== before);
    expect(await primary.drain(5_000)).toBe(true);
    closed = true;
    await using onlooker = await a.admin();
    const drained = await executed();
    await until("somebody came back", async () => {
      const [row] = await onlooker.rows(
        "SELECT COUNT(*) AS n FROM performance_schema.threads WHERE processlist_user = 'app'",
        1_000,
      );
      return Number(row?.["n"]) > 0;
    });
    expect(await executed()).toBe(drained);
    over = true;
    await Promise.all(writers);
    expect(late).toEqual([]);
    await primary.undrain();
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
  beforeEach(() => rest());

  test("cuts every client, keeps new ones out, and leaves replication and our own lines alone", async () => {
    await using client = await a.app();
    await using other = await a.admin();
    await primary.killClients();
    await expect(client.rows("SELECT 1", 5_000)).rejects.toMatchObject({
      code: "AP_MYSQLD_EXITED",
    });
    await expect(other.rows("SELECT 1", 5_000)).rejects.toMatchObject({
      code: "AP_MYSQLD_EXITED",
    });
    const { dumpThreads, semiSync } = await primary.observe();
    expect(dumpThreads.map((thread) => thread.uuid).toSorted()).toEqual(
      [b.uuid, c.uuid].toSorted(),
    );
    expect(semiSync.clients).toBe(2);
    expect((await second.observe()).source).toMatchObject({ io: "Yes", sql: "Yes" });
    await expect(a.app()).rejects.toSatisfy((error) => sqlErrno(error) === 1040);
    await primary.probe(true);
    await using admin = await a.admin();
    await admin.rows("SET GLOBAL max_connections = 151", 1_000);
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
    await using admin = await a.admin();
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
    // Its own semi-sync source is still armed: its applier would wait for replicas that it does not have.
    const address = { host: b.host, port: b.port };
    expect(await primary.follow(address, { serverId: 1 }, true)).toEqual({ armed: true });
    await primary.disarmReplica();
    expect((await primary.observe()).semiSync.sourceEnabled).toBe(false);
    expect(await primary.follow(address, { serverId: 1 }, true)).toEqual({ armed: false });
    await until("it has caught up", async () => {
      const [old, now] = [await primary.observe(), await second.observe()];
      return contains(gtidSet(old.executed), gtidSet(now.executed));
    });
    await until("it receives", async () => (await primary.receiver()).io === "Yes");
    expect((await primary.observe()).source).toMatchObject({ uuid: b.uuid, sql: "Yes" });
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
    await on.follow(second, 2);
    await on.follow(third, 3);
    await rest();
  });

  test("takeOver is refused on a server that is not closed", async () => {
    await expect(primary.takeOver(1)).rejects.toMatchObject({ code: "AP_BUG_INVARIANT" });
  });

  test("takeOver is refused while something that was received is not applied", async () => {
    await using blocker = await c.admin();
    await blocker.rows("LOCK TABLES app.t READ", 1_000);
    await using writer = await a.app();
    await writer.rows("INSERT INTO app.t (n) VALUES (3)", 5_000);
    await until("it is received", async () => {
      const { executed: done, retrieved } = await third.observe();
      return !contains(gtidSet(done), gtidSet(retrieved));
    });
    await third.stopReceiver();
    await expect(third.takeOver(1)).rejects.toMatchObject({ code: "AP_BUG_INVARIANT" });
    blocker.destroy();
    await on.follow(third, 3);
  });
});

describe("softFence", () => {
  test("closes a server on which nobody waits, and a later promotion serves again", async () => {
    await rest();
    await using client = await a.app();
    expect(await primary.softFence()).toBe(true);
    expect(await primary.observe()).toMatchObject({ superReadOnly: true, offlineMode: true });
    await expect(client.rows("SELECT 1", 5_000)).rejects.toBeInstanceOf(Error);
    await primary.takeOver(0);
    expect(await primary.observe()).toMatchObject({ superReadOnly: true, offlineMode: false });
    await primary.liftSuperReadOnly();
    await primary.mark(MARKER, 8, 5_000);
    await primary.open();
  });

  test("does not let a waiting client see OK, and says that it is not done", async () => {
    await rest();
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
