// The catalogue, retention and the sweep on a real store: what is listed can be restored, whatever is deleted goes in an
// order that a crash may break off at any point, and who comes at the wrong moment is noticed.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { listClusters, findClusterIn } from "../../recipes/mysql/backup/cluster-file.ts";
import { readCatalog, readEntry } from "../../recipes/mysql/backup/catalog.ts";
import { parseManifest, textOf } from "../../recipes/mysql/backup/manifest.ts";
import { hold, planPrune, prune, release } from "../../recipes/mysql/backup/prune.ts";
import { sweepGarbage } from "../../recipes/mysql/backup/sweep.ts";
import {
  backupPrefix,
  dataKey,
  holdKey,
  manifestKey,
  verdictKey,
} from "../../recipes/mysql/core/backup/layout.ts";
import type { Manifest, Verdict } from "../../recipes/mysql/core/backup/manifest.ts";
import type { ObjectStore } from "../../src/ports.ts";
import { failure, keysBelow } from "../contract/objects-fixture.ts";
import { hashOf, place, restore, take, type Place } from "./fixture.ts";

const HOUR = 3_600_000;
const ONE = { last: 1, daily: 0, weekly: 0, monthly: 0, window: 0 };

/** One after the other, each as if it were a day younger than the next. */
async function days(at: Place, count: number): Promise<readonly Manifest[]> {
  const made: Manifest[] = [];
  for (let i = 0; i < count; i++) {
    const manifest = await take(at);
    const day = new Date(Date.parse(manifest.finishedAt) - (count - i) * 24 * HOUR);
    const older = { ...manifest, finishedAt: day.toISOString() };
    await at.store.put(manifestKey("c1", manifest.id), textOf(older));
    made.push(older);
  }
  return made;
}

const listed = async (store: ObjectStore): Promise<readonly string[]> =>
  (await readCatalog(store, "c1")).entries.map(({ manifest }) => manifest.id).toSorted();

function verdict(backup: string, at: string, ok: boolean): Verdict {
  const problems = ok ? [] : ["table t: wrong checksum"];
  return { format: 1, backup, at, node: "mysql-2", ok, problems, restoreMs: 900, gtid: null };
}

async function pruneNow(
  store: ObjectStore,
  seen = store,
): Promise<Awaited<ReturnType<typeof prune>>> {
  const catalog = await readCatalog(seen, "c1");
  return prune(store, catalog, planPrune(catalog, ONE, Date.now()));
}

