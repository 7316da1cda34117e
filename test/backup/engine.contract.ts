// What every engine owes, whichever it is: an image of a server that goes on being written to becomes a datadir of its own,
// with exactly the transactions of the GTID set that the engine named; and whatever goes wrong is said, never taken for an
// image, and leaves nothing behind.
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { PassThrough, Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine, ImageFacts, Imaging } from "../../recipes/mysql/backup/engine.ts";
import type { ServerVersion } from "../../recipes/mysql/core/backup/manifest.ts";
import type { Sql } from "../../recipes/mysql/mysqld/connection.ts";

/** A server that runs, an engine on it, and a way to start what it unpacks. */
export type EngineUnderTest = AsyncDisposable & {
  readonly engine: Engine;
  readonly server: ServerVersion;
  /** An empty directory on the file system of the datadir. */
  readonly place: string;
  /** A new connection that may write. */
  writer(): Promise<Sql>;
  /** Starts a server on the datadir, gives it the image's GTID set where it does not hold it, and asks. */
  started<T>(datadir: string, facts: ImageFacts, ask: (sql: Sql) => Promise<T>): Promise<T>;
  /** How many transactions of the writers' origin the set holds. */
  transactions(gtid: string): number;
  /** Processes of this machine whose arguments name this text. */
  processes(text: string): Promise<readonly string[]>;
};

const LIMIT_MS = 20_000;
export const never = new AbortController().signal;

export async function toBytes(imaging: Imaging): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of imaging.stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

