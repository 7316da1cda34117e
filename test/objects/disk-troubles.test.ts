// What a directory's machine does to it: a full disk, a read-only one, a writer that is killed at any moment.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test, type TestContext } from "vitest";
import { openDisk } from "../../src/objects/disk.ts";
import { sha256Of } from "../../src/objects/read.ts";
import { sweepUploads } from "../../src/objects/sweep.ts";
import { bytesOf, failure, keysBelow, quickClock, readAll } from "../contract/objects-fixture.ts";

const HOUR = 3_600_000;

/** A small file system of its own; needs the right to mount one. */
async function smallDisk(context: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", dir], { stdio: "pipe" });
  } catch {
    console.warn("SKIPPED: full and read-only disks: mounting a small tmpfs is not allowed here");
    context.skip("mounting a small tmpfs is not allowed here");
  }
  return {
    dir,
    async [Symbol.asyncDispose]() {
      execFileSync("umount", ["-l", dir]);
      await rm(dir, { recursive: true });
    },
  };
}

test("a full disk is one clear error, and leaves room again", async (context) => {
  await using disk = await smallDisk(context);
  const store = openDisk(disk.dir, { clock: quickClock });
  await store.put("first", bytesOf(100_000));
  const tooMuch = (async () => {
    await using upload = store.upload("second", { partBytes: 65_536 });
    await upload.write(bytesOf(2_000_000));
    await upload.finish();
  })();
  const full = { name: "UnavailableError", code: "AP_OBJECTS_FULL" };
  expect(await failure(tooMuch)).toMatchObject(full);
  expect(await failure(store.put("second", bytesOf(2_000_000)))).toMatchObject(full);
  expect(await keysBelow(store, "")).toEqual(["first"]);
  expect((await store.unfinished("")).items).toEqual([]);
  expect(store.memory.bytes).toBe(0);
  await store.put("second", bytesOf(500_000));
  expect((await readAll(store, "first")).equals(bytesOf(100_000))).toBe(true);
});

test("a read-only disk is read, and says so when it is written to", async (context) => {
  await using disk = await smallDisk(context);
  const store = openDisk(disk.dir, { clock: quickClock });
  await store.put("x", bytesOf(100));
  execFileSync("mount", ["-o", "remount,ro", disk.dir]);
  const readOnly = { name: "ConfigError", code: "AP_OBJECTS_READONLY" };
  for (const attempt of [
    () => store.put("y", bytesOf(1)),
    () => store.put("x", bytesOf(1)),
    () => store.delete(["x"]),
    async () => {
      await using upload = store.upload("y");
      await upload.finish();
    },
  ])
    expect(await failure(attempt())).toMatchObject(readOnly);
  expect((await store.get("x"))?.body.equals(bytesOf(100))).toBe(true);
});

test("a writer that is killed leaves whole objects only, and drafts for the sweep", async () => {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-killed-"));
  const program = fileURLToPath(new URL("endless-writer.ts", import.meta.url));
  const store = openDisk(dir, { clock: quickClock });
  let seen = 0;
  for (let round = 0; round < 6; round++) {
    const writer = spawn(process.execPath, [program, dir], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(writer.stdout, "data");
    // At another place each time: the listing takes as long as there are objects.
    for (let i = 0; i < round; i++) await store.list("");
    writer.kill("SIGKILL");
    await once(writer, "exit");
    for (const { key, bytes } of (await store.list("")).items) {
      const body = await readAll(store, key);
      expect(body.length).toBe(bytes);
      if (key === "newest") expect(body.toString()).toMatch(/^(\d+\.)\1{999}$/);
      else expect(key.split("/")[1]).toBe(sha256Of(body));
      seen += 1;
    }
  }
  expect(seen).toBeGreaterThan(6);
  // A dead holder's lock keeps nobody from writing.
  await store.put("newest", bytesOf(10));
  await sweepUploads(store, { prefix: "", olderThanMs: HOUR, now: Date.now() + 2 * HOUR });
  const left = await readdir(join(dir, ".uploads"));
  expect(left.filter((name) => !name.includes(".lock"))).toEqual([]);
  await rm(dir, { recursive: true });
});
