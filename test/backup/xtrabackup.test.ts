// XtraBackup as an engine, by a stand-in for its programs on a real server: the contract of all engines, the exact command
// lines and environments, and each documented way in which it fails. The real binaries are in no Debian archive.
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { PassThrough, Readable } from "node:stream";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine, ImageFacts } from "../../recipes/mysql/backup/engine.ts";
import {
  openEngine,
  readEngineFacts,
  requireEngine,
} from "../../recipes/mysql/backup/engines/open.ts";
import { chooseEngine } from "../../recipes/mysql/core/backup/choose-engine.ts";
import type { Sql, Target } from "../../recipes/mysql/mysqld/connection.ts";
import { layout } from "../../recipes/mysql/mysqld/layout.ts";
import { lab, promote, until, type Lab, type Server } from "../mysqld/servers.ts";
import { onDatadir, processesWith, tellGtid, transactionsOf } from "./clone-server.ts";
import { engineContract, never, toBytes } from "./engine.contract.ts";
import { placeStandIn, type StandIn } from "./stand-in/place.ts";

const run = promisify(execFile);
const MYSQL = { flavor: "mysql", version: "9.7.4" } as const;
const LIMIT_MS = 20_000;

let servers: Lab;
let server: Server;
let standIn: StandIn;

beforeAll(async () => {
  servers = await lab();
  standIn = await placeStandIn(join(servers.dir, "stand-in"), "9.7.1-1");
  server = await servers.server(1);
  await promote(await server.mysqld(), { epoch: 1, acks: 0, replicas: [1, 2] });
});
afterAll(() => servers[Symbol.asyncDispose]());

function loginOf(at: Server): Target {
  const { admin } = servers.secrets;
  return { host: "127.0.0.1", port: at.adminPort, user: "autopilot", password: admin };
}

function engineOf(login: Target = loginOf(server)): Engine {
  const { tool } = standIn;
  const { myCnf } = layout(server.dir);
  return openEngine({ name: "xtrabackup", tool, server: { login, myCnf } });
}

engineContract("xtrabackup (stand-in)", async () => ({
  engine: engineOf(),
  server: MYSQL,
  place: await mkdtemp(join(servers.dir, "contract-")),
  writer: () => server.admin(),
  started: (datadir, facts, ask) => restored(datadir, facts, ask),
  transactions: (gtid) => transactionsOf(gtid, server.uuid),
  processes: processesWith,
  [Symbol.asyncDispose]: () => Promise.resolve(),
}));

function restored<T>(
  datadir: string,
  facts: ImageFacts,
  ask: (sql: Sql) => Promise<T>,
): Promise<T> {
  return onDatadir(servers, server, datadir, async (sql) => {
    await sql.rows("SET GLOBAL super_read_only = OFF", LIMIT_MS);
    await tellGtid(sql, facts);
    return ask(sql);
  });
}

type Image = { readonly bytes: Buffer; readonly facts: ImageFacts };
async function imageOf(
  engine: Engine,
  scratch: string,
  since: string | null = null,
): Promise<Image> {
  await using imaging = await engine.image(MYSQL, { scratch, since, signal: never });
  const bytes = await toBytes(imaging);
  return { bytes, facts: await imaging.finish() };
}

/** Reads the stream to its end, as a pipeline does, and asks for the proof. */
async function proof(
  engine: Engine,
  scratch: string,
  since: string | null = null,
): Promise<unknown> {
  try {
    await imageOf(engine, scratch, since);
    return null;
  } catch (error) {
    return error;
  }
}

const unpack = (into: string, ...images: readonly Image[]): Promise<void> =>
  engineOf().unpack(
    images.map(({ bytes }) => ({ stream: Readable.from([bytes]), into, signal: never })),
  );

