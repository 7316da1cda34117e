// MySQL's CLONE as an engine, on real servers: the contract of all engines, and what only a clone has: a second copy on the
// disk, a server that is started on it, a donor that may be a replica.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine } from "../../recipes/mysql/backup/engine.ts";
import {
  openEngine,
  readEngineFacts,
  requireEngine,
} from "../../recipes/mysql/backup/engines/open.ts";
import { chooseEngine } from "../../recipes/mysql/core/backup/choose-engine.ts";
import type { Target } from "../../recipes/mysql/mysqld/connection.ts";
import { layout } from "../../recipes/mysql/mysqld/layout.ts";
import { lab, promote, until, type Lab, type Server } from "../mysqld/servers.ts";
import { onDatadir, processesWith, transactionsOf } from "./clone-server.ts";
import { engineContract, never, toBytes } from "./engine.contract.ts";

const run = promisify(execFile);
const MYSQL = { flavor: "mysql", version: "9.7.4" } as const;

let servers: Lab;
let donor: Server;

beforeAll(async () => {
  servers = await lab();
  donor = await servers.server(1);
  await promote(await donor.mysqld(), { epoch: 1, acks: 0, replicas: [1, 2] });
});
afterAll(() => servers[Symbol.asyncDispose]());

function loginOf(server: Server, password = servers.secrets.admin): Target {
  return { host: "127.0.0.1", port: server.adminPort, user: "autopilot", password };
}

function engineOf(
  server: Server,
  more: { password?: string; progress?: (step: string) => void; myCnf?: string } = {},
): Engine {
  const { progress = () => undefined, password, myCnf = layout(server.dir).myCnf } = more;
  const login = loginOf(server, password);
  return openEngine({ name: "clone", tool: servers.tool, server: { login, myCnf }, progress });
}

engineContract("clone", async () => ({
  engine: engineOf(donor),
  server: MYSQL,
  place: await mkdtemp(join(servers.dir, "contract-")),
  writer: () => donor.admin(),
  started: (datadir, facts, ask) =>
    onDatadir(servers, donor, datadir, async (sql) => {
      const [row] = await sql.rows("SELECT @@gtid_executed AS gtid", 20_000);
      expect(String(row?.["gtid"]).replaceAll("\n", "")).toBe(facts.gtid);
      return ask(sql);
    }),
  transactions: (gtid) => transactionsOf(gtid, donor.uuid),
  processes: processesWith,
  [Symbol.asyncDispose]: () => Promise.resolve(),
}));

