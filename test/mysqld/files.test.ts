// The files beside a datadir: what is ours, what is half-made, what was promised, and the cluster's secrets.
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { removeAside, roomOf, setAside } from "../../recipes/mysql/mysqld/aside.ts";
import {
  readDatadir,
  removeBootstrap,
  removeHalf,
  writeAutoCnf,
  writeBootstrap,
  writeNode,
} from "../../recipes/mysql/mysqld/datadir.ts";
import { layout } from "../../recipes/mysql/mysqld/layout.ts";
import { readPromise, writePromise } from "../../recipes/mysql/mysqld/promise.ts";
import {
  ensureSecrets,
  readSecrets,
  secretFiles,
  withoutSecrets,
} from "../../recipes/mysql/mysqld/secrets.ts";

const UUID = "11111111-2222-4333-8444-555555555555";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "autopilot-test-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

/** As initialize and clone leave it. */
async function makeDatadir(uuid = UUID): Promise<void> {
  await mkdir(layout(dir).data);
  await writeAutoCnf(layout(dir).data, uuid);
  await writeFile(join(layout(dir).data, "ibdata1"), "x");
  await writeNode(dir, { uuid, serverId: 7, clusterId: "c" });
}

describe("a node's directory", () => {
  test("that does not exist, or is empty, has no datadir", async () => {
    const nothing = {
      kind: "absent",
      uuid: null,
      serverId: null,
      bootstrap: null,
      clusterId: null,
    };
    expect(await readDatadir(join(dir, "none"))).toEqual(nothing);
    expect(await readDatadir(dir)).toEqual(nothing);
    await mkdir(layout(dir).data);
    expect(await readDatadir(dir)).toEqual(nothing);
  });

  test("with data and its node.json is ready", async () => {
    await makeDatadir();
    expect(await readDatadir(dir)).toEqual({
      kind: "ready",
      uuid: UUID,
      serverId: 7,
      clusterId: "c",
      bootstrap: null,
    });
  });

  test("with data and no node.json, a damaged one, or another uuid's is foreign", async () => {
    await makeDatadir();
    await writeFile(layout(dir).node, "{");
    expect(await readDatadir(dir)).toMatchObject({ kind: "foreign", uuid: null });
    await writeNode(dir, { uuid: "other", serverId: 7, clusterId: "c" });
    expect(await readDatadir(dir)).toMatchObject({ kind: "foreign" });
    await rm(layout(dir).node);
    expect(await readDatadir(dir)).toMatchObject({ kind: "foreign" });
    await expect(setAside(dir, "test", "2026-01-01", null)).rejects.toMatchObject({
      code: "AP_DATADIR_FOREIGN",
    });
    expect(await readdir(layout(dir).data)).toContain("ibdata1");
  });

  test("with a half-made datadir is half, and removeHalf removes that and nothing else", async () => {
    for (const name of ["data.half", "data.half-scratch"]) {
      await mkdir(join(dir, name));
      await writeFile(join(dir, name, "ibdata1"), "x");
    }
    await writeFile(join(dir, "data.half-1.sql"), "secret");
    // A crash before the rename leaves node.json: it says nothing without its data.
    await writeNode(dir, { uuid: UUID, serverId: 7, clusterId: "c" });
    expect(await readDatadir(dir)).toMatchObject({ kind: "half", uuid: null, clusterId: null });
    await removeHalf(dir);
    expect(await readdir(dir)).toEqual(["node.json"]);
    expect(await readDatadir(dir)).toMatchObject({ kind: "absent" });
  });

  test("remembers which cluster it wants to found", async () => {
    await writeBootstrap(dir, "the-cluster");
    expect(await readDatadir(dir)).toMatchObject({ kind: "absent", bootstrap: "the-cluster" });
    await removeBootstrap(dir);
    await removeBootstrap(dir);
    expect(await readDatadir(dir)).toMatchObject({ bootstrap: null });
  });

  test("that cannot be written is a ConfigError with its path", async () => {
    await writeFile(join(dir, "file"), "");
    await expect(
      writeNode(join(dir, "file"), { uuid: UUID, serverId: 1, clusterId: null }),
    ).rejects.toMatchObject({
      code: "AP_DATADIR_UNWRITABLE",
      message: expect.stringContaining(join(dir, "file")) as string,
    });
  });
});

