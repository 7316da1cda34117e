// The archiver on a real server: what it archives and what never, where it goes on when it was killed at any point, and what
// it says of a server and of a store that let it down.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { ConflictError, UnavailableError } from "../../src/errors.ts";
import type { ObjectStore } from "../../src/ports.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { binlogsHere } from "../../recipes/mysql/backup/binlogs-here.ts";
import { purgeArchived } from "../../recipes/mysql/backup/purge.ts";
import {
  loadSegments,
  readArchive,
  sweepSegmentData,
} from "../../recipes/mysql/backup/segment-store.ts";
import { mergeSegments } from "../../recipes/mysql/backup/archive-merge.ts";
import { unsealed } from "../../recipes/mysql/backup/segment-codec.ts";
import { mergeable } from "../../recipes/mysql/core/backup/coverage.ts";
import { segmentDataPrefix } from "../../recipes/mysql/core/backup/layout.ts";
import { archivedSet, timelineOf, type Segment } from "../../recipes/mysql/core/backup/segment.ts";
import { setOf } from "../../recipes/mysql/core/gtid-members.ts";
import { equal, formatGtidSet, gtidSet } from "../../recipes/mysql/core/gtid.ts";
import { transactions } from "../../recipes/mysql/mysqld/binlog.ts";
import { layout } from "../../recipes/mysql/mysqld/layout.ts";
import { CLUSTER, lab, until, type Lab, type Server } from "../mysqld/servers.ts";
import { PLAIN, primary, runArchiver, storeIn } from "./archive-fixture.ts";
import type { ArchiveChild } from "./archive-child.ts";
import { mortal } from "./mortal-store.ts";
import { makeTables, rotate, writeBig, writeSmall } from "./history.ts";
import { executedOf } from "./restore-fixture.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let servers: Lab;
let server: Server;
const never = new AbortController().signal;

beforeAll(async () => {
  servers = await lab();
  server = await primary(servers, 1);
  await makeTables(server);
});
afterAll(() => servers[Symbol.asyncDispose]());

let stores = 0;
async function freshStore(): Promise<ObjectStore> {
  const name = `objects-${++stores}`;
  await mkdir(join(servers.dir, name));
  return storeIn(servers, name);
}

const segmentsIn = async (store: ObjectStore): Promise<readonly Segment[]> =>
  loadSegments(store, CLUSTER, never);

/** Every listed segment is there, whole, and has the transactions that its index says. */
async function requireSound(store: ObjectStore): Promise<readonly Segment[]> {
  const { segments, damaged } = await readArchive(store, CLUSTER, never);
  expect(damaged).toEqual([]);
  for (const segment of segments) {
    const path = join(servers.dir, "segment");
    const pieces: Buffer[] = [];
    for await (const piece of unsealed(store, segment, { identities: null, signal: never }))
      pieces.push(piece);
    await writeFile(path, Buffer.concat(pieces));
    const found = [];
    for await (const one of transactions([path])) found.push(one);
    expect(formatGtidSet(setOf(found))).toBe(segment.added);
    expect(found.length).toBe(segment.transactions);
  }
  return segments;
}

async function requireAll(store: ObjectStore): Promise<void> {
  const executed = gtidSet(await executedOf(server));
  const archived = archivedSet(await requireSound(store));
  expect(equal(archived, executed)).toBe(true);
}

