// The zstd program between two streams, where it hurts: read late, never read, given nothing.
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compress, decompress, zstdSpec, type Zstd } from "../../recipes/mysql/backup/zstd.ts";
import { paceOf } from "../../recipes/mysql/backup/rate.ts";
import { until } from "../contract/until.ts";
import { failure } from "../contract/objects-fixture.ts";
import { pagesOf, ZSTD } from "./fixture.ts";

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

async function allOf(zstd: Zstd): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of zstd.read()) pieces.push(piece);
  return Buffer.concat(pieces);
}

test("what it wrote is there also when nobody read before it had ended", async () => {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-zstd-"));
  const file = join(dir, "pid");
  const script = 'zstd "$@"; echo $$ > "$0.new"; mv "$0.new" "$0"';
  await using zstd = compress(["sh", "-c", script, file], 1);
  const text = pagesOf(20_000, 1);
  await zstd.feed(once(text));
  await until("it wrote", () => existsSync(file));
  const pid = readFileSync(file, "utf8").trim();
  // Gone: its parent has asked how it ended.
  await until("it is gone", () => !existsSync(`/proc/${pid}`));
  const compressed = await allOf(zstd);
  await using back = decompress(ZSTD);
  const [, again] = await Promise.all([back.feed(once(compressed)), allOf(back)]);
  expect(again.equals(text)).toBe(true);
  await rm(dir, { recursive: true });
});

test("nothing is something too", async () => {
  await using zstd = compress(ZSTD, 1);
  const [, frame] = await Promise.all([zstd.feed(once(Buffer.alloc(0))), allOf(zstd)]);
  expect(frame.length).toBeGreaterThan(0);
});

test("bytes of something else are damage, and a killed program is not", async () => {
  await using strange = decompress(ZSTD);
  const fed = strange.feed(once(Buffer.from("not zstd"))).catch(() => {});
  const error = await failure(allOf(strange));
  expect(error).toMatchObject({ name: "RefusedError", code: "AP_BACKUP_DAMAGED" });
  await fed;
  await using killed = decompress(["sh", "-c", "kill -9 $$"]);
  expect(await failure(allOf(killed))).toMatchObject({ code: "AP_BACKUP_ZSTD_FAILED" });
});

test("is taken from 1.5 on, which tells to the byte what it read", () => {
  const says = (version: string): boolean =>
    zstdSpec.accept(`*** Zstandard CLI (64-bit) v${version}, by Yann Collet ***`).ok;
  expect(["1.5.0", "1.5.4", "2.0.0", "1.10.0"].map(says)).toEqual([true, true, true, true]);
  expect(["1.4.8", "0.9.9"].map(says)).toEqual([false, false]);
  expect(zstdSpec.accept("gzip 1.12").ok).toBe(false);
});

test("a limited rate waits for as long as the bytes take, and saves nothing up", async () => {
  let [now, slept] = [0, 0];
  const clock = {
    now: () => now,
    async sleep(ms: number) {
      slept += ms;
      now += ms;
    },
  };
  const pace = paceOf(clock, 1_000_000);
  const { signal } = new AbortController();
  for (let i = 0; i < 100; i++) await pace(100_000, signal);
  expect(slept).toBeGreaterThan(9_900);
  expect(now).toBeLessThanOrEqual(10_000);
  now += 60_000;
  for (let i = 0; i < 10; i++) await pace(100_000, signal);
  expect(now).toBeGreaterThan(70_900);
  const free = paceOf(clock, null);
  await free(1e12, signal);
  expect(now).toBeLessThan(71_001);
});