describe("setAside", () => {
  const at = (day: number): string => new Date(Date.UTC(2026, 0, day)).toISOString();
  const nothing = { place: null, gtids: "", complete: true, problems: [] };

  test("moves the datadir away with a note of why, of its size and of its evidence", async () => {
    await makeDatadir(UUID);
    await writeFile(join(layout(dir).data, "binlog.000001"), "x".repeat(50));
    const evidence = { ...nothing, place: "/errant/here", gtids: `${UUID}:7` };
    const place = await setAside(dir, "errant", at(1), evidence);
    expect(await readDatadir(dir)).toMatchObject({ kind: "absent" });
    expect(await readdir(join(place ?? "", "data"))).toContain("ibdata1");
    const note = JSON.parse(await readFile(join(place ?? "", "why.json"), "utf8")) as {
      bytes: number;
      dataBytes: number;
    };
    expect(note).toMatchObject({ why: "errant", uuid: UUID, extracted: true, errant: `${UUID}:7` });
    expect(note.bytes - note.dataBytes).toBe(50);
    expect(await roomOf(dir)).toMatchObject({
      aside: [{ name: place?.split("/").at(-1), bytes: note.bytes, extracted: true }],
      lastBytes: note.dataBytes,
    });
  });

  test("of nothing is nothing", async () => {
    expect(await setAside(dir, "test", at(1), null)).toBeNull();
    expect(await roomOf(dir)).toMatchObject({ aside: [], lastBytes: null });
  });

  test("removes what it is told to, but never the newest nor the only evidence", async () => {
    const names: string[] = [];
    for (const [day, complete] of [true, false, true].entries()) {
      await makeDatadir(`${day}${UUID.slice(1)}`);
      const place = await setAside(dir, "test", at(day + 1), { ...nothing, complete });
      names.push(place?.split("/").at(-1) ?? "");
    }
    const [first = "", second = "", newest = ""] = names;
    for (const name of [second, newest])
      await expect(removeAside(dir, [name])).rejects.toMatchObject({ code: "AP_BUG_INVARIANT" });
    await removeAside(dir, [first]);
    expect((await readdir(layout(dir).aside)).toSorted()).toEqual([second, newest]);
  });

  test("one that says nothing of itself counts as the only evidence", async () => {
    await makeDatadir(UUID);
    const place = await setAside(dir, "test", at(1), nothing);
    await writeFile(join(place ?? "", "why.json"), "{");
    expect((await roomOf(dir)).aside).toMatchObject([{ extracted: false }]);
  });
});

