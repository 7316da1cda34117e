// mariadb-backup on a real MariaDB 10.11: the contract of all engines, incrementals, and each way in which it fails.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { PassThrough, Readable } from "node:stream";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findTool, type Tool } from "../../src/local/toolchain.ts";
import type { Engine, ImageFacts } from "../../recipes/mysql/backup/engine.ts";
import {
  openEngine,
  readEngineFacts,
  requireEngine,
} from "../../recipes/mysql/backup/engines/open.ts";
import { chooseEngine } from "../../recipes/mysql/core/backup/choose-engine.ts";
import { quote, type Sql, type Target } from "../../recipes/mysql/mysqld/connection.ts";
import { pidsWith, processesWith } from "./clone-server.ts";
import { engineContract, never, toBytes } from "./engine.contract.ts";
import { startMariadb, startOn, type MariadbServer } from "./mariadb-server.ts";
import { mariadbSpec } from "./mariadb-tool.ts";

const run = promisify(execFile);
const LIMIT_MS = 20_000;

const found = await findTool(mariadbSpec, { progress: (line) => console.warn(line) }).catch(
  (error: unknown) => (error instanceof Error ? error.message : String(error)),
);

if (typeof found === "string") {
  // Fetched from the machine's Debian archive: a machine without one runs the same contract on clone alone.
  console.warn(`SKIPPED: mariadb-backup on a real MariaDB: ${found}`);
  describe.skip(`mariadb-backup: skipped, ${found}`, () => {
    test("needs MariaDB 10.11", () => undefined);
  });
} else suite(found);

