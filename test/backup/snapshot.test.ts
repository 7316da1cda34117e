// A backup from the engine's stream to its manifest, and back: identical, or one clear cause and nothing listed.
import { randomBytes } from "node:crypto";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { describe, expect, test } from "vitest";
import { readCatalog } from "../../recipes/mysql/backup/catalog.ts";
import { parseManifest } from "../../recipes/mysql/backup/manifest.ts";
import type { Progress } from "../../recipes/mysql/backup/progress.ts";
import { manifestKey } from "../../recipes/mysql/core/backup/layout.ts";
import type { ObjectStore } from "../../src/ports.ts";
import { failure, keysBelow } from "../contract/objects-fixture.ts";
import type { EngineTrouble } from "./fake-engine.ts";
import { CLUSTER, PART, hashOf, place, restore, take, type Place } from "./fixture.ts";

async function expectNothingListed({ store, engine }: Place): Promise<void> {
  const { entries, damaged } = await readCatalog(store, CLUSTER.id);
  expect([entries, damaged]).toEqual([[], []]);
  expect((await store.unfinished("")).items).toEqual([]);
  expect(engine.alive()).toBe(0);
  expect(engine.disposed()).toBe(1);
}

/** As the store is, but for one thing. */
function but(store: ObjectStore, other: Partial<ObjectStore>): ObjectStore {
  return { ...store, ...other };
}

describe("a backup", () => {
  for (const encrypted of [false, true])
    test(`comes back identical${encrypted ? ", through encryption" : ""}`, async () => {
      await using at = await place(3_000_000);
      const identity = await generateX25519Identity();
      const recipients = encrypted ? [await identityToRecipient(identity)] : null;
      const told: Progress[] = [];
      const manifest = await take(at, { recipients, progress: (one) => told.push(one) });
      expect(manifest).toMatchObject({ kind: "full", rawBytes: 3_000_000, epoch: 3 });
      expect(manifest.data.parts.length).toBeGreaterThan(5);
      expect(manifest.data.bytes).toBeLessThan(2_000_000);
      expect(told.at(-1)).toMatchObject({ phase: "storing", storedBytes: manifest.data.bytes });
      const into = await restore(at, manifest, { identities: [identity] });
      expect(await hashOf(join(into, "image"))).toBe(await hashOf(at.file));
      expect(at.engine.disposed()).toBe(1);
    });

  test("is what its manifest says, and the store says whose it is", async () => {
    await using at = await place();
    const manifest = await take(at);
    const text = (await at.store.get(manifestKey("c1", manifest.id)))?.body.toString() ?? "";
    expect(parseManifest(text, "c1", manifest.id)).toEqual(manifest);
    expect(await keysBelow(at.store, "clusters/c1/")).toEqual([
      `backups/${manifest.id}/data`,
      `backups/${manifest.id}/manifest.json`,
      "cluster.json",
    ]);
  });

  test("on another one comes back with it", async () => {
    await using at = await place(300_000);
    const base = await take(at);
    const child = await take(at, { parent: base });
    expect(child).toMatchObject({ kind: "incremental", parent: base.id });
    expect(child.lsn?.from).toBe(base.lsn?.to);
    const into = await restore(at, child);
    expect((await readdir(into)).toSorted()).toEqual(["image", "image.1"]);
  });

  test("whose base is deleted in the last moment is none", async () => {
    await using at = await place(300_000);
    const base = await take(at);
    const store = but(at.store, {
      async put(key, body, condition) {
        if (key.endsWith("/manifest.json")) await at.store.delete([manifestKey("c1", base.id)]);
        return at.store.put(key, body, condition);
      },
    });
    const error = await failure(take(at, { parent: base, store }));
    expect(error).toMatchObject({ name: "ConflictError", code: "AP_BACKUP_UNKNOWN" });
    expect((await readCatalog(at.store, "c1")).entries).toEqual([]);
  });

  test("whose data is swept in the last moment is none", async () => {
    await using at = await place(300_000);
    const store = but(at.store, {
      async put(key, body, condition) {
        const data = key.replace("manifest.json", "data");
        if (key.endsWith("/manifest.json")) await at.store.delete([data]);
        return at.store.put(key, body, condition);
      },
    });
    expect(await failure(take(at, { store }))).toMatchObject({ code: "AP_BACKUP_UNKNOWN" });
    await expectNothingListed(at);
  });
});

