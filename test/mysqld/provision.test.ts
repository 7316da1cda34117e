// Making datadirs with real mysqlds: complete or not there at all, with a new uuid, the donor's GTID set, and no secret
// in any place that somebody could read.
import { execFile } from "node:child_process";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contains, gtidSet } from "../../recipes/mysql/core/gtid.ts";
import { readDatadir, removeHalf } from "../../recipes/mysql/mysqld/datadir.ts";
import { initialize } from "../../recipes/mysql/mysqld/initialize.ts";
import { layout } from "../../recipes/mysql/mysqld/layout.ts";
import { provisionByClone } from "../../recipes/mysql/mysqld/provision.ts";
import { CLUSTER, lab, promote, startServer, supervise, type Lab, type Place } from "./servers.ts";
import { MARKER, until, type Server } from "./servers.ts";

const run = promisify(execFile);

let servers: Lab;
let donor: Server;

beforeAll(async () => {
  servers = await lab();
  donor = await servers.server(1);
  const mysqld = await donor.mysqld();
  await promote(mysqld, { epoch: 1, acks: 0, replicas: [1, 2, 3] });
});

afterAll(async () => {
  await servers[Symbol.asyncDispose]();
});

function job(at: Place, signal: AbortSignal = new AbortController().signal) {
  const { tool, secrets } = servers;
  return { ...at, clusterId: CLUSTER, tool, secrets, signal, spawn: supervise };
}

const atDonor = (): { host: string; port: number } => ({ host: "127.0.0.1", port: donor.port });
const nothing = (): void => undefined;

