// What all parts of the object store contract share: the store under test and bytes that are what they say.
import { setImmediate } from "node:timers/promises";
import { afterAll, beforeAll } from "vitest";
import type { Clock, ObjectStore } from "../../src/ports.ts";
import { realClock } from "../../src/runtime/clock.ts";
import type { OpenedStore } from "../../src/objects/open.ts";

export type MeasuredStore = OpenedStore;

/** Waits for nothing: what is tried again is tried at once. */
export const quickClock: Clock = {
  ...realClock,
  async sleep(_, signal) {
    await setImmediate();
    signal?.throwIfAborted();
  },
};

export interface StoresUnderTest extends AsyncDisposable {
  /** A driver on the store. */
  open(): MeasuredStore;
  /** The same, where its bucket, or its directory, is not there. */
  openMissing(): MeasuredStore;
  /** The smallest part that the store takes. */
  readonly partBytes: number;
}

export type StartStores = () => Promise<StoresUnderTest>;

export type Fixture = {
  store(): MeasuredStore;
  missing(): MeasuredStore;
  partBytes(): number;
  /** A folder of its own for this test, ending in a slash. */
  fresh(): string;
};

let names = 0;

export function useStores(start: StartStores): Fixture {
  let stores: StoresUnderTest | undefined;
  let store: MeasuredStore | undefined;
  beforeAll(async () => {
    stores = await start();
    store = stores.open();
  }, 180_000);
  afterAll(async () => {
    await store?.[Symbol.asyncDispose]();
    await stores?.[Symbol.asyncDispose]();
  });
  return {
    store: () => given(store),
    missing: () => given(stores).openMissing(),
    partBytes: () => given(stores).partBytes,
    fresh: () => `test-${process.pid}-${++names}/`,
  };
}

function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the store did not start");
  return value;
}

/** Bytes that differ from each other at every place, and from those of another seed. */
export function bytesOf(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed * 2_654_435_761 + 1;
  for (let i = 0; i < length; i++) {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    bytes[i] = state >> 16;
  }
  return bytes;
}

export async function readAll(
  store: ObjectStore,
  key: string,
  how: Parameters<ObjectStore["read"]>[1] = {},
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of store.read(key, how)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The error that the promise ends with; fails when it does not. */
export async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error,
  );
}

export async function keysBelow(store: ObjectStore, folder: string): Promise<readonly string[]> {
  return (await store.list(folder)).items.map(({ key }) => key.slice(folder.length));
}