describe("the catalogue", () => {
  test("lists backups with their verdicts, newest first, and why they are held", async () => {
    await using at = await place(50_000);
    const [one, two] = (await days(at, 2)) as [Manifest, Manifest];
    for (const [time, ok] of [
      ["2026-11-20T01:00:00Z", true],
      ["2026-11-21T01:00:00Z", false],
    ] as const)
      await at.store.put(verdictKey("c1", one.id, time), textOf(verdict(one.id, time, ok)));
    await hold(at.store, { clusterId: "c1", id: one.id, why: "audit", by: "me", now: Date.now() });
    const { entries, damaged, unlisted } = await readCatalog(at.store, "c1");
    expect([damaged, unlisted]).toEqual([[], []]);
    expect(entries.map(({ manifest }) => manifest)).toEqual([two, one]);
    const entry = await readEntry(at.store, "c1", one.id);
    expect(entry.hold).toBe("audit");
    expect(entry.verdicts.map(({ ok }) => ok)).toEqual([false, true]);
    await at.store.put(verdictKey("c1", one.id, "2026-11-22"), Buffer.from("?"));
    await at.store.put(holdKey("c1", one.id), Buffer.from("?"));
    const unreadable = await readEntry(at.store, "c1", one.id);
    expect(unreadable.hold).toContain("cannot be read");
    expect(unreadable.verdicts).toEqual(entry.verdicts);
    expect(await release(at.store, "c1", one.id)).toBe(true);
    expect(await release(at.store, "c1", one.id)).toBe(false);
  });

  test("reads all pages of a long list", async () => {
    await using at = await place(50_000);
    const { id } = await take(at);
    const paged: ObjectStore = {
      ...at.store,
      list: (prefix, page) => at.store.list(prefix, { ...page, limit: 1 }),
    };
    expect(await listed(paged)).toEqual([id]);
    expect((await readEntry(paged, "c1", id)).manifest.id).toBe(id);
  });

  test("shows what is damaged with the reason, and the others all the same", async () => {
    await using at = await place(50_000);
    const good = await take(at);
    const text = textOf(good).toString();
    const as = (id: string, other: object = {}): string => {
      const data = { ...good.data, key: dataKey("c1", id) };
      return textOf({ ...good, id, data, ...other }).toString();
    };
    const { bytes } = good.data;
    const noParts = { data: { ...good.data, key: dataKey("c1", "parts"), parts: [] } };
    const broken: readonly (readonly [string, string, string, Buffer | null])[] = [
      ["cut", "AP_BACKUP_DAMAGED", text.slice(0, 100), Buffer.alloc(bytes)],
      ["newer", "AP_BACKUP_NEWER", as("newer", { format: 2 }), Buffer.alloc(bytes)],
      ["another", "AP_BACKUP_DAMAGED", text, Buffer.alloc(bytes)],
      ["no data", "AP_BACKUP_DAMAGED", as("no data"), null],
      ["short", "AP_BACKUP_DAMAGED", as("short"), Buffer.alloc(7)],
      ["field", "AP_BACKUP_DAMAGED", as("field", { gtid: 7 }), Buffer.alloc(bytes)],
      ["parts", "AP_BACKUP_DAMAGED", as("parts", noParts), Buffer.alloc(bytes)],
      ["child", "AP_BACKUP_DAMAGED", as("child", { parent: "x" }), Buffer.alloc(bytes)],
      [
        "flipped",
        "AP_BACKUP_DAMAGED",
        as("flipped").replace(":1-42", ":1-43"),
        Buffer.alloc(bytes),
      ],
      ["null", "AP_BACKUP_DAMAGED", "null", null],
    ];
    for (const [id, , manifest, data] of broken) {
      await at.store.put(manifestKey("c1", id), Buffer.from(manifest));
      if (data !== null) await at.store.put(dataKey("c1", id), data);
    }
    const { entries, damaged } = await readCatalog(at.store, "c1");
    expect(entries.map(({ manifest }) => manifest.id)).toEqual([good.id]);
    expect(damaged.map(({ id, code }) => `${id}: ${code}`).toSorted()).toEqual(
      broken.map(([id, code]) => `${id}: ${code}`).toSorted(),
    );
    for (const [id, code] of broken)
      expect(await failure(readEntry(at.store, "c1", id))).toMatchObject({ code });
    expect(await failure(readEntry(at.store, "c1", "none"))).toMatchObject({
      code: "AP_BACKUP_UNKNOWN",
    });
  });

  test("believes a manifest only where it says that it belongs", async () => {
    await using at = await place(50_000);
    const manifest = await take(at);
    const read = (one: Manifest, cluster = "c1", id = manifest.id) =>
      parseManifest(textOf(one).toString(), cluster, id);
    expect(read(manifest)).toEqual(manifest);
    const elsewhere = { ...manifest, data: { ...manifest.data, key: dataKey("c2", manifest.id) } };
    for (const wrong of [
      () => read(manifest, "c2"),
      () => read(manifest, "c1", "another"),
      () => read(elsewhere),
    ])
      expect(wrong).toThrow(/manifest of another backup/);
  });

  test("knows the clusters of a store by name and id, and says which there are", async () => {
    await using at = await place(50_000);
    expect(await failure(findClusterIn(at.store, null))).toMatchObject({
      code: "AP_BACKUP_CLUSTER",
    });
    await take(at);
    expect(await findClusterIn(at.store, null)).toMatchObject({ id: "c1", name: "shop" });
    for (const id of ["c0", "c1-2", "c2"])
      await take(at, { cluster: { id, name: id === "c2" ? "shop" : id, restoredFrom: null } });
    // A dash sorts before the slash behind an id.
    expect((await listClusters(at.store)).map(({ id }) => id)).toEqual(["c0", "c1-2", "c1", "c2"]);
    expect(await findClusterIn(at.store, "c1")).toMatchObject({ id: "c1" });
    expect(await findClusterIn(at.store, "c0")).toMatchObject({ name: "c0" });
    for (const wrong of [null, "shop", "none"]) {
      const error = await failure(findClusterIn(at.store, wrong));
      expect(error).toMatchObject({ name: "RefusedError", code: "AP_BACKUP_CLUSTER" });
      expect((error as { reasons: string[] }).reasons).toHaveLength(4);
    }
  });
});