function suite(tool: Tool): void {
  let place: string;
  let server: MariadbServer;
  beforeAll(async () => {
    place = await mkdtemp(join(await roomyDir(), "autopilot-mariadb-"));
    server = await startMariadb(tool, join(place, "server"));
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await rm(place, { recursive: true });
  });

  const version = { flavor: "mariadb", version: tool.version } as const;
  const engineOf = (login: Target = server.login): Engine =>
    openEngine({ name: "mariadb-backup", tool, server: { login, myCnf: "" } });

  engineContract("mariadb-backup", async () => ({
    engine: engineOf(),
    server: version,
    place: await mkdtemp(join(place, "contract-")),
    writer: () => server.admin(),
    started: (datadir, facts, ask) => restored(datadir, facts, ask),
    transactions: (gtid) => Number(gtid.split("-")[2] ?? 0),
    processes: processesWith,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));

  async function restored<T>(
    datadir: string,
    facts: ImageFacts,
    ask: (sql: Sql) => Promise<T>,
  ): Promise<T> {
    await using copy = await startOn(tool, datadir, ["--server-id=2"]);
    await using sql = await copy.admin();
    await sql.rows(`SET GLOBAL gtid_slave_pos = ${quote(facts.gtid)}`, LIMIT_MS);
    return await ask(sql);
  }

  type Image = { readonly bytes: Buffer; readonly facts: ImageFacts };
  async function imageOf(engine: Engine, since: string | null = null): Promise<Image> {
    const scratch = join(place, "scratch");
    await using imaging = await engine.image(version, { scratch, since, signal: never });
    const bytes = await toBytes(imaging);
    return { bytes, facts: await imaging.finish() };
  }
  const unpack = (into: string, ...images: readonly Image[]): Promise<void> =>
    engineOf().unpack(
      images.map(({ bytes }) => ({ stream: Readable.from([bytes]), into, signal: never })),
    );

  describe("mariadb-backup", () => {
    test("is what fits a MariaDB", async () => {
      const tools = { xtrabackup: null, "mariadb-backup": tool.version };
      const facts = await readEngineFacts(server.login, tools, "auto");
      expect(requireEngine(chooseEngine(facts)).engine).toBe("mariadb-backup");
    });

    test("its password stands in a 0600 file alone, which goes with it", async () => {
      await using sql = await server.admin();
      await sql.rows("CREATE DATABASE IF NOT EXISTS wide", LIMIT_MS);
      const scratch = join(place, "scratch-secret");
      await using imaging = await engineOf().image(version, {
        scratch,
        since: null,
        signal: never,
      });
      imaging.stream.once("readable", () => undefined);
      const shown = await processesWith(scratch);
      expect(shown.join()).toContain("--defaults-file=");
      expect(shown.join()).not.toContain("word#");
      const [name = ""] = await readdir(scratch);
      expect((await run("stat", ["-c", "%a", join(scratch, name, "client.cnf")])).stdout).toBe(
        "600\n",
      );
      await toBytes(imaging);
      await imaging.finish();
      expect(await readdir(scratch)).toEqual([]);
    });

    test("a full image and two increments are the server as it was at the last; each alone is refused", async () => {
      await using sql = await server.admin();
      await sql.rows("CREATE DATABASE chain", LIMIT_MS);
      await sql.rows("CREATE TABLE chain.t (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT)", LIMIT_MS);
      // An LSN up to which an image goes is that of a checkpoint: each has one of its own.
      const insert = async (): Promise<void> => {
        await sql.rows(
          "INSERT INTO chain.t (v) SELECT REPEAT('x', 500) FROM chain.seq_1_to_500",
          LIMIT_MS,
        );
        await sql.rows("SET GLOBAL innodb_log_checkpoint_now = ON", LIMIT_MS);
      };
      await insert();
      const engine = engineOf();
      const full = await imageOf(engine);
      await insert();
      await sql.rows("CREATE TABLE chain.late (id INT PRIMARY KEY)", LIMIT_MS);
      const one = await imageOf(engine, full.facts.lsn?.to);
      await insert();
      await sql.rows("INSERT INTO chain.late VALUES (7)", LIMIT_MS);
      const two = await imageOf(engine, one.facts.lsn?.to);
      const ask = async (on: Sql) =>
        (await on.rows("CHECKSUM TABLE chain.t, chain.late", LIMIT_MS)).map(
          (row) => row["Checksum"],
        );
      const now = await ask(sql);
      expect(one.facts.lsn?.from).toBe(full.facts.lsn?.to);
      expect(full.bytes.includes("ibdata1.delta")).toBe(false);
      expect(two.bytes.includes("ibdata1.delta")).toBe(true);

      const into = join(place, "chain");
      await unpack(into, full, one, two);
      expect(
        (await readdir(into)).filter((name) =>
          /^image-|^xtrabackup_(?!info|binlog_pos_innodb)|\.delta$/.test(name),
        ),
      ).toEqual([]);
      expect(await restored(into, two.facts, ask)).toEqual(now);
      await rm(into, { recursive: true });

      for (const [chain, why] of [
        [[full, two], "begins at LSN"],
        [[one], "not a full one"],
        [[full, full], "not an incremental"],
      ] as const) {
        await expect(unpack(into, ...chain)).rejects.toMatchObject({
          code: "AP_BACKUP_CHAIN",
          message: expect.stringContaining(why) as string,
        });
        await rm(into, { recursive: true });
      }
    });

    test("an engine that is killed has closed its stream, and is not an image", async () => {
      const scratch = join(place, "scratch-killed");
      await using imaging = await engineOf().image(version, {
        scratch,
        since: null,
        signal: never,
      });
      const [own] = await pidsWith(`--extra-lsndir=${scratch}`);
      process.kill(Number(own), "SIGKILL");
      // Ends like a whole one.
      await pipeline(imaging.stream, new PassThrough().resume());
      await expect(imaging.finish()).rejects.toMatchObject({
        code: "AP_BACKUP_ENGINE_FAILED",
        message: expect.stringContaining("killed by SIGKILL") as string,
      });
      expect(await readdir(scratch)).toEqual([]);
    });

    test("a stream that ends between two chunks is extracted without an error, and is no image", async () => {
      const { bytes } = await imageOf(engineOf());
      // Before the two chunks of its last file, the info file: all data is there.
      let end = bytes.length;
      for (let chunks = 0; chunks < 2; chunks++) end = bytes.lastIndexOf("XBSTCK01", end - 1);
      const into = join(place, "boundary");
      await mkdir(into);
      const [program = "", ...before] = tool.command("mbstream");
      const cut = bytes.subarray(0, end);
      const raw = execFile(program, [...before, "-x", "-C", into]);
      raw.stdin?.end(cut);
      expect(await new Promise((resolve) => raw.once("exit", resolve))).toBe(0);
      await rm(into, { recursive: true });
      const stream = Readable.from([cut]);
      await expect(engineOf().unpack([{ stream, into, signal: never }])).rejects.toMatchObject({
        code: "AP_BACKUP_UNPACK",
        message: expect.stringContaining("the image is not whole") as string,
      });
      await rm(into, { recursive: true });
    });

    test("a changed byte within a file is noticed when it is extracted", async () => {
      const { bytes } = await imageOf(engineOf());
      const into = join(place, "flipped");
      const flipped = Buffer.from(bytes);
      const at = Math.floor(flipped.length / 2);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      const stream = Readable.from([flipped]);
      await expect(engineOf().unpack([{ stream, into, signal: never }])).rejects.toMatchObject({
        code: "AP_BACKUP_UNPACK",
        message: expect.stringMatching(/mbstream: exit code 1/) as string,
      });
      await rm(into, { recursive: true });
    });

    test("a wrong password and a missing privilege are said, and no password is repeated", async () => {
      await using sql = await server.admin();
      await sql.rows("CREATE USER weak@localhost IDENTIFIED BY 'weak-password'", LIMIT_MS);
      await sql.rows(
        "GRANT RELOAD, BINLOG MONITOR, REPLICA MONITOR ON *.* TO weak@localhost",
        LIMIT_MS,
      );
      const scratch = join(place, "scratch-login");
      for (const [user, password, why] of [
        ["admin", "wrong-password", /1045/],
        ["weak", "weak-password", /PROCESS/],
      ] as const) {
        const engine = engineOf({ ...server.login, user, password });
        const failed = async (): Promise<void> => {
          await using imaging = await engine.image(version, {
            scratch,
            since: null,
            signal: never,
          });
          await pipeline(imaging.stream, new PassThrough().resume());
          await imaging.finish();
        };
        const error = await failed().catch((cause: unknown) => cause as Error);
        expect(error).toMatchObject({
          code: "AP_BACKUP_ENGINE_FAILED",
          message: expect.stringMatching(why) as string,
        });
        expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(password);
        expect(await readdir(scratch)).toEqual([]);
      }
      await sql.rows("DROP USER weak@localhost", LIMIT_MS);
    });

    test("a full disk while it is unpacked is said, and leaves no datadir", async (context) => {
      const { bytes } = await imageOf(engineOf());
      const into = join(place, "small");
      await mkdir(into);
      const mounted = await run("mount", ["-t", "tmpfs", "-o", "size=10m", "tmpfs", into]).then(
        () => true,
        () => false,
      );
      if (!mounted) return context.skip("mounting a small tmpfs is not allowed here");
      try {
        const stream = Readable.from([bytes]);
        await expect(engineOf().unpack([{ stream, into, signal: never }])).rejects.toMatchObject({
          code: "AP_BACKUP_UNPACK",
        });
        expect(await readdir(into)).toEqual([]);
      } finally {
        await run("umount", ["-l", into]);
      }
    });

    test("an unpacking that is aborted ends its programs", async () => {
      const { bytes } = await imageOf(engineOf());
      const into = join(place, "aborted");
      const abort = new AbortController();
      const stream = new Readable({ read: () => undefined });
      stream.push(bytes.subarray(0, bytes.length / 2));
      const work = engineOf().unpack([{ stream, into, signal: abort.signal }]);
      abort.abort(new Error("stopping"));
      await expect(work).rejects.toThrow("stopping");
      expect(await processesWith(into)).toEqual([]);
    });
  });
}

async function roomyDir(): Promise<string> {
  return await readFile("/proc/mounts", "utf8").then(
    (mounts) => (mounts.includes(" /dev/shm ") ? "/dev/shm" : tmpdir()),
    () => tmpdir(),
  );
}