describe("xtrabackup's command lines", () => {
  test("it is chosen where it is of the server's series", async () => {
    const tools = { xtrabackup: standIn.tool.version, "mariadb-backup": null };
    const choice = chooseEngine(await readEngineFacts(loginOf(server), tools, "auto"));
    expect(requireEngine(choice)).toMatchObject({ engine: "xtrabackup", version: "9.7.1-1" });
  });

  test("the exact arguments, the environment and the option file of an image", async () => {
    await standIn.runs();
    const scratch = join(servers.dir, "scratch-argv");
    process.env["AWS_SECRET_ACCESS_KEY"] = "not-for-children";
    const { facts } = await imageOf(engineOf(), scratch);
    delete process.env["AWS_SECRET_ACCESS_KEY"];
    const [call, ...more] = await standIn.runs();
    expect(more).toEqual([]);
    const argv = call?.argv.map((arg) => arg.replace(/image-\w+/, "RUN")) ?? [];
    const inRun = (name: string): string => join(scratch, "RUN", name);
    expect(argv).toEqual([
      `--defaults-file=${inRun("client.cnf")}`,
      "--backup",
      "--stream=xbstream",
      "--parallel=2",
      "--lock-ddl=ON",
      "--lock-ddl-timeout=60",
      "--backup-lock-timeout=60",
      "--backup-lock-retry-count=3",
      "--register-redo-log-consumer=0",
      "--read-buffer-size=10M",
      "--databases-exclude=lost+found",
      "--no-version-check",
      `--extra-lsndir=${inRun("lsn")}`,
      `--target-dir=${inRun("target")}`,
      `--datadir=${layout(server.dir).data}/`,
    ]);
    expect(argv.join(" ")).not.toMatch(/no-server-version-check|--compress|--encrypt|password/);
    expect(call?.env).toMatchObject({ TZ: "UTC", LC_ALL: "C" });
    expect(call?.env["HOME"]).toMatch(/image-/);
    expect(Object.keys(call?.env ?? {})).not.toContain("AWS_SECRET_ACCESS_KEY");
    expect(call?.defaults?.mode).toBe("600");
    expect(call?.defaults?.text).toContain(`password="${servers.secrets.admin}"`);
    expect(await readdir(scratch)).toEqual([]);

    // An increment says from where, and nothing else.
    await imageOf(engineOf(), scratch, facts.lsn?.to);
    const [next] = await standIn.runs();
    const added = next?.argv
      .map((arg) => arg.replace(/image-\w+/, "RUN"))
      .filter((arg) => !argv.includes(arg));
    expect(added).toEqual([`--incremental-lsn=${facts.lsn?.to}`]);
  });

  test("a chain is prepared with --apply-log-only in each step but the last, and moved into place", async () => {
    const scratch = join(servers.dir, "scratch-chain");
    const into = join(servers.dir, "chain");
    await using sql = await server.admin();
    await sql.rows("CREATE TABLE app.chain (id INT PRIMARY KEY)", LIMIT_MS);
    const images: Image[] = [];
    for (const id of [1, 2, 3]) {
      await sql.rows(`INSERT INTO app.chain VALUES (${id})`, LIMIT_MS);
      images.push(await imageOf(engineOf(), scratch, images.at(-1)?.facts.lsn?.to ?? null));
    }
    const [full, one, two] = images as [Image, Image, Image];
    await standIn.runs();
    await unpack(into, full, one, two);
    const shown = (await standIn.runs()).map(({ program, argv }) =>
      [program, ...argv].join(" ").replaceAll(/(?<=[ =])\/[^ =]*image-\w+/g, "RUN"),
    );
    const memory = /--use-memory=\d+M/.exec(shown.join())?.[0] ?? "";
    expect(shown).toEqual([
      "xbstream -x --parallel=2 -C RUN/base",
      `xtrabackup --prepare ${memory} --apply-log-only --target-dir=RUN/base`,
      "xbstream -x --parallel=2 -C RUN/increment-1",
      `xtrabackup --prepare ${memory} --apply-log-only --target-dir=RUN/base --incremental-dir=RUN/increment-1`,
      "xbstream -x --parallel=2 -C RUN/increment-2",
      `xtrabackup --prepare ${memory} --target-dir=RUN/base --incremental-dir=RUN/increment-2`,
      `xtrabackup --no-defaults --move-back --force-non-empty-directories --target-dir=RUN/base --datadir=${into}`,
    ]);
    const rows = await restored(into, two.facts, (on) =>
      on.rows("SELECT id FROM app.chain", LIMIT_MS),
    );
    expect(rows).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
    await rm(into, { recursive: true });

    await expect(unpack(into, full, two)).rejects.toMatchObject({
      code: "AP_BACKUP_CHAIN",
      message: expect.stringContaining("begins at LSN") as string,
    });
    // Some twenty processes of Node's: seconds, but a minute where the machine is shared.
  }, 120_000);

  test("the stand-in refuses what it should, or it would prove nothing", async () => {
    const [program = ""] = standIn.tool.command("xtrabackup");
    const env = { PATH: process.env["PATH"], TZ: "UTC" };
    for (const [args, code] of [
      [["--backup", "--no-server-version-check"], 255],
      [["--backup", "--password=x"], 255],
      [["--backup", "--defaults-file=/dev/null"], 255],
      [["--backup", "--stream=tar"], 255],
      [["--nonsense"], 255],
      [["--prepare", "--target-dir=/nowhere"], 1],
    ] as const)
      await expect(run(program, args, { env }), args.join(" ")).rejects.toMatchObject({ code });
  });
});