describe("pruning", () => {
  test("deletes what is not kept, all of it, and nothing else", async () => {
    await using at = await place(50_000);
    const [old, held, newest] = (await days(at, 3)) as [Manifest, Manifest, Manifest];
    await hold(at.store, { clusterId: "c1", id: held.id, why: "audit", by: "me", now: Date.now() });
    await at.store.put(
      verdictKey("c1", old.id, "2026-11-20T01:00:00Z"),
      textOf(verdict(old.id, "2026-11-20T01:00:00Z", false)),
    );
    expect(await pruneNow(at.store)).toEqual({ removed: [old.id], spared: [] });
    expect(await listed(at.store)).toEqual([held.id, newest.id].toSorted());
    expect(await keysBelow(at.store, backupPrefix("c1", old.id))).toEqual([]);
    const into = await restore(at, newest);
    expect(await hashOf(join(into, "image"))).toBe(await hashOf(at.file));
  });

  test("broken off after any of its deletions leaves only backups that restore, and the sweep the rest", async () => {
    for (let steps = 0; steps < 5; steps++) {
      await using at = await place(50_000);
      const base = await take(at);
      const child = await take(at, { parent: base });
      for (const one of [base, child])
        await at.store.put(
          manifestKey("c1", one.id),
          textOf({ ...one, finishedAt: "2026-01-01T00:00:00.000Z" }),
        );
      const newest = await take(at);
      let left = steps;
      const store: ObjectStore = {
        ...at.store,
        async delete(keys) {
          for (const key of keys) {
            if (left-- === 0) throw new Error("killed");
            await at.store.delete([key]);
          }
        },
      };
      await pruneNow(store, at.store).catch((error: unknown) => {
        expect((error as Error).message).toBe("killed");
      });
      const { entries, damaged } = await readCatalog(at.store, "c1");
      expect(damaged).toEqual([]);
      expect(entries.some(({ manifest }) => manifest.id === newest.id)).toBe(true);
      for (const { manifest } of entries) await restore(at, manifest);
      await sweepGarbage(at.store, "c1", { now: Date.now() + 48 * HOUR });
      expect((await readCatalog(at.store, "c1")).unlisted).toEqual([]);
      for (const { manifest } of (await readCatalog(at.store, "c1")).entries)
        await restore(at, manifest);
    }
  });

  /** The store, in which something happens just before the manifest of `id` is deleted. */
  function meanwhile(at: Place, id: string, happens: () => Promise<unknown>): ObjectStore {
    return {
      ...at.store,
      async delete(keys) {
        if (keys.includes(manifestKey("c1", id))) await happens();
        return at.store.delete(keys);
      },
    };
  }

  test("spares what somebody held, or rested an incremental on, in the last moment", async () => {
    await using at = await place(50_000);
    const [old] = (await days(at, 2)) as [Manifest, Manifest];
    const touching = meanwhile(at, old.id, async () => {
      throw new Error("its manifest is deleted");
    });
    const planned = await readCatalog(at.store, "c1");
    await at.store.put(holdKey("c1", old.id), Buffer.from("{}"));
    const early = await prune(touching, planned, planPrune(planned, ONE, Date.now()));
    expect(early.spared).toMatchObject([{ id: old.id }]);
    await at.store.delete([holdKey("c1", old.id)]);
    const holding = meanwhile(at, old.id, () =>
      at.store.put(holdKey("c1", old.id), Buffer.from("{}")),
    );
    expect((await pruneNow(holding, at.store)).spared).toMatchObject([{ id: old.id }]);
    await at.store.delete([holdKey("c1", old.id)]);
    let child: Manifest | undefined;
    const resting = meanwhile(at, old.id, async () => {
      child ??= await take(at, { parent: old });
    });
    const { spared } = await pruneNow(resting, at.store);
    expect(spared).toEqual([{ id: old.id, why: `${child?.id} rests on it by now` }]);
    await restore(at, (await readEntry(at.store, "c1", child?.id ?? "")).manifest);
  });

  test("a hold that comes too late says so, and holds nothing", async () => {
    await using at = await place(50_000);
    const [old] = (await days(at, 2)) as [Manifest, Manifest];
    const store: ObjectStore = {
      ...at.store,
      async put(key, body, condition) {
        await pruneNow(at.store);
        return at.store.put(key, body, condition);
      },
    };
    const error = await failure(
      hold(store, { clusterId: "c1", id: old.id, why: "x", by: "me", now: 0 }),
    );
    expect(error).toMatchObject({ name: "RefusedError", code: "AP_BACKUP_UNKNOWN" });
    expect(await keysBelow(at.store, backupPrefix("c1", old.id))).toEqual([]);
  });

  test("is refused with a retention that deletes everything, and where a newer version writes", async () => {
    await using at = await place(50_000);
    const manifest = await take(at);
    const catalog = await readCatalog(at.store, "c1");
    const none = { ...ONE, last: 0 };
    const refused = (retention: typeof ONE, seen = catalog) =>
      failure((async () => planPrune(seen, retention, 0))());
    expect(await refused(none)).toMatchObject({
      name: "RefusedError",
      code: "AP_BACKUP_RETENTION",
    });
    const newer = { ...manifest, format: 9 as 1 };
    await at.store.put(manifestKey("c1", "later"), textOf(newer));
    const seen = await readCatalog(at.store, "c1");
    expect(await refused(ONE, seen)).toMatchObject({
      name: "RefusedError",
      code: "AP_BACKUP_NEWER",
    });
  });
});

