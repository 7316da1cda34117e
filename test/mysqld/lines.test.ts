// Our connections to one mysqld: every question has a limit, a lost line comes back, no error carries a password, and a
// user's global settings do not change what our statements mean.
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sqlErrno, type Sql } from "../../recipes/mysql/mysqld/connection.ts";
import { standingLine } from "../../recipes/mysql/mysqld/lines.ts";
import { readPeerSets } from "../../recipes/mysql/mysqld/peer.ts";
import type { Mysqld } from "../../recipes/mysql/mysqld/port.ts";
import { openMysqld } from "../../recipes/mysql/mysqld/server.ts";
import { MARKER, lab, promote, until, type Lab, type Server } from "./servers.ts";

let servers: Lab;
let server: Server;
let mysqld: Mysqld;

beforeAll(async () => {
  servers = await lab();
  server = await servers.server(1);
  mysqld = await server.mysqld();
});

afterAll(async () => {
  await servers[Symbol.asyncDispose]();
});

/** The process state of proc(5): "T" is stopped. */
function stateOf(pid: number): string {
  return /^State:\s*(\S)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
}

const address = (): { host: "127.0.0.1"; port: number } => ({
  host: "127.0.0.1",
  port: server.port,
});

describe("a mysqld that stands still", () => {
  test("is a timeout, and the lines are back when it goes on", async () => {
    process.kill(server.pid(), "SIGSTOP");
    try {
      // A signal is not at once: what is asked before it takes effect may still be answered.
      await until("it stands still", async () => stateOf(server.pid()) === "T");
      const asked = [
        mysqld.probe(false),
        mysqld.receiver(),
        mysqld.observe(),
        readPeerSets(address(), servers.secrets),
      ];
      for (const question of await Promise.allSettled(asked)) {
        expect(question).toMatchObject({
          status: "rejected",
          reason: { code: "AP_MYSQLD_TIMEOUT" },
        });
      }
    } finally {
      process.kill(server.pid(), "SIGCONT");
    }
    await until("it answers", async () => {
      // Each has a limit of its own, and a machine that is busy with the wake-up may need more than one try.
      return await Promise.all([mysqld.observe(), mysqld.probe(false)]).then(
        () => true,
        () => false,
      );
    });
    expect(await mysqld.receiver()).toEqual({ io: "No", lastQueued: "" });
  });
});

describe("a mysqld that is gone", () => {
  test("is said so, and the same handle serves its next incarnation", async () => {
    await server.crash();
    await expect(mysqld.observe()).rejects.toMatchObject({ code: "AP_MYSQLD_EXITED" });
    await expect(mysqld.probe(false)).rejects.toMatchObject({ code: "AP_MYSQLD_EXITED" });
    await expect(openMysqld({ ...server, secrets: servers.secrets })).rejects.toMatchObject({
      code: "AP_MYSQLD_EXITED",
    });
    await server.start();
    await until("it answers", async () => {
      return await mysqld.observe().then(
        () => true,
        () => false,
      );
    });
  });
});

describe("no error carries a password", () => {
  const everything = (error: unknown): string =>
    inspect(error, { depth: 10, showHidden: true }) + String((error as Error).stack);

  test("when mysqld refuses a statement that holds one", async () => {
    const long = "a-password-that-is-longer-than-MySQL-takes-it";
    const secrets = { ...servers.secrets, replication: long };
    await using wrong = await openMysqld({ ...server, secrets });
    const refused = await wrong
      .follow(address(), { serverId: 2 }, false)
      .catch((cause: unknown) => cause);
    expect(sqlErrno(refused)).toBe(3056);
    expect(everything(refused)).not.toContain(long);
    // A closed server refuses CREATE USER.
    const closed = await mysqld.createAccount(5).catch((cause: unknown) => cause);
    expect(sqlErrno(closed)).toBe(1290);
    expect(everything(closed)).not.toContain(servers.secrets.replication);
    expect(everything(closed)).not.toContain("CREATE USER");
  });

  test("when the login fails", async () => {
    const secrets = { ...servers.secrets, admin: "the-wrong-one" };
    const refused = await openMysqld({ ...server, secrets }).catch((cause: unknown) => cause);
    expect(sqlErrno(refused)).toBe(1045);
    expect(everything(refused)).not.toContain("the-wrong-one");
  });
});