describe("xtrabackup fails in each documented way, and none is an image", () => {
  test.each([
    ["exit-1", /exit code 1: .*Cannot read .\/app\/t.ibd/],
    ["exit-255", /exit code 255: .*unknown option/],
    ["killed", /killed by SIGKILL/],
    ["no-completed", /did not say that it completed/],
    ["more-after-completed", /did not say that it completed: .*unregistering/],
    ["no-checkpoints", /checkpoints file is missing/],
    ["other-lsn", /began at LSN 7/],
    ["log-wrapped", /log has wrapped/],
  ])("%s", async (fault, why) => {
    const scratch = join(servers.dir, "scratch-fault");
    await standIn.wish(fault);
    const error = await proof(engineOf(), scratch);
    await standIn.wish("");
    expect(error).toMatchObject({
      code: "AP_BACKUP_ENGINE_FAILED",
      message: expect.stringMatching(why) as string,
    });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(
      servers.secrets.admin,
    );
    expect(await readdir(scratch)).toEqual([]);
    expect(await processesWith(scratch)).toEqual([]);
  });

  test("a server of another series", async () => {
    const other = await placeStandIn(join(servers.dir, "other-stand-in"), "8.4.0-7");
    const { myCnf } = layout(server.dir);
    const parts = { tool: other.tool, server: { login: loginOf(server), myCnf } };
    const engine = openEngine({ name: "xtrabackup", ...parts });
    expect(await proof(engine, join(servers.dir, "scratch-other"))).toMatchObject({
      message: expect.stringContaining("Unsupported server version: '9.7.4") as string,
    });
  });

  test("a missing privilege", async () => {
    await using sql = await server.admin();
    await sql.rows("CREATE USER weak@'127.0.0.1' IDENTIFIED BY 'weak-password'", LIMIT_MS);
    await sql.rows(
      "GRANT RELOAD, PROCESS, REPLICATION CLIENT ON *.* TO weak@'127.0.0.1'",
      LIMIT_MS,
    );
    const login = { host: "127.0.0.1", port: server.port, user: "weak", password: "weak-password" };
    expect(await proof(engineOf(login), join(servers.dir, "scratch-weak"))).toMatchObject({
      message: expect.stringContaining("missing required privilege BACKUP_ADMIN") as string,
    });
    await sql.rows("DROP USER weak@'127.0.0.1'", LIMIT_MS);
  });

  test("a reader that goes away ends it", async () => {
    const scratch = join(servers.dir, "scratch-gone");
    {
      await using imaging = await engineOf().image(MYSQL, { scratch, since: null, signal: never });
      imaging.stream.destroy();
      await expect(imaging.finish()).rejects.toMatchObject({ code: "AP_BACKUP_ENGINE_FAILED" });
    }
    expect(await processesWith(scratch)).toEqual([]);
    expect(await readdir(scratch)).toEqual([]);
  });

  test("one that stands still ends when it is disposed of, aborted, or asked for its proof", async () => {
    const scratch = join(servers.dir, "scratch-stuck");
    await standIn.wish("stuck");
    const abort = new AbortController();
    const request = { scratch, since: null, signal: abort.signal };
    {
      await using _ = await engineOf().image(MYSQL, request);
    }
    expect(await processesWith(scratch)).toEqual([]);
    {
      await using imaging = await engineOf().image(MYSQL, request);
      await expect(imaging.finish()).rejects.toThrow("its stream was not read to its end");
    }
    {
      await using imaging = await engineOf().image(MYSQL, request);
      const read = toBytes(imaging);
      abort.abort(new Error("stopping"));
      expect(await read).toEqual(Buffer.alloc(0));
      await expect(imaging.finish()).rejects.toThrow("stopping");
    }
    await standIn.wish("");
    expect(await processesWith(scratch)).toEqual([]);
    expect(await readdir(scratch)).toEqual([]);
  });

  test("a stream that an engine closed too early, with every sign of success, is refused when it is unpacked", async () => {
    const scratch = join(servers.dir, "scratch-short");
    const into = join(servers.dir, "short");
    await standIn.wish("short-stream");
    const { bytes } = await (async () => {
      await using imaging = await engineOf().image(MYSQL, { scratch, since: null, signal: never });
      const read = await toBytes(imaging);
      await imaging.finish().catch(() => undefined);
      return { bytes: read };
    })();
    await standIn.wish("");
    const stream = Readable.from([bytes]);
    await expect(engineOf().unpack([{ stream, into, signal: never }])).rejects.toMatchObject({
      code: "AP_BACKUP_UNPACK",
      message: expect.stringContaining("the image is not whole") as string,
    });
  });

  test.each([
    ["xbstream-killed", /xbstream: killed by SIGKILL/],
    ["prepare-fails", /--prepare: exit code 1: .*Assertion failure/],
  ])("while unpacking: %s", async (fault, why) => {
    const image = await imageOf(engineOf(), join(servers.dir, "scratch-unpack"));
    const into = join(servers.dir, `unpack-${fault}`);
    await standIn.wish(fault);
    const failed = unpack(into, image);
    await expect(failed).rejects.toMatchObject({
      code: "AP_BACKUP_UNPACK",
      message: expect.stringMatching(why) as string,
    });
    await standIn.wish("");
    // Nothing that could be taken for a datadir.
    expect(await readdir(into)).toEqual([]);
  });
});