describe("the archive", () => {
  test("has every transaction that was executed, over rotations, and one that is larger than a segment", async () => {
    const store = await freshStore();
    await using run = await runArchiver(server, store);
    await writeSmall(server, 2, 20);
    await rotate(server);
    await writeBig(server, 20);
    await writeSmall(server, 2, 10);
    const told = await run.caughtUp();
    expect(told).toMatchObject({ lagSeconds: 0, lost: "", alarm: null });
    await requireAll(store);
    const big = (await segmentsIn(store)).find(({ rawBytes }) => rawBytes > 16 * 1_048_576);
    expect(big?.transactions).toBeGreaterThan(0);
  });

  test("has nothing that is in the binary log and not acknowledged, and goes on with it afterwards", async () => {
    const store = await freshStore();
    await using admin = await server.admin();
    await using run = await runArchiver(server, store);
    await run.caughtUp();
    const before = await executedOf(server);
    const mysqld = await server.mysqld();
    // Nobody acknowledges: the commit is in the binary log, and waits.
    await mysqld.setAcks(1);
    const waits = writeSmall(server, 1, 1);
    await until("a commit waits", async () => {
      const [row] = await admin.rows(
        "SELECT VARIABLE_VALUE AS n FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Rpl_semi_sync_source_wait_sessions'",
        5_000,
      );
      return row?.["n"] === "1";
    });
    const rounds = run.told.length;
    await until("it looked three times", () => Promise.resolve(run.told.length > rounds + 3));
    expect(run.told.at(-1)?.archived).toBe(formatGtidSet(gtidSet(before)));
    await mysqld.releaseWaiters();
    await waits;
    await run.caughtUp();
    await requireAll(store);
  });

  test("takes nothing from a server that is being closed", async () => {
    const store = await freshStore();
    await using admin = await server.admin();
    for (const [name, closed, open] of [
      ["read_only", 1, 0],
      ["super_read_only", 1, 0],
      ["offline_mode", 1, 0],
      ["max_connections", 1, 151],
    ] as const) {
      await using run = await runArchiver(server, store);
      await run.caughtUp();
      const before = run.told.at(-1)?.archived;
      await admin.rows(`SET GLOBAL ${name} = ${closed}`, 5_000);
      // Of nobody who waits for an acknowledgement: it would be executed, and archived.
      await admin.rows("SET GLOBAL super_read_only = OFF", 5_000);
      if (name === "super_read_only") await admin.rows(`SET GLOBAL ${name} = ${closed}`, 5_000);
      else await admin.rows("INSERT INTO app.t (w, v) VALUES (1, 'closed')", 5_000);
      const rounds = run.told.length;
      await until("it looked three times", () => Promise.resolve(run.told.length > rounds + 3));
      expect(run.told.at(-1)?.archived, name).toBe(before);
      await admin.rows(`SET GLOBAL ${name} = ${open}`, 5_000);
      await admin.rows("SET GLOBAL read_only = OFF", 5_000);
    }
    await using run = await runArchiver(server, store);
    await run.caughtUp();
    await requireAll(store);
  });

  test("of an idle server stays short: many small segments become one", async () => {
    const store = await freshStore();
    await using run = await runArchiver(server, store, { withinMs: 2 });
    await run.caughtUp();
    const archived = (): number => run.told.at(-1)?.rawBytes ?? 0;
    await using app = await server.app();
    for (let i = 0; i < 40; i++) {
      const before = archived();
      await app.rows("INSERT INTO app.t (w, v) VALUES (1, 'a heartbeat')", 5_000);
      await until("it is archived", () => Promise.resolve(archived() > before));
    }
    await run.caughtUp();
    expect((await segmentsIn(store)).length).toBeLessThan(20);
    await requireAll(store);
    const named = new Set((await segmentsIn(store)).map(({ data }) => data.key));
    const there = await store.list(segmentDataPrefix(CLUSTER));
    expect(there.items.filter(({ key }) => !named.has(key))).toEqual([]);
  });
});