describe("a stage that fails ends the others, and is the cause that is told", () => {
  const troubles: readonly EngineTrouble[] = [
    { do: "killed", at: 500_000 },
    { do: "cut", at: 524_288 },
    { do: "cut", at: 0 },
    { do: "fails" },
    { do: "breaks", at: 500_000 },
  ];
  for (const trouble of troubles)
    test(`the engine: ${JSON.stringify(trouble)}`, async () => {
      await using at = await place();
      at.engine.trouble = trouble;
      const error = await failure(take(at));
      expect(error).toMatchObject({ name: "UnavailableError", code: "AP_BACKUP_ENGINE_FAILED" });
      await expectNothingListed(at);
    });

  test("the engine: well, but there was nothing", async () => {
    await using at = await place(0);
    expect(await failure(take(at))).toMatchObject({ code: "AP_BACKUP_ENGINE_FAILED" });
    await expectNothingListed(at);
  });

  for (const [how, script] of [
    ["killed", 'head -c 300000 | zstd "$@"; kill -9 $$'],
    ["killed at once", "kill -9 $$"],
    ["ends early", 'head -c 300000 | zstd "$@"'],
    ["does not read its last bytes", 'head -c 999999 | zstd "$@"; cat >/dev/null'],
    ["loses what it wrote", 'zstd "$@" >/dev/null'],
    ["says nothing", 'zstd "$@" 2>/dev/null'],
    ["exit code 1", "cat >/dev/null; echo out of memory >&2; exit 1"],
  ] as const)
    test(`zstd: ${how}`, async () => {
      await using at = await place();
      const error = await failure(take(at, { zstd: ["sh", "-c", script, "zstd"] }));
      expect(error).toMatchObject({ name: "UnavailableError", code: "AP_BACKUP_ZSTD_FAILED" });
      expect((error as Error).message).not.toMatch(/EPIPE|premature/i);
      await expectNothingListed(at);
    });

  test("zstd: is not there", async () => {
    await using at = await place();
    const error = await failure(take(at, { zstd: ["/nowhere/zstd"] }));
    expect(error).toMatchObject({ code: "AP_BACKUP_ZSTD_FAILED" });
    expect((error as Error).message).toContain("ENOENT");
    await expectNothingListed(at);
  });

  test("the store, in the middle and at the end", async () => {
    for (const step of ["write", "finish"] as const) {
      await using at = await place();
      const store = but(at.store, {
        upload(key, how) {
          const upload = at.store.upload(key, how);
          const broken = async (): Promise<never> => {
            throw new Error(`the store breaks at ${step}`);
          };
          return {
            write: step === "write" ? broken : (chunk) => upload.write(chunk),
            finish: broken,
            abort: () => upload.abort(),
            [Symbol.asyncDispose]: () => upload[Symbol.asyncDispose](),
          };
        },
      });
      const error = await failure(take(at, { store }));
      expect((error as Error).message).toBe(`the store breaks at ${step}`);
      await expectNothingListed(at);
    }
  });

  test("the clean-up's own failure does not hide it", async () => {
    await using at = await place();
    const { image } = at.engine;
    at.engine.trouble = { do: "fails" };
    at.engine.image = async (server, request) => {
      const imaging = await image.call(at.engine, server, request);
      return {
        ...imaging,
        async [Symbol.asyncDispose]() {
          await imaging[Symbol.asyncDispose]();
          throw new Error("scratch is not empty");
        },
      };
    };
    expect(await failure(take(at))).toMatchObject({ code: "AP_BACKUP_ENGINE_FAILED" });
  });
});

describe("a backup that is cancelled", () => {
  for (const when of [1, 200_000, 700_000, "proving", "storing"] as const)
    test(`at ${when} leaves nothing`, async () => {
      await using at = await place();
      const { signal, abort } = withReason();
      const count = { bytes: 0 };
      const { image } = at.engine;
      at.engine.image = async (server, request) => {
        const imaging = await image.call(at.engine, server, request);
        imaging.stream.on("data", (chunk: Buffer) => {
          count.bytes += chunk.length;
          if (typeof when === "number" && count.bytes >= when) abort();
        });
        return imaging;
      };
      const progress = ({ phase }: Progress): void => void (phase === when && abort());
      const error = await failure(take(at, { signal, progress, rate: 100_000_000 }));
      expect((error as Error).message).toBe("enough");
      await expectNothingListed(at);
    });
});