describe("a replica whose binlog has statements", () => {
  test("its applier stands while it is copied, and runs again when the engine died", async () => {
    const replica = await servers.server(2);
    const mysqld = await replica.mysqld();
    await mysqld.follow({ host: "127.0.0.1", port: server.port }, { serverId: 2 }, false);
    const applier = async (): Promise<unknown> => {
      await using sql = await replica.admin();
      const [row] = await sql.rows("SHOW REPLICA STATUS", LIMIT_MS);
      return row?.["Replica_SQL_Running"];
    };
    await until("its applier runs", async () => (await applier()) === "Yes");
    const scratch = join(servers.dir, "scratch-applier");
    const engine = engineOf(loginOf(replica));
    const asked = async (): Promise<readonly string[]> =>
      (await standIn.runs()).flatMap(({ argv }) => argv.filter((arg) => arg.includes("slave")));

    // Rows need no temporary tables: the applier goes on.
    await standIn.runs();
    await imageOf(engine, scratch);
    expect(await asked()).toEqual([]);

    await using sql = await replica.admin();
    await sql.rows("STOP REPLICA SQL_THREAD", LIMIT_MS);
    await sql.rows("SET GLOBAL binlog_format = 'MIXED'", LIMIT_MS);
    await sql.rows("START REPLICA SQL_THREAD", LIMIT_MS);
    await standIn.wish("killed-early");
    const imaging = await engine.image(MYSQL, { scratch, since: null, signal: never });
    await pipeline(imaging.stream, new PassThrough().resume());
    await until("it stands", async () => (await applier()) === "No");
    await expect(imaging.finish()).rejects.toThrow("killed by SIGKILL");
    await standIn.wish("");
    expect(await asked()).toEqual(["--safe-slave-backup", "--safe-slave-backup-timeout=300"]);
    expect(await applier()).toBe("Yes");

    // One that somebody had stopped stays stopped.
    await sql.rows("STOP REPLICA SQL_THREAD", LIMIT_MS);
    await standIn.wish("killed-early");
    expect(await proof(engine, scratch)).toMatchObject({ code: "AP_BACKUP_ENGINE_FAILED" });
    await standIn.wish("");
    expect(await applier()).toBe("No");
    await replica.crash();
  });
});
