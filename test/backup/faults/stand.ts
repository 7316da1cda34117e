// Where faults are injected: an S3 stand-in behind a proxy that makes faults, or a directory; an image of known bytes; a
// clock on which waiting takes no time, but minutes pass.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { parseAddress, type S3Address } from "../../../src/objects/address.ts";
import { openDisk } from "../../../src/objects/disk.ts";
import type { OpenedStore } from "../../../src/objects/open.ts";
import { openS3 } from "../../../src/objects/s3.ts";
import type { Clock } from "../../../src/ports.ts";
import { realClock } from "../../../src/runtime/clock.ts";
import { startFaultyWay, type FaultyWay } from "../../objects/faulty-way.ts";
import { BUCKET, KEY_ID, SECRET, startStandIn, type StandIn } from "../../objects/stand-in.ts";
import { fakeEngine, type FakeEngine } from "../fake-engine.ts";
import { pagesOf } from "../fixture.ts";

export type StoreKind = "s3" | "disk";

export interface Stand extends AsyncDisposable {
  readonly dir: string;
  readonly standIn: StandIn;
  readonly way: FaultyWay;
  readonly clock: Clock;
  readonly identity: string;
  readonly recipient: string;
  /** The address that another process opens the same store by. */
  address(kind: StoreKind): string;
  /** On the way with faults, and for disks the directory itself. */
  store(kind: StoreKind): OpenedStore;
  /** An engine with `length` bytes of this seed. */
  engine(
    length: number,
    seed: number,
  ): Promise<{ readonly engine: FakeEngine; readonly file: string }>;
  /** Empty stores, no faults. */
  clear(): Promise<void>;
}

export async function startStand(): Promise<Stand> {
  process.env["AWS_ACCESS_KEY_ID"] = KEY_ID;
  process.env["AWS_SECRET_ACCESS_KEY"] = SECRET;
  const dir = await mkdtemp(join(tmpdir(), "autopilot-faults-"));
  const standIn = await startStandIn();
  const way = await startFaultyWay(standIn.url);
  const identity = await generateX25519Identity();
  const clock = virtualClock();
  let disk = await mkdtemp(join(dir, "objects-"));
  const s3 = `s3://${BUCKET}/p?endpoint=${way.url}`;
  return {
    dir,
    standIn,
    way,
    clock,
    identity,
    recipient: await identityToRecipient(identity),
    address: (kind) => (kind === "s3" ? s3 : disk),
    store(kind) {
      if (kind === "disk") return openDisk(disk, { clock });
      const timeouts = { connectMs: 500, idleMs: 400, answerMs: 400 };
      return openS3(parseAddress(s3, {}) as S3Address, { clock, timeouts });
    },
    async engine(length, seed) {
      const file = join(dir, "source");
      await writeFile(file, pagesOf(length, seed));
      return { engine: fakeEngine(file), file };
    },
    async clear() {
      way.choose = () => null;
      way.seen.length = 0;
      standIn.objects.clear();
      standIn.uploads.clear();
      standIn.manners = {};
      await rm(disk, { recursive: true });
      disk = await mkdtemp(join(dir, "objects-"));
    },
    async [Symbol.asyncDispose]() {
      await way[Symbol.asyncDispose]();
      await standIn[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    },
  };
}

function virtualClock(): Clock {
  let passed = 0;
  return {
    now: () => realClock.now() + passed,
    wall: () => realClock.wall() + passed,
    async sleep(ms, signal) {
      await setImmediate();
      signal?.throwIfAborted();
      passed += ms;
    },
  };
}