describe("clone", () => {
  test("is what fits where there is no XtraBackup", async () => {
    const tools = { xtrabackup: null, "mariadb-backup": null };
    const facts = await readEngineFacts(loginOf(donor), tools, "auto");
    expect(facts).toMatchObject({ server: MYSQL, clonePlugin: true, otherTables: [] });
    expect(requireEngine(chooseEngine(facts)).engine).toBe("clone");
    expect(() => requireEngine(chooseEngine({ ...facts, wished: "xtrabackup" }))).toThrow(
      expect.objectContaining({ code: "AP_BACKUP_NO_ENGINE" }),
    );
  });

  test("of a replica, with a tagged GTID: the image has no source, no identity and no keys", async () => {
    const replica = await servers.server(2);
    const mysqld = await replica.mysqld();
    await mysqld.follow({ host: "127.0.0.1", port: donor.port }, { serverId: 2 }, false);
    await using sql = await donor.admin();
    await sql.rows(`SET gtid_next = 'AUTOMATIC:nightly'`, 5_000);
    await sql.rows("CREATE TABLE app.tagged (id INT PRIMARY KEY)", 5_000);
    await sql.rows(`SET gtid_next = 'AUTOMATIC'`, 5_000);
    const { executed } = await (await donor.mysqld()).observe();
    expect(executed).toContain(":nightly:1");
    await until("the replica has it", async () => (await mysqld.observe()).executed === executed);

    const steps: string[] = [];
    // As of a node whose InnoDB files are in places of their own: those of the running server are not touched.
    const { data } = layout(replica.dir);
    const places = ["innodb_undo_directory", "innodb_log_group_home_dir", "innodb_data_home_dir"];
    const myCnf = join(servers.dir, "places.cnf");
    const lines = places.map((name) => `${name} = ${data}\n`).join("");
    await writeFile(myCnf, `${await readFile(layout(replica.dir).myCnf, "utf8")}${lines}`);
    const engine = engineOf(replica, { progress: (step) => steps.push(step), myCnf });
    const scratch = join(servers.dir, "scratch-2");
    await using imaging = await engine.image(MYSQL, { scratch, since: null, signal: never });
    const bytes = await toBytes(imaging);
    expect(bytes.length).toBe(imaging.estimate);
    const facts = await imaging.finish();
    expect(facts.gtid).toBe(executed.replaceAll("\n", ""));
    expect(steps).toEqual(["copying", "starting a server on the copy"]);

    const into = join(servers.dir, "of-a-replica");
    await engine.unpack([{ stream: Readable.from([bytes]), into, signal: never }]);
    const names = await readdir(into, { recursive: true });
    const foreign = /auto\.cnf|\.pem$|relaylog|#clone|#innodb_temp|_tmp$|\.pid$|\.log$/;
    expect(names.filter((name) => foreign.test(name))).toEqual([]);
    expect(names).toContain("ib_buffer_pool");
    await onDatadir(servers, replica, into, async (copy) => {
      expect(await copy.rows("SHOW REPLICA STATUS", 5_000)).toEqual([]);
      const [row] = await copy.rows("SELECT @@gtid_executed AS gtid, @@server_uuid AS uuid", 5_000);
      expect(String(row?.["gtid"]).replaceAll("\n", "")).toBe(facts.gtid);
      expect([replica.uuid, donor.uuid]).not.toContain(row?.["uuid"]);
    });
    // The replica itself was not disturbed.
    expect((await mysqld.observe()).source).toMatchObject({ io: "Yes" });
    await replica.crash();
  });

  test("aborted while it copies, the server's copying has ended before its directory goes", async () => {
    const scratch = join(servers.dir, "scratch-abort");
    for (const at of ["copying", "starting a server on the copy"]) {
      const abort = new AbortController();
      const progress = (step: string): void => {
        if (step === at) setImmediate(() => abort.abort(new Error("stopping")));
      };
      const engine = engineOf(donor, { progress });
      const request = { scratch, since: null, signal: abort.signal };
      await expect(engine.image(MYSQL, request)).rejects.toThrow("stopping");
      expect(await readdir(scratch)).toEqual([]);
      expect(await processesWith(scratch)).toEqual([]);
      await using sql = await donor.admin();
      const running = await sql.rows(
        "SELECT processlist_info AS info FROM performance_schema.threads WHERE processlist_info LIKE 'CLONE%'",
        5_000,
      );
      expect(running).toEqual([]);
    }
  });

  test("aborted while the copying waits for somebody else's DDL, it is killed in the server", async () => {
    await using sql = await donor.admin();
    await using ddl = await donor.admin();
    await sql.rows("CREATE TABLE app.busy (id INT PRIMARY KEY)", 5_000);
    await sql.rows("SET GLOBAL clone_block_ddl = ON", 5_000);
    await sql.rows("BEGIN", 5_000);
    await sql.rows("SELECT * FROM app.busy", 5_000);
    const altered = ddl.rows("ALTER TABLE app.busy ADD c INT", 60_000);
    const saying = async (what: string): Promise<boolean> => {
      await using look = await donor.admin();
      const like = `SELECT 1 FROM performance_schema.threads WHERE processlist_info LIKE '${what}%'`;
      return (await look.rows(like, 5_000)).length > 0;
    };
    await until("the DDL waits", () => saying("ALTER"));
    const abort = new AbortController();
    const scratch = join(servers.dir, "scratch-waiting");
    const making = engineOf(donor).image(MYSQL, { scratch, since: null, signal: abort.signal });
    making.catch(() => undefined);
    await until("the copying waits for it", () => saying("CLONE"));
    abort.abort(new Error("stopping"));
    await expect(making).rejects.toThrow("stopping");
    expect(await saying("CLONE")).toBe(false);
    await sql.rows("COMMIT", 5_000);
    await altered;
    await sql.rows("SET GLOBAL clone_block_ddl = OFF", 5_000);
  });

  test("tables that a clone would copy without their rows are refused by name, empty ones are not", async () => {
    await using sql = await donor.admin();
    await sql.rows("CREATE TABLE app.old (id INT) ENGINE = MyISAM", 5_000);
    const tools = { xtrabackup: null, "mariadb-backup": null };
    expect((await readEngineFacts(loginOf(donor), tools, "auto")).otherTables).toEqual([]);
    await sql.rows("INSERT INTO app.old VALUES (1)", 5_000);
    expect((await readEngineFacts(loginOf(donor), tools, "auto")).otherTables).toEqual(["app.old"]);
    const scratch = join(servers.dir, "scratch-old");
    const request = { scratch, since: null, signal: never };
    await expect(engineOf(donor).image(MYSQL, request)).rejects.toMatchObject({
      code: "AP_BACKUP_NO_ENGINE",
      message: expect.stringContaining("app.old") as string,
    });
    expect(await readdir(scratch)).toEqual([]);
    await sql.rows("DROP TABLE app.old", 5_000);
  });

  test("a wrong password is said with MySQL's number, and not repeated", async () => {
    const scratch = join(servers.dir, "scratch-wrong");
    const engine = engineOf(donor, { password: "wrong-password" });
    const error = await engine
      .image(MYSQL, { scratch, since: null, signal: never })
      .catch((cause: unknown) => cause as Error);
    expect(error).toMatchObject({ code: "AP_BACKUP_ENGINE_FAILED" });
    expect((error as Error).message).toContain("1045");
    const said = JSON.stringify(error, Object.getOwnPropertyNames(error));
    expect(said).not.toContain("wrong-password");
    expect(await readdir(scratch)).toEqual([]);
  });

  test("an account that may not clone is told so", async () => {
    await using sql = await donor.admin();
    await sql.rows("CREATE USER weak@'127.0.0.1' IDENTIFIED BY 'weak-password'", 5_000);
    await sql.rows("GRANT PROCESS, REPLICATION CLIENT, SELECT ON *.* TO weak@'127.0.0.1'", 5_000);
    const login = { host: "127.0.0.1", port: donor.port, user: "weak", password: "weak-password" };
    const { myCnf } = layout(donor.dir);
    const engine = openEngine({ name: "clone", tool: servers.tool, server: { login, myCnf } });
    const scratch = join(servers.dir, "scratch-weak");
    await expect(
      engine.image(MYSQL, { scratch, since: null, signal: never }),
    ).rejects.toMatchObject({
      code: "AP_BACKUP_ENGINE_FAILED",
      message: expect.stringContaining("BACKUP_ADMIN") as string,
    });
    expect(await readdir(scratch)).toEqual([]);
    await sql.rows("DROP USER weak@'127.0.0.1'", 5_000);
  });

  test("a copy that a server cannot start on is no image", async () => {
    const scratch = join(servers.dir, "scratch-bad-cnf");
    const login = loginOf(donor);
    const myCnf = join(servers.dir, "bad.cnf");
    await writeFile(
      myCnf,
      `${await readFile(layout(donor.dir).myCnf, "utf8")}innodb_page_size = 4096\n`,
    );
    const engine = openEngine({ name: "clone", tool: servers.tool, server: { login, myCnf } });
    await expect(
      engine.image(MYSQL, { scratch, since: null, signal: never }),
    ).rejects.toMatchObject({
      code: "AP_BACKUP_ENGINE_FAILED",
      message: expect.stringMatching(/the server on the copy: exit code 1: .*\[InnoDB\]/) as string,
    });
    expect(await readdir(scratch)).toEqual([]);
  });

  test("without room for the copy it does not begin", async (context) => {
    const scratch = join(servers.dir, "scratch-small");
    await mkdir(scratch);
    const mounted = await run("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", scratch]).then(
      () => true,
      () => false,
    );
    if (!mounted) return context.skip("mounting a small tmpfs is not allowed here");
    try {
      await expect(
        engineOf(donor).image(MYSQL, { scratch, since: null, signal: never }),
      ).rejects.toMatchObject({
        code: "AP_BACKUP_SPACE",
        message: expect.stringMatching(/needs \d+ MiB, and .* has 6\d MiB left/) as string,
      });
      expect(await readdir(scratch)).toEqual([]);
    } finally {
      await run("umount", ["-l", scratch]);
      await rm(scratch, { recursive: true });
    }
  });
});