function withReason() {
  const stop = new AbortController();
  return { signal: stop.signal, abort: () => stop.abort(new Error("enough")) };
}

describe("a restore", () => {
  test("for another identity, or none, is refused before anything is asked of the store", async () => {
    await using at = await place(200_000);
    const recipients = [await identityToRecipient(await generateX25519Identity())];
    const manifest = await take(at, { recipients });
    const asked: string[] = [];
    const store = but(at.store, {
      read(key, how) {
        asked.push(key);
        return at.store.read(key, how);
      },
    });
    for (const identities of [undefined, [await generateX25519Identity()]]) {
      const given = identities === undefined ? {} : { identities };
      const error = await failure(restore({ ...at, store }, manifest, given));
      expect(error).toMatchObject({ name: "RefusedError", code: "AP_BACKUP_IDENTITY" });
      expect((error as Error).message).toContain(recipients[0]);
      expect((error as Error).message).not.toContain("SECRET");
    }
    expect(asked).toEqual([]);
  });

  test("of what is shorter, longer or other than it was, is refused", async () => {
    await using at = await place(400_000);
    const manifest = await take(at);
    const { key, parts } = manifest.data;
    const body = (await at.store.get(key))?.body ?? Buffer.alloc(0);
    expect(parts.length).toBeGreaterThan(2);
    const flipped = Buffer.from(body);
    flipped[body.length - 5] = (flipped[body.length - 5] ?? 0) ^ 4;
    for (const wrong of [flipped, body.subarray(0, PART), body.subarray(0, -1), body.subarray(1)]) {
      await at.store.put(key, wrong);
      const error = await failure(restore(at, manifest));
      expect((error as { code: string }).code).toMatch(/^AP_(OBJECTS|BACKUP)_(DAMAGED|TRUNCATED)$/);
    }
  });

  test("of another backup's bytes is refused, however alike they look", async () => {
    await using at = await place(100);
    const made = [];
    for (let i = 0; i < 2; i++) {
      // What cannot be compressed is as long each time.
      await writeFile(at.file, randomBytes(200_000));
      made.push(await take(at));
    }
    const [one, other] = made.map(({ data }) => data);
    expect(one?.bytes).toBe(other?.bytes);
    const body = (await at.store.get(other?.key ?? ""))?.body ?? Buffer.alloc(0);
    await at.store.put(one?.key ?? "", body);
    for (const manifest of made.slice(0, 1))
      expect(await failure(restore(at, manifest))).toMatchObject({ code: "AP_OBJECTS_DAMAGED" });
  });

  test("says so when what comes out is not as long as what went in", async () => {
    await using at = await place(200_000);
    const manifest = await take(at);
    const error = await failure(restore(at, { ...manifest, rawBytes: 200_001 }));
    expect(error).toMatchObject({ name: "RefusedError", code: "AP_BACKUP_DAMAGED" });
  });

  test("that is cancelled, or whose disk fails, ends with that reason", async () => {
    await using at = await place(2_000_000);
    const manifest = await take(at);
    const { signal, abort } = withReason();
    const { unpack } = at.engine;
    at.engine.unpack = (chain) => {
      chain[0]?.stream.once("data", abort);
      return unpack(chain);
    };
    expect(((await failure(restore(at, manifest, { signal }))) as Error).message).toBe("enough");
    at.engine.unpack = async ([one]) => {
      for await (const _ of one?.stream ?? []) throw new Error("ENOSPC");
    };
    expect(((await failure(restore(at, manifest))) as Error).message).toBe("ENOSPC");
  });

  test("whose base is of another server is refused before anything is written", async () => {
    await using at = await place(100_000);
    const base = await take(at);
    const child = await take(at, { parent: base, node: { ...base.node, uuid: "u2" } });
    let unpacked = false;
    at.engine.unpack = async () => void (unpacked = true);
    const error = await failure(restore(at, child));
    expect(error).toMatchObject({ name: "RefusedError", code: "AP_BACKUP_CHAIN" });
    expect(unpacked).toBe(false);
  });

  test("whose base is gone says which", async () => {
    await using at = await place(100_000);
    const base = await take(at);
    const child = await take(at, { parent: base });
    await at.store.delete([manifestKey("c1", base.id)]);
    const error = await failure(restore(at, child));
    expect(error).toMatchObject({ code: "AP_BACKUP_UNKNOWN" });
    expect((error as Error).message).toContain(base.id);
  });
});