describe("a user's global settings", () => {
  test("do not change what our statements mean", async () => {
    await using admin = await server.admin();
    await admin.rows(
      "SET GLOBAL autocommit = OFF, GLOBAL sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES', GLOBAL transaction_read_only = ON, GLOBAL max_execution_time = 1",
      1_000,
    );
    const fresh = await server.mysqld();
    await promote(fresh, { epoch: 3, acks: 0, replicas: [2] });
    await fresh.heartbeat(3);
    await fresh.probe(true);
    const { executed, accounts } = await fresh.observe();
    expect(executed).toContain(`${MARKER}:3`);
    expect(accounts.map((account) => account.serverId)).toContain(2);
    const [row] = await admin.rows("SELECT MAX(epoch) AS epoch FROM autopilot.heartbeat", 1_000);
    expect(row).toEqual({ epoch: 3 });
  });
});

describe("observe", () => {
  test("of a server without our tables says that it has no cluster id", async () => {
    const other = await servers.server(9);
    await using sql = await other.admin();
    await sql.rows("SET GLOBAL super_read_only = OFF", 1_000);
    await sql.rows("DROP DATABASE autopilot", 5_000);
    const facts = await (await other.mysqld()).observe();
    expect(facts).toMatchObject({ clusterId: null, uuid: other.uuid, serverId: 9 });
    await other.crash();
  });
});

describe("readPeerSets", () => {
  test("reads what another node has, over TLS and as nobody", async () => {
    const facts = await mysqld.observe();
    expect(await readPeerSets(address(), servers.secrets)).toEqual({
      uuid: server.uuid,
      executed: facts.executed,
      purged: facts.purged,
    });
  });

  test("of a node where nobody listens says so at once", async () => {
    await expect(
      readPeerSets({ host: "127.0.0.1", port: 1 }, servers.secrets),
    ).rejects.toMatchObject({ code: "AP_MYSQLD_EXITED" });
  });
});

describe("a standing line", () => {
  const fake = (): Sql & { closed: boolean } => {
    const sql = { closed: false, destroy: () => (sql.closed = true) };
    return sql as unknown as Sql & { closed: boolean };
  };

  test("is opened once for all who wait, and anew at once when it was lost", async () => {
    const opened: (Sql & { closed: boolean })[] = [];
    const line = standingLine(() => {
      const sql = fake();
      opened.push(sql);
      return Promise.resolve(sql);
    });
    await Promise.all([1, 2, 3].map(() => line.use(10, () => Promise.resolve())));
    expect(opened).toHaveLength(1);
    const failing = line.use(10, (sql) => {
      sql.destroy();
      return Promise.reject(new Error("no answer"));
    });
    await expect(failing).rejects.toThrow("no answer");
    expect(opened).toHaveLength(2);
    opened[1]?.destroy();
    await Promise.all([1, 2, 3].map(() => line.use(10, () => Promise.resolve())));
    expect(opened).toHaveLength(3);
    await line[Symbol.asyncDispose]();
    expect(opened[2]?.closed).toBe(true);
  });

  test("that cannot be opened is tried again by the next user", async () => {
    let tries = 0;
    const line = standingLine(() => {
      tries += 1;
      return tries < 3 ? Promise.reject(new Error("down")) : Promise.resolve(fake());
    });
    await expect(line.use(10, () => Promise.resolve(1))).rejects.toThrow("down");
    await expect(line.use(10, () => Promise.resolve(1))).rejects.toThrow("down");
    expect(await line.use(10, () => Promise.resolve(1))).toBe(1);
  });
});