describe("the sweep", () => {
  test("removes what has no manifest and is old, and abandoned uploads; nothing that is young or listed", async () => {
    await using at = await place(50_000);
    const { id } = await take(at);
    await at.store.put(dataKey("c1", "left"), Buffer.alloc(10));
    const upload = at.store.upload(dataKey("c1", "begun"), { partBytes: 10 });
    await upload.write(Buffer.alloc(100));
    expect(await sweepGarbage(at.store, "c1", { now: Date.now() + HOUR })).toEqual({
      uploads: 0,
      prefixes: [],
    });
    expect(await sweepGarbage(at.store, "c1", { now: Date.now() + 25 * HOUR })).toEqual({
      uploads: 1,
      prefixes: ["left"],
    });
    await upload.abort();
    expect(await listed(at.store)).toEqual([id]);
    expect(await keysBelow(at.store, backupPrefix("c1", "left"))).toEqual([]);
    expect((await at.store.unfinished("")).items).toEqual([]);
    const soon = failure(sweepGarbage(at.store, "c1", { now: 0, olderThanMs: 1000 }));
    expect(await soon).toMatchObject({ name: "InvariantError" });
  });

  test("leaves alone what becomes a backup in the last moment", async () => {
    await using at = await place(50_000);
    const { id } = await take(at);
    const text = (await at.store.get(manifestKey("c1", id)))?.body ?? Buffer.alloc(0);
    await at.store.delete([manifestKey("c1", id)]);
    const store: ObjectStore = {
      ...at.store,
      async put(key, body, condition) {
        await at.store.put(manifestKey("c1", id), text);
        return at.store.put(key, body, condition);
      },
    };
    const later = { now: Date.now() + 48 * HOUR };
    expect(await sweepGarbage(store, "c1", later)).toEqual({ uploads: 0, prefixes: [] });
    await restore(at, (await readEntry(at.store, "c1", id)).manifest);
  });

  test("that takes a slow backup's place makes it fail, and one that was killed is gone on with", async () => {
    await using at = await place(50_000);
    const later = { now: Date.now() + 48 * HOUR };
    const broken: ObjectStore = {
      ...at.store,
      async delete() {
        throw new Error("killed");
      },
    };
    const slow: ObjectStore = {
      ...at.store,
      async put(key, body, condition) {
        if (key.endsWith("manifest.json")) await failure(sweepGarbage(broken, "c1", later));
        return at.store.put(key, body, condition);
      },
    };
    expect(await failure(take(at, { store: slow }))).toMatchObject({ code: "AP_OBJECTS_CONFLICT" });
    const { entries, damaged, unlisted } = await readCatalog(at.store, "c1");
    expect([entries, damaged, unlisted.length]).toEqual([[], [], 1]);
    expect((await sweepGarbage(at.store, "c1", later)).prefixes).toHaveLength(1);
    expect(await keysBelow(at.store, "clusters/c1/")).toEqual(["cluster.json"]);
  });
});