export function engineContract(name: string, make: () => Promise<EngineUnderTest>): void {
  describe(`${name}: what every engine owes`, () => {
    let under: EngineUnderTest;
    let scratch: string;
    let other: string;
    /** One whole image, to be cut. */
    let atRest: Buffer;
    beforeAll(async () => {
      under = await make();
      scratch = join(under.place, "scratch");
      other = await mkdtemp(join(under.place, "other-"));
      await using sql = await under.writer();
      await sql.rows("CREATE DATABASE shelf", LIMIT_MS);
      // One row per transaction: rows are counted against the set.
      await sql.rows(
        "CREATE TABLE shelf.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(300))",
        LIMIT_MS,
      );
      await sql.rows("INSERT INTO shelf.t (v) VALUES ('first')", LIMIT_MS);
    });
    afterAll(() => under[Symbol.asyncDispose]());

    const request = (more: Partial<Parameters<Engine["image"]>[1]> = {}) => {
      return { scratch, since: null, signal: never, ...more };
    };
    const left = async (): Promise<readonly string[]> => {
      return [...(await readdir(scratch).catch(() => [])), ...(await under.processes(scratch))];
    };
    const rowsOf = async (sql: Sql) => {
      const [row] = await sql.rows("SELECT COUNT(*) AS n, MAX(id) AS last FROM shelf.t", LIMIT_MS);
      const [check] = await sql.rows("CHECKSUM TABLE shelf.t", LIMIT_MS);
      return { n: Number(row?.["n"]), last: Number(row?.["last"]), sum: check?.["Checksum"] };
    };

    test("an image under writes is a datadir with exactly the transactions of its set", async () => {
      const before = await rowsBefore();
      const end = writing();
      await using imaging = await under.engine.image(under.server, request());
      const bytes = await toBytes(imaging);
      const facts = await imaging.finish();
      await end();
      expect(bytes.length).toBeGreaterThan(1_000_000);
      expect(facts.binlog?.position).toBeGreaterThan(0);
      expect(await left()).toEqual([]);

      const into = join(other, "under-writes");
      await under.engine.unpack([{ stream: Readable.from([bytes]), into, signal: never }]);
      await under.started(into, facts, async (sql) => {
        const rows = await rowsOf(sql);
        // Created, made, the first row: every other transaction of this origin is one row.
        expect(rows.n).toBe(rows.last);
        expect(rows.n - before.n).toBe(under.transactions(facts.gtid) - before.transactions);
      });
      await using now = await under.writer();
      expect((await rowsOf(now)).n).toBeGreaterThanOrEqual(before.n);
      await rm(into, { recursive: true });
    });

    test("at rest, tables and set are the server's own", async () => {
      await using sql = await under.writer();
      const was = await rowsOf(sql);
      await using imaging = await under.engine.image(under.server, request());
      const bytes = await toBytes(imaging);
      const facts = await imaging.finish();
      atRest = bytes;
      const into = join(other, "at-rest");
      await under.engine.unpack([{ stream: Readable.from([bytes]), into, signal: never }]);
      expect(await under.started(into, facts, (copy) => rowsOf(copy))).toEqual(was);
      expect(under.transactions(facts.gtid)).toBe(await transactionsNow());
      await rm(into, { recursive: true });
    });

    test("it is not whole before its stream was read to the end", async () => {
      await using imaging = await under.engine.image(under.server, request());
      imaging.stream.read();
      imaging.stream.destroy();
      await expect(imaging.finish()).rejects.toMatchObject({ code: "AP_BACKUP_ENGINE_FAILED" });
      expect(await left()).toEqual([]);
    });

    test("disposed of before its end it leaves nothing, and what a killed run left goes before the next", async () => {
      await mkdir(join(scratch, "image-killed", "copy"), { recursive: true });
      {
        await using imaging = await under.engine.image(under.server, request());
        expect(await readdir(scratch)).not.toContain("image-killed");
        imaging.stream.once("readable", () => imaging.stream.read(1));
      }
      expect(await left()).toEqual([]);
    });

    test("aborted, the stream ends, and finish says why instead of calling it an image", async () => {
      const abort = new AbortController();
      await using imaging = await under.engine.image(
        under.server,
        request({ signal: abort.signal }),
      );
      imaging.stream.once("data", () => abort.abort(new Error("stopping")));
      await pipeline(imaging.stream, new PassThrough().resume()).catch(() => undefined);
      abort.abort(new Error("stopping"));
      await expect(imaging.finish()).rejects.toThrow("stopping");
      expect(await left()).toEqual([]);
    });

    test("aborted before it begins, it begins nothing", async () => {
      const signal = AbortSignal.abort(new Error("stopping"));
      await expect(under.engine.image(under.server, request({ signal }))).rejects.toThrow(
        "stopping",
      );
      expect(await left()).toEqual([]);
    });

    test("an image that was cut is no datadir, wherever it was cut", async () => {
      const bytes = atRest;
      for (const [at, end] of [Math.floor(bytes.length / 2), bytes.length - 700, 10, 0].entries()) {
        const into = join(other, `cut-${at}`);
        const stream = Readable.from([bytes.subarray(0, end)]);
        await expect(
          under.engine.unpack([{ stream, into, signal: never }]),
          `cut at ${end} of ${bytes.length}`,
        ).rejects.toMatchObject({ code: "AP_BACKUP_UNPACK" });
        await rm(into, { recursive: true });
      }
    });

    test("a directory that has something in it is not touched", async () => {
      const into = join(other, "full");
      await mkdir(join(into, "precious"), { recursive: true });
      const stream = Readable.from([Buffer.alloc(10)]);
      await expect(under.engine.unpack([{ stream, into, signal: never }])).rejects.toMatchObject({
        code: "AP_BACKUP_UNPACK",
        message: expect.stringContaining("is not empty") as string,
      });
      expect(await readdir(into)).toEqual(["precious"]);
    });

    async function transactionsNow(): Promise<number> {
      await using sql = await under.writer();
      const [row] = await sql.rows(
        under.server.flavor === "mariadb"
          ? "SELECT @@gtid_binlog_pos AS gtid"
          : "SELECT @@gtid_executed AS gtid",
        LIMIT_MS,
      );
      return under.transactions(String(row?.["gtid"]));
    }

    async function rowsBefore(): Promise<{ n: number; transactions: number }> {
      await using sql = await under.writer();
      const { n } = await rowsOf(sql);
      return { n, transactions: await transactionsNow() };
    }

    /** Two writers, one row a transaction, until the returned function is called. */
    function writing(): () => Promise<void> {
      let over = false;
      const one = async (): Promise<void> => {
        await using sql = await under.writer();
        while (!over) await sql.rows("INSERT INTO shelf.t (v) VALUES (REPEAT('x', 200))", LIMIT_MS);
      };
      const both = Promise.all([one(), one()]);
      return async () => {
        over = true;
        await both;
      };
    }
  });
}
