// Uploads and reading by ranges: nothing appears before it is whole, nothing is left of what was given up, memory is
// bounded, and no damaged byte is handed out.
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { sweepUploads } from "../../src/objects/sweep.ts";
import type { ObjectStore, UnfinishedUpload, Uploaded } from "../../src/ports.ts";
import {
  bytesOf,
  failure,
  keysBelow,
  readAll,
  useStores,
  type StartStores,
} from "./objects-fixture.ts";
import { until } from "./until.ts";

const HOUR = 3_600_000;

export function uploadsContract(start: StartStores): void {
  describe("uploads", () => {
    const { store, fresh, partBytes } = useStores(start);

    async function upload(key: string, bytes: Buffer, chunk = 65_536): Promise<Uploaded> {
      await using upload = store().upload(key, { partBytes: partBytes() });
      for (let at = 0; at < bytes.length; at += chunk)
        await upload.write(bytes.subarray(at, at + chunk));
      return await upload.finish();
    }

    async function unfinishedBelow(folder: string): Promise<readonly UnfinishedUpload[]> {
      return (await store().unfinished(folder)).items;
    }

    test("come back as they were written, whatever their size and that of the chunks", async () => {
      const folder = fresh();
      const part = partBytes();
      for (const [length, chunk] of [
        [0, 1],
        [1, 1],
        [part - 1, 999],
        [part, 65_536],
        [part + 1, part + 1],
        [3 * part, part],
        [3 * part + 17, 70_001],
      ] as const) {
        const bytes = bytesOf(length, length + 1);
        const key = `${folder}${length}`;
        const done = await upload(key, bytes, chunk);
        const sha256 = createHash("sha256").update(bytes).digest("hex");
        expect(done).toMatchObject({ key, bytes: length, sha256 });
        expect(done.etag).toBe((await store().head(key))?.etag);
        expect(done.parts).toHaveLength(Math.max(1, Math.ceil(length / part)));
        expect((await readAll(store(), key)).equals(bytes)).toBe(true);
        expect((await readAll(store(), key, { parts: done.parts })).equals(bytes)).toBe(true);
      }
      expect(store().memory.bytes).toBe(0);
    });

    test("hold no more than five parts, however much is written, and nothing afterwards", async () => {
      const part = partBytes();
      const bytes = bytesOf(12 * part + 1);
      const before = store().memory.bytes;
      const key = `${fresh()}x`;
      const { parts } = await upload(key, bytes);
      for await (const piece of store().read(key, { parts })) {
        expect(piece.length).toBeLessThanOrEqual(part);
        break;
      }
      expect(store().memory.bytes).toBe(before);
      expect(store().memory.peak).toBeLessThanOrEqual(Math.max(5 * part, 40 * 1024 * 1024));
    });

    test("are not visible before they are finished", async () => {
      const folder = fresh();
      await using half = store().upload(`${folder}x`, { partBytes: partBytes() });
      await half.write(bytesOf(2 * partBytes() + 5));
      await until("it is listed as unfinished", async () => (await unfinishedBelow(folder)).length);
      expect(await store().head(`${folder}x`)).toBeNull();
      expect(await keysBelow(store(), folder)).toEqual([]);
      await half.finish();
      expect(await keysBelow(store(), folder)).toEqual(["x"]);
      expect(await unfinishedBelow(folder)).toEqual([]);
    });

    test("of a source that died leave nothing, also when it died at the very end of a part", async () => {
      const folder = fresh();
      for (const length of [0, 10, partBytes(), 3 * partBytes()]) {
        const died = (async () => {
          await using half = store().upload(`${folder}x`, { partBytes: partBytes() });
          await half.write(bytesOf(length));
          throw new Error("the source died");
        })();
        expect(await failure(died)).toMatchObject({ message: "the source died" });
        expect(await store().head(`${folder}x`)).toBeNull();
        expect(await unfinishedBelow(folder)).toEqual([]);
      }
      expect(store().memory.bytes).toBe(0);
    });

    test("that were aborted, by hand or by a signal, are gone and take nothing more", async () => {
      const folder = fresh();
      const stop = new AbortController();
      for (const end of ["hand", "signal"] as const) {
        const how = { partBytes: partBytes(), signal: stop.signal };
        await using half = store().upload(`${folder}x`, how);
        await half.write(bytesOf(2 * partBytes()));
        if (end === "hand") await half.abort();
        else stop.abort(new Error("interrupted"));
        expect(await failure(half.write(bytesOf(1)))).toBeInstanceOf(Error);
        await half.abort();
        await half.abort();
        expect(await failure(half.finish())).toMatchObject({ code: "AP_BUG_INVARIANT" });
      }
      expect(await keysBelow(store(), folder)).toEqual([]);
      expect(await unfinishedBelow(folder)).toEqual([]);
    });

    test("on condition do not overwrite, of one part and of several", async () => {
      const folder = fresh();
      for (const parts of [0.5, 2.5]) {
        const key = `${folder}${parts}`;
        await store().put(key, Buffer.from("first"));
        const late = (async () => {
          await using upload = store().upload(key, { partBytes: partBytes() });
          await upload.write(bytesOf(parts * partBytes()));
          await upload.finish({ ifNoneMatch: true });
        })();
        expect(await failure(late)).toMatchObject({ code: "AP_OBJECTS_CONFLICT" });
        expect((await store().get(key))?.body.toString()).toBe("first");
      }
      expect(await unfinishedBelow(folder)).toEqual([]);
    });

    test("of the same key at the same time are never mixed, and who was overwritten may hear of it", async () => {
      const folder = fresh();
      const key = `${folder}x`;
      const versions = [1, 2, 3].map((seed) => bytesOf(2 * partBytes() + seed, seed));
      const outcomes = await Promise.allSettled(versions.map((bytes) => upload(key, bytes)));
      expect(outcomes.some(({ status }) => status === "fulfilled")).toBe(true);
      for (const outcome of outcomes.filter((it) => it.status === "rejected"))
        expect(outcome.reason).toMatchObject({ code: "AP_OBJECTS_CONFLICT" });
      const there = await readAll(store(), key);
      expect(versions.filter((bytes) => bytes.equals(there))).toHaveLength(1);
      expect(await unfinishedBelow(folder)).toEqual([]);
    });

    test("that nobody finishes are swept when they are old, and only then", async () => {
      const folder = fresh();
      await using orphan = store().upload(`${folder}a/x`, { partBytes: partBytes() });
      await orphan.write(bytesOf(2 * partBytes()));
      await until("it has begun", async () => (await unfinishedBelow(folder)).length);
      const sweep = (prefix: string, now: number) =>
        sweepUploads(store(), { prefix, olderThanMs: HOUR, now });
      expect(await sweep(folder, Date.now())).toEqual([]);
      expect(await sweep(`${folder}b/`, Date.now() + 2 * HOUR)).toEqual([]);
      const swept = await sweep(folder, Date.now() + 2 * HOUR);
      expect(swept.map(({ key }) => key)).toEqual([`${folder}a/x`]);
      expect(await unfinishedBelow(folder)).toEqual([]);
      expect(await failure(orphan.finish())).toMatchObject({ code: "AP_OBJECTS_MISSING" });
      expect(await keysBelow(store(), folder)).toEqual([]);
      const young = sweepUploads(store(), { prefix: "", olderThanMs: HOUR - 1, now: Date.now() });
      expect(await failure(young)).toMatchObject({ code: "AP_BUG_INVARIANT" });
    });

    test("are read only as far as their hashes are right", async () => {
      const key = `${fresh()}x`;
      const bytes = bytesOf(3 * partBytes());
      const { parts } = await upload(key, bytes);
      const wrong = parts.map((part, i) => (i === 1 ? { ...part, sha256: "0".repeat(64) } : part));
      let read = 0;
      const reading = (async () => {
        for await (const piece of store().read(key, { parts: wrong })) read += piece.length;
      })();
      const damaged = { name: "RefusedError", code: "AP_OBJECTS_DAMAGED" };
      const error = await failure(reading);
      expect(error).toMatchObject(damaged);
      expect((error as Error).message).toContain(`bytes ${partBytes()} to ${2 * partBytes()}`);
      expect(read).toBe(partBytes());
      for (const other of [parts.slice(1), [...parts, { bytes: 1, sha256: "" }]])
        expect(await failure(readAll(store(), key, { parts: other }))).toMatchObject(damaged);
      expect(store().memory.bytes).toBe(0);
    });

    test("that are replaced while they are read are not read half and half", async () => {
      const key = `${fresh()}x`;
      const [old, young] = [1, 2].map((seed) => bytesOf(7 * partBytes(), seed)) as [Buffer, Buffer];
      const { parts } = await upload(key, old);
      const even = parts.map(({ bytes, sha256 }) => ({ bytes, sha256 }));
      const reading = store().read(key, { parts: even });
      const first = await reading.next();
      await upload(key, young);
      const rest = await restOf(reading, first.value ?? Buffer.alloc(0));
      if (rest instanceof Buffer) expect(rest.equals(old)).toBe(true);
      else expect(rest).toMatchObject({ code: "AP_OBJECTS_CONFLICT" });
    });
  });
}

async function restOf(reading: ReturnType<ObjectStore["read"]>, first: Buffer): Promise<unknown> {
  const pieces = [first];
  try {
    for await (const piece of reading) pieces.push(piece);
  } catch (error) {
    return error;
  }
  return Buffer.concat(pieces);
}
