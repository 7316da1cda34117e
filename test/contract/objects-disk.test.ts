// The contract on a directory, and what only a directory can get wrong.
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openDisk } from "../../src/objects/disk.ts";
import { bytesOf, failure, keysBelow, quickClock } from "./objects-fixture.ts";
import { objectsContract } from "./objects.contract.ts";

const clock = quickClock;

objectsContract("a directory", async () => {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-objects-"));
  return {
    open: () => openDisk(dir, { clock }),
    openMissing: () => openDisk(join(dir, "not-there"), { clock }),
    partBytes: 64 * 1024,
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true }),
  };
});

async function directory() {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-objects-"));
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) };
}

describe("a directory as a store", () => {
  test("is not made by any verb", async () => {
    await using place = await directory();
    const missing = join(place.dir, "mount");
    const store = openDisk(missing, { clock });
    for (const attempt of [store.put("x", bytesOf(1)), store.delete(["x"])])
      expect(await failure(attempt)).toMatchObject({ code: "AP_OBJECTS_BUCKET" });
    expect(await readdir(place.dir)).toEqual([]);
  });

  test("keeps backups from other users of the machine", async () => {
    await using place = await directory();
    const store = openDisk(place.dir, { clock });
    await store.put("a/x", bytesOf(10));
    expect((await stat(join(place.dir, "a/x"))).mode & 0o777).toBe(0o600);
    expect((await stat(join(place.dir, ".uploads"))).mode & 0o777).toBe(0o700);
  });

  test("has no drafts, locks or empty folders left when all is done", async () => {
    await using place = await directory();
    const store = openDisk(place.dir, { clock });
    await store.put("a/b/c", bytesOf(10));
    await store.put("a/b/c", bytesOf(11));
    await store.put("a/b/c", bytesOf(12), { ifNoneMatch: true }).catch(() => {});
    await store.delete(["a/b/c"]);
    expect(await readdir(place.dir, { recursive: true })).toEqual([".uploads"]);
  });

  test("shows nothing of a writer that was killed, and gives it to the sweep", async () => {
    await using place = await directory();
    const store = openDisk(place.dir, { clock });
    // What a kill leaves between any two steps: a folder, a name that is being written, some bytes.
    for (const [i, files] of [[], ["key"], ["key", "data"]].entries()) {
      const draft = join(place.dir, ".uploads", `00000000-0000-4000-8000-00000000000${i}`);
      await mkdir(draft, { recursive: true });
      for (const file of files) await writeFile(join(draft, file), file === "key" ? "a/x" : "half");
    }
    expect(await keysBelow(store, "")).toEqual([]);
    expect(await store.head("a/x")).toBeNull();
    const { items } = await store.unfinished("");
    expect(items).toHaveLength(3);
    for (const upload of items) await store.abortUnfinished(upload);
    expect(await readdir(join(place.dir, ".uploads"))).toEqual([]);
  });

  test("refuses a key that is another one's folder, both ways", async () => {
    await using place = await directory();
    const store = openDisk(place.dir, { clock });
    await store.put("a", bytesOf(1));
    await store.put("b/c", bytesOf(1));
    for (const key of ["a/x", "b"])
      expect(await failure(store.put(key, bytesOf(1)))).toMatchObject({ code: "AP_OBJECTS_LIMIT" });
    expect((await store.unfinished("")).items).toEqual([]);
  });

  test.skipIf(process.getuid?.() === 0)("that is read-only says so", async () => {
    await using place = await directory();
    await chmod(place.dir, 0o500);
    const store = openDisk(place.dir, { clock });
    const refused = await failure(store.put("x", bytesOf(1)));
    expect(refused).toMatchObject({ name: "ConfigError", code: "AP_OBJECTS_READONLY" });
    await chmod(place.dir, 0o700);
  });
});
