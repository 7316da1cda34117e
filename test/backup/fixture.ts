// What tests of backups share: bytes that are what they say, a store, a request that takes a backup into it.
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fetchBackup } from "../../recipes/mysql/backup/fetch.ts";
import {
  takeSnapshot,
  type SnapshotParts,
  type SnapshotRequest,
} from "../../recipes/mysql/backup/snapshot.ts";
import type { Manifest } from "../../recipes/mysql/core/backup/manifest.ts";
import { openDisk } from "../../src/objects/disk.ts";
import type { ObjectStore } from "../../src/ports.ts";
import { quickClock } from "../contract/objects-fixture.ts";
import { fakeEngine, type FakeEngine } from "./fake-engine.ts";

export const CLUSTER = { name: "shop", id: "c1", restoredFrom: null };
export const PART = 64 * 1024;
export const ZSTD = ["zstd"];

/** Like pages of a database: half of it repeats itself. */
export function pagesOf(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    bytes[i] = i % 1024 < 512 ? state >> 16 : (i >> 10) & 0xff;
  }
  return bytes;
}

export interface Place extends AsyncDisposable {
  readonly dir: string;
  readonly file: string;
  readonly engine: FakeEngine;
  readonly store: ObjectStore;
}

/** A directory of its own with a store and an image of `length` bytes. */
export async function place(length = 1_000_000, seed = 1): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-backup-"));
  const file = join(dir, "source");
  await writeFile(file, pagesOf(length, seed));
  const objects = await mkdtemp(join(dir, "objects-"));
  return {
    dir,
    file,
    engine: fakeEngine(file),
    store: openDisk(objects, { clock: quickClock }),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true }),
  };
}

export type Wished = Partial<SnapshotRequest> & Partial<SnapshotParts>;

export function take(at: Pick<Place, "engine" | "store">, wished: Wished = {}): Promise<Manifest> {
  const parts = { store: at.store, engine: at.engine, clock: quickClock, zstd: ZSTD };
  return takeSnapshot(
    { ...parts, ...wished },
    {
      cluster: CLUSTER,
      node: { name: "mysql-1", uuid: "u1", role: "replica" },
      epoch: 3,
      server: { flavor: "mysql", version: "9.7.4" },
      parent: null,
      scratch: tmpdir(),
      level: 1,
      recipients: null,
      rate: null,
      signal: new AbortController().signal,
      progress: () => {},
      partBytes: PART,
      ...wished,
    },
  );
}

export type Unwrapping = { readonly identities?: readonly string[]; readonly signal?: AbortSignal };

/** Into a new directory, which is the answer. */
export async function restore(
  at: Pick<Place, "dir" | "engine" | "store">,
  manifest: Manifest,
  { identities, signal }: Unwrapping = {},
): Promise<string> {
  const into = await mkdtemp(join(at.dir, "restored-"));
  await fetchBackup(at.store, manifest, {
    into,
    engine: at.engine,
    zstd: ZSTD,
    clock: quickClock,
    identities: identities ?? null,
    signal: signal ?? new AbortController().signal,
    progress: () => {},
  });
  return into;
}

export async function hashOf(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
