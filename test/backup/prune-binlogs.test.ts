// Archived binary logs go with the backups that needed them, on a real store: in an order that a crash may break off at any
// point, and `--dry-run` says the same and deletes nothing.
import { describe, expect, test } from "vitest";
import { readCatalog } from "../../recipes/mysql/backup/catalog.ts";
import { textOf } from "../../recipes/mysql/backup/manifest.ts";
import { planBinlogs, pruneBinlogs } from "../../recipes/mysql/backup/prune-binlogs.ts";
import { planPrune } from "../../recipes/mysql/backup/prune.ts";
import { readArchive } from "../../recipes/mysql/backup/segment-store.ts";
import {
  manifestKey,
  segmentDataKey,
  segmentDataPrefix,
  segmentKey,
} from "../../recipes/mysql/core/backup/layout.ts";
import type { Manifest } from "../../recipes/mysql/core/backup/manifest.ts";
import { timelineOf, type Segment } from "../../recipes/mysql/core/backup/segment.ts";
import { backup } from "../../recipes/mysql/verbs/backup.ts";
import type { StoreCall } from "../../src/index.ts";
import type { ObjectStore } from "../../src/ports.ts";
import { failure, keysBelow } from "../contract/objects-fixture.ts";
import { segmentOf, uuidOf } from "../core/archived-history.ts";
import { mortal } from "./mortal-store.ts";
import { place, take, type Place } from "./fixture.ts";

const DAY = 86_400_000;
const A = uuidOf(1);
const ONE = { last: 1, daily: 0, weekly: 0, monthly: 0, window: 0 };
const never = new AbortController().signal;
const stamps = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => ({
    gtid: `${A}:${first + i}`,
    at: first + i,
  }));

/** Six of ten transactions each, committed long ago. */
async function archive(store: ObjectStore): Promise<readonly Segment[]> {
  const made: Segment[] = [];
  for (const first of [1, 11, 21, 31, 41, 51]) {
    const [from, to] = [first, first + 10];
    const at = { uuid: A, file: "binlog.000001", head: "0", from, to };
    const key = segmentDataKey("c1", at, "0000");
    await store.put(key, Buffer.from([first]));
    const part = { bytes: 1, sha256: "0".repeat(64) };
    const one = segmentOf({
      ...at,
      epoch: 1,
      before: stamps(1, first - 1),
      stamps: stamps(first, first + 9),
    });
    const segment = { ...one, data: { key, ...part, parts: [part] } };
    await store.put(segmentKey("c1", at), textOf(segment));
    made.push(segment);
  }
  return made;
}

/** A backup of so many of the transactions, `days` old. */
async function backupOf(at: Place, many: number, days: number): Promise<Manifest> {
  const made = await take(at);
  const finishedAt = new Date(Date.now() - days * DAY).toISOString();
  const manifest = { ...made, gtid: `${A}:1-${many}`, finishedAt };
  await at.store.put(manifestKey("c1", made.id), textOf(manifest));
  return manifest;
}

async function planned(store: ObjectStore) {
  const now = Date.now();
  const catalog = await readCatalog(store, "c1");
  return planBinlogs(store, catalog, { plan: planPrune(catalog, ONE, now), now });
}

const firsts = (segments: readonly Segment[]): readonly number[] =>
  timelineOf(segments).map(({ from }) => from);
const left = async (store: ObjectStore) => (await readArchive(store, "c1", never)).segments;

const dataOf = async (store: ObjectStore) =>
  (await store.list(segmentDataPrefix("c1"))).items.map(({ key }) => key);

async function prune(at: Place, dryRun: boolean): Promise<Record<string, unknown>> {
  const said: string[] = [];
  const call = {
    args: ["prune"],
    options: { store: at.store.name, last: "1", window: "0s", dryRun },
    named: null,
    env: {},
    clock: { wall: () => Date.now(), now: () => performance.now(), sleep: () => Promise.resolve() },
    json: true,
    print: (text: string) => said.push(text),
    progress: () => {},
    signal: never,
  } as unknown as StoreCall;
  expect(await backup.runAnywhere(call)).toBe(0);
  return JSON.parse(said.join("\n")) as Record<string, unknown>;
}

describe("backup prune", () => {
  test("deletes the binary logs that only the backups needed which go; --dry-run says so before", async () => {
    await using at = await place(50_000);
    const all = await archive(at.store);
    await backupOf(at, 5, 9);
    const newest = await backupOf(at, 35, 2);
    const dry = await prune(at, true);
    expect(dry).toMatchObject({ binlogs: { segments: 2, bytes: 2 }, dryRun: true });
    expect(firsts(await left(at.store))).toEqual(firsts(all));
    const done = await prune(at, false);
    expect(done["binlogs"]).toEqual(dry["binlogs"]);
    expect((done["keep"] as { id: string }[]).map(({ id }) => id)).toEqual([newest.id]);
    // The one that the backup's last transactions are in, and the one before it.
    expect(firsts(await left(at.store))).toEqual([21, 31, 41, 51]);
    const data = (await left(at.store)).map((one) => one.data.key).toSorted();
    expect(await dataOf(at.store)).toEqual(data);
    expect(await prune(at, false)).toMatchObject({ binlogs: { segments: 0 } });
  });

  test("leaves all of them while a backup that is kept is gone on from at their beginning", async () => {
    await using at = await place(50_000);
    const all = await archive(at.store);
    await backupOf(at, 5, 2);
    await prune(at, false);
    expect(firsts(await left(at.store))).toEqual(firsts(all));
  });

  test("deletes nothing at all where a newer version writes the archive", async () => {
    await using at = await place(50_000);
    const [first] = await archive(at.store);
    await backupOf(at, 5, 9);
    await backupOf(at, 35, 2);
    const newer = { ...(first as Segment), format: 9 as 1 };
    const key = segmentKey("c1", { uuid: A, file: "binlog.000009", head: "0", from: 1, to: 2 });
    await at.store.put(key, textOf(newer));
    const keys = await keysBelow(at.store, "");
    expect(await failure(prune(at, false))).toMatchObject({ code: "AP_BACKUP_NEWER" });
    expect(await keysBelow(at.store, "")).toEqual(keys);
  });
});

test("pruning that is killed at any point leaves an archive without a hole, and nothing for ever", async () => {
  await using at = await place(50_000);
  for (const heard of [false, true])
    for (let count = 1; count <= 4; count++) {
      await archive(at.store);
      await backupOf(at, 45, 2);
      const now = Date.now();
      const plan = await planned(at.store);
      expect(plan.remove).toHaveLength(3);
      const { store, dead } = mortal(each(at.store), count, heard);
      const ended = await failure(pruneBinlogs(each(store), "c1", { plan, now }));
      expect(ended).toBe(dead);
      const segments = await left(at.store);
      // What is left is the newest of them, each with its data.
      expect(firsts(segments)).toEqual([1, 11, 21, 31, 41, 51].slice(-segments.length));
      const data = await dataOf(at.store);
      for (const one of segments) expect(data).toContain(one.data.key);
      const later = now + 2 * DAY;
      await pruneBinlogs(at.store, "c1", { plan: await planned(at.store), now: later });
      const after = await left(at.store);
      expect(firsts(after)).toEqual([31, 41, 51]);
      expect(await dataOf(at.store)).toHaveLength(3);
    }
});

/** Each key for itself, so that it can be killed between two. */
function each(store: ObjectStore): ObjectStore {
  return {
    ...store,
    delete: async (keys) => {
      for (const key of keys) await store.delete([key]);
    },
  };
}