describe("the promise", () => {
  test("is zero before the first, and then what was written", async () => {
    expect(await readPromise(dir)).toEqual({ epoch: 0, ver: 0, seenEpoch: 0 });
    await writePromise(dir, { epoch: 3, ver: 9, seenEpoch: 4, amnesiac: true });
    expect(await readPromise(dir)).toEqual({ epoch: 3, ver: 9, seenEpoch: 4, amnesiac: true });
    await writePromise(dir, { epoch: 3, ver: 9, seenEpoch: 4 });
    expect(await readPromise(dir)).toEqual({ epoch: 3, ver: 9, seenEpoch: 4 });
    await writePromise(dir, { epoch: 3, ver: 9, seenEpoch: 4 });
    expect(await readdir(dir)).toEqual(["promise.json"]);
  });

  test.each([
    { epoch: 2, ver: 9, seenEpoch: 4 },
    { epoch: 3, ver: 8, seenEpoch: 4 },
    { epoch: 3, ver: 9, seenEpoch: 3 },
    { epoch: Number.NaN, ver: 9, seenEpoch: 4 },
    { epoch: 3.5, ver: 9, seenEpoch: 4 },
  ])("never becomes %j after {3, 9, 4}", async (next) => {
    await writePromise(dir, { epoch: 3, ver: 9, seenEpoch: 4 });
    await expect(writePromise(dir, next)).rejects.toMatchObject({ code: "AP_BUG_INVARIANT" });
    expect(await readPromise(dir)).toEqual({ epoch: 3, ver: 9, seenEpoch: 4 });
  });

  test("of two writers at the same time is the later one's, and the lower one hears of it", async () => {
    const [high, low] = await Promise.allSettled([
      writePromise(dir, { epoch: 5, ver: 1, seenEpoch: 0 }),
      writePromise(dir, { epoch: 4, ver: 2, seenEpoch: 0 }),
    ]);
    expect([high?.status, low?.status]).toEqual(["fulfilled", "rejected"]);
    expect(await readPromise(dir)).toMatchObject({ epoch: 5 });
  });

  test("that is damaged is never taken for none", async () => {
    const forgot = '{"epoch":1,"ver":0,"seenEpoch":0,"amnesiac":"yes"}';
    for (const text of ["", "{", '{"epoch":1}', '{"epoch":-1,"ver":0,"seenEpoch":0}', forgot]) {
      await writeFile(layout(dir).promise, text);
      await expect(readPromise(dir)).rejects.toMatchObject({ code: "AP_DATADIR_FOREIGN" });
      await expect(writePromise(dir, { epoch: 9, ver: 9, seenEpoch: 9 })).rejects.toBeInstanceOf(
        Error,
      );
    }
  });
});

describe("secrets", () => {
  test("are made once, by whoever comes first, in files for us alone", async () => {
    const place = join(dir, "secrets");
    await Promise.all([ensureSecrets(place), ensureSecrets(place), ensureSecrets(place)]);
    const first = await readSecrets(await ensureSecrets(place));
    expect(await readSecrets(secretFiles(place))).toEqual(first);
    expect(new Set(Object.values(first)).size).toBe(5);
    // MySQL's limit in replication
    for (const secret of Object.values(first)) expect(secret).toMatch(/^[\w-]{32}$/);
    expect((await stat(place)).mode & 0o777).toBe(0o700);
    expect((await readdir(place)).toSorted()).toEqual(Object.keys(first).toSorted());
    for (const file of await readdir(place)) {
      expect((await stat(join(place, file))).mode & 0o777).toBe(0o600);
    }
  });

  test("that exist are kept, and one that is missing is made", async () => {
    const place = join(dir, "secrets");
    const before = await readSecrets(await ensureSecrets(place));
    await rm(secretFiles(place).clone);
    const after = await readSecrets(await ensureSecrets(place));
    expect({ ...after, clone: before.clone }).toEqual(before);
    expect(after.clone).not.toBe(before.clone);
  });

  test("that are missing, empty, too long or open to others are all named at once", async () => {
    const files = await ensureSecrets(join(dir, "secrets"));
    await rm(files.admin);
    await writeFile(files.clone, "\n");
    await writeFile(files.replication, "x".repeat(33));
    await chmod(files.app, 0o644);
    await writeFile(files.peer, "two\nlines");
    const error = await readSecrets(files).catch((cause: unknown) => cause as Error);
    expect(error).toMatchObject({ code: "AP_SECRET_UNREADABLE" });
    const { problems } = error as unknown as { problems: readonly string[] };
    expect(problems.map((problem) => problem.split(":")[0])).toEqual([
      "admin",
      "replication",
      "clone",
      "peer",
      "app",
    ]);
    expect(problems.join()).not.toContain("two");
  });

  test("end with the file's last line break", async () => {
    const files = await ensureSecrets(join(dir, "secrets"));
    await writeFile(files.app, "a pass'word\\\n");
    expect((await readSecrets(files)).app).toBe("a pass'word\\");
  });

  test("disappear from texts", async () => {
    const secrets = await readSecrets(await ensureSecrets(join(dir, "secrets")));
    const text = withoutSecrets(`near '${secrets.clone}' and ${secrets.admin}`, secrets);
    expect(text).toBe("near '***' and ***");
  });
});