describe("an archiver that is killed", () => {
  test("before or after any of its writes leaves nothing half-listed, and the next one goes on", async () => {
    const store = await freshStore();
    for (let count = 1; count <= 5; count++) {
      for (const heard of [false, true]) {
        await writeSmall(server, 1, 3);
        await rotate(server);
        await writeSmall(server, 1, 2);
        const { store: failing, dead } = mortal(store, count, heard);
        await using run = await runArchiver(server, failing, { withinMs: 10 });
        await Promise.race([run.ended.catch((error) => expect(error).toBe(dead)), run.caughtUp()]);
        await requireSound(store);
      }
    }
    await using run = await runArchiver(server, store);
    await run.caughtUp();
    await requireAll(store);
    const segments = await segmentsIn(store);
    // What was begun and never listed is found by its age, and nothing else is.
    const day = 25 * 3_600_000;
    const sweep = { clusterId: CLUSTER, uuid: server.uuid, segments };
    expect(await sweepSegmentData(store, { ...sweep, now: Date.now() })).toBe(0);
    expect(await sweepSegmentData(store, { ...sweep, now: Date.now() + day })).toBeGreaterThan(0);
    await requireAll(store);
  });

  test("while it makes many segments one has every transaction in a segment at every moment", async () => {
    const store = await freshStore();
    await rotate(server);
    {
      await using run = await runArchiver(server, store, { withinMs: 10 });
      await run.caughtUp();
      for (let i = 0; i < 3; i++) {
        await writeSmall(server, 1, 2);
        await run.caughtUp();
      }
    }
    const all = timelineOf(await segmentsIn(store));
    const run = mergeable(all, { count: 2, smallBytes: 1_048_576 }) ?? [];
    const path = join(layout(server.dir).data, run[0]?.file ?? "");
    for (let count = 1; count <= 4; count++)
      for (const heard of [false, true]) {
        const { store: failing, dead } = mortal(store, count, heard);
        const writing = { store: failing, clusterId: CLUSTER, sealing: PLAIN, signal: never };
        await expect(mergeSegments(writing, all, run, path)).rejects.toBe(dead);
        await requireAll(store);
      }
    expect(timelineOf(await segmentsIn(store)).length).toBe(all.length - run.length + 1);
  });

  test("by SIGKILL, again and again, too", async () => {
    const store = await freshStore();
    const path = store.name;
    const asks: ArchiveChild = {
      store: path,
      clusterId: CLUSTER,
      port: server.adminPort,
      password: servers.secrets.admin,
    };
    let over = false;
    const writing = (async () => {
      while (!over) await writeSmall(server, 1, 5);
    })();
    const script = new URL("archive-child.ts", import.meta.url).pathname;
    for (const lines of [1, 4]) {
      const child = spawn(process.execPath, [script, JSON.stringify(asks)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exited = once(child, "exit");
      let seen = 0;
      child.stdout.on("data", (text: Buffer) => {
        seen += text.toString().split("\n").length - 1;
        if (seen >= lines) child.kill("SIGKILL");
      });
      expect((await exited)[1]).toBe("SIGKILL");
      await requireSound(store);
    }
    over = true;
    await writing;
    await using run = await runArchiver(server, store);
    await run.caughtUp();
    await requireAll(store);
  });
});

describe("a store that is away", () => {
  test("makes the archive late, which is said, and nothing is lost when it is back", async () => {
    const store = await freshStore();
    let away = true;
    const gone = new UnavailableError("AP_OBJECTS_UNREACHABLE", "the store does not answer");
    const flaky: ObjectStore = {
      ...store,
      put: (...args) => (away ? Promise.reject(gone) : store.put(...args)),
    };
    await using run = await runArchiver(server, flaky, { withinMs: 20 });
    await writeSmall(server, 1, 5);
    await until("it says that it is late", () =>
      Promise.resolve(run.told.at(-1)?.alarm?.code === "AP_ARCHIVE_LATE"),
    );
    expect(run.told.at(-1)?.lagSeconds).toBeGreaterThan(0);
    away = false;
    await run.caughtUp();
    await until("it says that it is well", () => Promise.resolve(run.told.at(-1)?.alarm === null));
    await requireAll(store);
  });

  test("or that somebody else was faster with the same segment, is no harm", async () => {
    const store = await freshStore();
    const lost = new ConflictError("AP_OBJECTS_CONFLICT", "it is there");
    const twice: ObjectStore = {
      ...store,
      // Its answer got lost, and the second try hears that it is there.
      put: async (...args) => {
        await store.put(...args);
        throw lost;
      },
    };
    await using run = await runArchiver(server, twice);
    await run.caughtUp();
    await requireAll(store);
  });
});

describe("binary logs of a server", () => {
  test("go when they are archived and received, and not before", async () => {
    const store = await freshStore();
    const mysqld = await server.mysqld();
    await using admin = await server.admin();
    const { datadir, logIndex } = { datadir: layout(server.dir).data, logIndex: "binlog.index" };
    const purge = {
      mysqld,
      clock: realClock,
      datadir,
      logIndex: join(datadir, logIndex),
      keepMs: 0,
      received: [gtidSet(await executedOf(server))],
    };
    const files = async (): Promise<number> => (await admin.rows("SHOW BINARY LOGS", 5_000)).length;
    await rotate(server);
    const before = await files();
    expect(await purgeArchived({ ...purge, archived: [] })).toBeNull();
    {
      await using run = await runArchiver(server, store);
      await run.caughtUp();
    }
    const archived = archivedSet(await segmentsIn(store));
    expect(await purgeArchived({ ...purge, archived, received: [[]] })).toBeNull();
    expect(await files()).toBe(before);
    const oldest = await purgeArchived({ ...purge, archived });
    expect(oldest).not.toBeNull();
    expect(await files()).toBe(1);
    // And the archive goes on as if nothing had been.
    await using run = await runArchiver(server, store);
    await writeSmall(server, 1, 2);
    expect((await run.caughtUp()).alarm).toBeNull();
  });
});

describe("a server that lets the archive down", () => {
  test("by purging what is not archived: the gap is said, and archiving goes on behind it", async () => {
    const store = await freshStore();
    {
      await using run = await runArchiver(server, store);
      await run.caughtUp();
    }
    const archived = archivedSet(await segmentsIn(store));
    await using admin = await server.admin();
    const [gone] = await admin.rows("SELECT @@GLOBAL.gtid_purged AS purged", 5_000);
    await writeSmall(server, 1, 5);
    const missed = await executedOf(server);
    await rotate(server);
    await writeSmall(server, 1, 2);
    const [row] = await admin.rows("SHOW BINARY LOG STATUS", 5_000);
    await admin.rows(`PURGE BINARY LOGS TO '${String(row?.["File"])}'`, 5_000);
    await using run = await runArchiver(server, store);
    await until("it has archived the rest", () =>
      Promise.resolve((run.told.at(-1)?.segments ?? 0) > 0 && run.told.at(-1)?.alarm !== null),
    );
    const told = run.told.at(-1);
    expect(told?.alarm?.code).toBe("AP_ARCHIVE_GAP");
    const holes = gtidSet(told?.lost ?? "");
    const rest = archivedSet(await requireSound(store));
    // What was purged before the archive began is none of its gaps.
    const all = [String(gone?.["purged"]), formatGtidSet(archived), formatGtidSet(holes)];
    expect(equal(gtidSet(missed), gtidSet(all.join(",")))).toBe(true);
    expect(equal(rest, archived)).toBe(false);
    expect(timelineOf(await segmentsIn(store)).length).toBeGreaterThan(1);
  });

  test("by encrypting its binary logs: one clear error", async () => {
    const datadir = await mkdtemp(join(tmpdir(), "autopilot-encrypted-"));
    onTestFinished(() => rm(datadir, { recursive: true }));
    await writeFile(join(datadir, "binlog.999999"), Buffer.from("fd62696e01", "hex"));
    const logIndex = join(datadir, "binlog.index");
    await writeFile(logIndex, "./binlog.999999\n");
    await expect(binlogsHere({ logIndex, datadir })).rejects.toMatchObject({
      code: "AP_ARCHIVE_UNREADABLE",
      hint: expect.stringContaining("age"),
    });
  });

  test("by resetting its binary logs: it ends, and archives nothing under names that are taken", async () => {
    const store = await freshStore();
    await using run = await runArchiver(server, store);
    await run.caughtUp();
    const before = await segmentsIn(store);
    await using admin = await server.admin();
    await admin.rows("RESET BINARY LOGS AND GTIDS", 10_000);
    await writeSmall(server, 1, 3);
    await expect(run.ended).rejects.toMatchObject({ code: "AP_ARCHIVE_DIVERGED" });
    expect(await segmentsIn(store)).toEqual(before);
    // Nor does the next one, after as many transactions as there were.
    await writeSmall(server, 1, 30);
    await using again = await runArchiver(server, store);
    await expect(again.ended).rejects.toMatchObject({ code: "AP_ARCHIVE_DIVERGED" });
    expect(await segmentsIn(store)).toEqual(before);
  });
});