/** What the processes that `work` starts show to everybody else of this machine: their arguments and environments. */
async function whatOthersSee(work: Promise<unknown>): Promise<string> {
  let over = false;
  const seen = new Set<string>();
  const watch = async (): Promise<void> => {
    while (!over) {
      for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
        const args = await readFile(join("/proc", pid, "cmdline"), "utf8").catch(() => "");
        if (!args.includes(servers.dir) || seen.has(args)) continue;
        seen.add(args).add(await readFile(join("/proc", pid, "environ"), "utf8").catch(() => ""));
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const watching = watch();
  await work.finally(() => (over = true));
  await watching;
  return [...seen].join("\n");
}

describe("initialize", () => {
  test("makes a closed server without a GTID, with our accounts and tables and no root", async () => {
    const at = await servers.place(11);
    const seen = await whatOthersSee(initialize(job(at)));
    expect(seen).toContain("--initialize-insecure");
    for (const secret of Object.values(servers.secrets)) expect(seen).not.toContain(secret);
    expect(await readDatadir(at.dir)).toEqual({
      kind: "ready",
      uuid: at.uuid,
      serverId: 11,
      clusterId: CLUSTER,
      bootstrap: null,
    });
    // Nothing is left, the file with the passwords least of all.
    const left = (await readdir(at.dir)).toSorted();
    expect(left).toEqual(["data", "my.cnf", "mysqld.log", "node.json"]);

    const server = await startServer(at, servers);
    await using sql = await server.admin();
    const [facts] = await sql.rows(
      "SELECT @@gtid_executed AS executed, @@server_uuid AS uuid, @@super_read_only AS closed",
      1_000,
    );
    expect(facts).toEqual({ executed: "", uuid: at.uuid, closed: 1 });
    const accounts = await sql.rows(
      "SELECT CONCAT(user, '@', host) AS name, ssl_type AS tls FROM mysql.user WHERE user NOT LIKE 'mysql.%' ORDER BY 1",
      1_000,
    );
    expect(accounts).toEqual([
      { name: "app@%", tls: "" },
      { name: "autopilot@127.0.0.1", tls: "" },
      { name: "autopilot@localhost", tls: "" },
      { name: "autopilot_clone@%", tls: "ANY" },
      { name: "autopilot_peer@%", tls: "ANY" },
      { name: "autopilot_repl_0@%", tls: "ANY" },
      { name: "autopilot_repl_11@%", tls: "ANY" },
    ]);
    await using app = await server.app();
    const grants = (await app.rows("SHOW GRANTS", 1_000)).flatMap((row) => Object.values(row));
    expect(grants).toEqual([
      "GRANT USAGE ON *.* TO `app`@`%`",
      "GRANT ALL PRIVILEGES ON `app`.* TO `app`@`%`",
    ]);
    const tables = await sql.rows(
      "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'autopilot' AND engine = 'InnoDB' ORDER BY 1",
      1_000,
    );
    expect(tables.map((row) => row["name"])).toEqual([
      "cluster",
      "epoch",
      "heartbeat",
      "members",
      "probe",
    ]);
    const log = await readFile(layout(at.dir).errorLog, "utf8");
    for (const secret of Object.values(servers.secrets)) expect(log).not.toContain(secret);
    await server.crash();
  });

  test("says why it failed, and leaves nothing that could be taken for a datadir", async () => {
    const at = await servers.place(12);
    const cnf = await readFile(layout(at.dir).myCnf, "utf8");
    await writeFile(layout(at.dir).myCnf, `${cnf}innodb_page_size = 12345\n`);
    const error = await initialize(job(at)).catch((cause: unknown) => cause as Error);
    expect(error).toMatchObject({ code: "AP_PROVISION_FAILED" });
    expect((error as Error).message).toContain("Invalid page size=12345");
    expect((await readDatadir(at.dir)).kind).not.toBe("ready");
    await writeFile(layout(at.dir).myCnf, cnf);
    await initialize(job(at));
    expect(await readDatadir(at.dir)).toMatchObject({ kind: "ready", uuid: at.uuid });
  });

  test("ends at once when it is aborted", async () => {
    const at = await servers.place(13);
    const abort = new AbortController();
    const making = initialize(job(at, abort.signal));
    await until("it is under way", async () => (await readDatadir(at.dir)).kind === "half");
    abort.abort(new Error("stopping"));
    await expect(making).rejects.toThrow("stopping");
    expect((await readDatadir(at.dir)).kind).not.toBe("ready");
    expect((await readdir(at.dir)).filter((name) => name.endsWith(".sql"))).toEqual([]);
  });

  test("never touches a directory that has data", async () => {
    const at = await servers.place(14);
    await mkdir(layout(at.dir).data);
    await writeFile(join(layout(at.dir).data, "precious"), "x");
    await expect(initialize(job(at))).rejects.toMatchObject({ code: "AP_PROVISION_FAILED" });
    expect(await readdir(layout(at.dir).data)).toEqual(["precious"]);
  });
});

describe("provisionByClone", () => {
  test("makes a datadir with a new uuid and the donor's GTID set and accounts", async () => {
    const at = await servers.place(21);
    const steps: number[] = [];
    const progress = (bytes: { done: number; estimate: number }): void => {
      steps.push(bytes.done);
    };
    const making = provisionByClone({ ...job(at), donor: atDonor(), progress });
    const seen = await whatOthersSee(making);
    for (const secret of Object.values(servers.secrets)) expect(seen).not.toContain(secret);
    expect(steps.at(-1)).toBeGreaterThan(10_000_000);
    expect(await readDatadir(at.dir)).toMatchObject({
      kind: "ready",
      uuid: at.uuid,
      serverId: 21,
      clusterId: CLUSTER,
    });
    expect((await readdir(at.dir)).toSorted()).toEqual([
      "data",
      "my.cnf",
      "mysqld.log",
      "node.json",
    ]);

    const server = await startServer(at, servers);
    const mysqld = await server.mysqld();
    const [facts, donors] = [await mysqld.observe(), await (await donor.mysqld()).observe()];
    expect(facts.uuid).toBe(at.uuid);
    expect(facts.uuid).not.toBe(donors.uuid);
    expect(facts).toMatchObject({ superReadOnly: true, clusterId: CLUSTER, source: null });
    expect(facts.executed).toBe(donors.executed);
    expect(facts.purged).toBe(donors.executed);
    // The cluster's passwords came along: it follows at once.
    await mysqld.follow(atDonor(), { serverId: 2 }, false);
    await until("it receives", async () => (await mysqld.receiver()).io === "Yes");
    const log = await readFile(layout(at.dir).errorLog, "utf8");
    for (const secret of Object.values(servers.secrets)) expect(log).not.toContain(secret);

    // A replica as donor hands its source's metadata on: forgotten before the first use.
    const next = await servers.place(22);
    const fromReplica = { host: "127.0.0.1", port: server.port };
    await provisionByClone({ ...job(next), donor: fromReplica, progress: nothing });
    const third = await startServer(next, servers);
    const cloned = await third.mysqld();
    expect((await cloned.observe()).source).toMatchObject({ io: "No" });
    await cloned.forgetSource();
    expect((await cloned.observe()).source).toBeNull();
    await (await donor.mysqld()).mark(MARKER, 2, 5_000);
    await cloned.follow(atDonor(), { serverId: 3 }, false);
    const { executed } = await (await donor.mysqld()).observe();
    await until("it catches up", async () =>
      contains(gtidSet((await cloned.observe()).executed), gtidSet(executed)),
    );
    await Promise.all([server.crash(), third.crash()]);
  });

  test("says MySQL's own reason when the donor refuses, and no password", async () => {
    const at = await servers.place(23);
    const secrets = { ...servers.secrets, clone: "wrong-password-of-the-clone" };
    const error = await provisionByClone({
      ...job(at),
      secrets,
      donor: atDonor(),
      progress: nothing,
    }).catch((cause: unknown) => cause as Error);
    expect(error).toMatchObject({
      code: "AP_PROVISION_FAILED",
      message: expect.stringContaining("1045") as string,
    });
    const said = JSON.stringify(error, Object.getOwnPropertyNames(error));
    expect(said).not.toContain("wrong-password");
    expect((await readDatadir(at.dir)).kind).not.toBe("ready");
  });

  test("ends its scratch server at once when it is aborted", async () => {
    const at = await servers.place(24);
    const abort = new AbortController();
    const making = provisionByClone({
      ...job(at, abort.signal),
      donor: atDonor(),
      progress: () => abort.abort(new Error("stopping")),
    });
    await expect(making).rejects.toThrow("stopping");
    const { stdout } = await run("ps", ["-eo", "args"]);
    expect(stdout).not.toContain(at.dir);
    expect((await readDatadir(at.dir)).kind).toBe("half");
  });
});

describe("a full disk", () => {
  // A small file system of its own needs the right to mount one.
  const mount = (dir: string): Promise<boolean> =>
    run("mount", ["-t", "tmpfs", "-o", "size=190m,mode=700", "tmpfs", dir]).then(
      () => true,
      () => false,
    );

  test("while provisioning is never taken for a good datadir", async (context) => {
    const at = await servers.place(31);
    const cnf = await readFile(layout(at.dir).myCnf, "utf8");
    if (!(await mount(at.dir))) return context.skip("mounting a small tmpfs is not allowed here");
    try {
      await writeFile(layout(at.dir).myCnf, cnf);
      const error = await provisionByClone({
        ...job(at),
        donor: atDonor(),
        progress: nothing,
      }).catch((cause: unknown) => cause as Error);
      expect(error).toMatchObject({ code: "AP_PROVISION_FAILED" });
      expect((error as Error).message).toContain("Available space");
      expect((await readDatadir(at.dir)).kind).toBe("half");
      await removeHalf(at.dir);
      expect((await readDatadir(at.dir)).kind).toBe("absent");
    } finally {
      await run("umount", ["-l", at.dir]);
    }
  });
});
