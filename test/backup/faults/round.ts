// One round: a backup and its restore with one fault, and what must be true afterwards. What a round finds is said in
// sentences; none is what it should be.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { readCatalog } from "../../../recipes/mysql/backup/catalog.ts";
import { fetchBackup } from "../../../recipes/mysql/backup/fetch.ts";
import { sweepGarbage } from "../../../recipes/mysql/backup/sweep.ts";
import { backupsPrefix, dataKey, manifestKey } from "../../../recipes/mysql/core/backup/layout.ts";
import type { Manifest } from "../../../recipes/mysql/core/backup/manifest.ts";
import { AutopilotError, messageOf } from "../../../src/errors.ts";
import { openDisk } from "../../../src/objects/disk.ts";
import type { ObjectStore } from "../../../src/ports.ts";
import type { FakeEngine } from "../fake-engine.ts";
import { CLUSTER, PART, ZSTD, hashOf, take } from "../fixture.ts";
import { diceOf } from "./dice.ts";
import { KINDS, type Damage, type Injection } from "./kinds.ts";
import type { Stand, StoreKind } from "./stand.ts";

const DAY_MS = 86_400_000;
const WORKER = fileURLToPath(new URL("worker.ts", import.meta.url));

export type Round = {
  readonly seed: number;
  readonly kind: string;
  readonly says: string;
  readonly store: StoreKind;
  readonly encrypted: boolean;
  readonly bytes: number;
  /** How the backup ended: "listed", or the error's code. */
  readonly backup: string;
  readonly restore: string;
  /** The fault took effect; null: it says so by itself. */
  readonly met: boolean | null;
  /** What should not be. */
  readonly violations: readonly string[];
  /** Could not be played here. */
  readonly skipped: string | null;
};

type Play = {
  readonly stand: Stand;
  readonly injection: Injection;
  readonly kind: StoreKind;
  readonly encrypted: boolean;
  readonly engine: FakeEngine;
  readonly file: string;
  readonly violations: string[];
  /** Requests that met a fault. */
  met: number;
};

export async function playRound(stand: Stand, seed: number, kind: string): Promise<Round> {
  const dice = diceOf(seed);
  const bytes = 1 + dice.below(dice.pick([CHUNKS_FEW, CHUNKS_SOME, CHUNKS_MANY]));
  const injection = KINDS[kind]?.(dice, bytes);
  if (injection === undefined) throw new Error(`there is no fault ${kind}`);
  const store = injection.on ?? dice.pick(["s3", "disk"] as const);
  const encrypted = dice.below(2) === 1;
  const facts = { seed, kind, says: injection.says, store, encrypted, bytes };
  await stand.clear();
  const { engine, file } = await stand.engine(bytes, seed);
  const violations: string[] = [];
  const play: Play = { stand, injection, kind: store, encrypted, engine, file, violations, met: 0 };
  await using disk = injection.smallDisk || injection.restoreFull ? await smallDisk(stand) : null;
  if (disk !== null && disk.dir === null)
    return {
      ...facts,
      backup: "",
      restore: "",
      met: false,
      violations,
      skipped: "no mount of a small tmpfs",
    };
  const at = injection.smallDisk ? openDisk(disk?.dir ?? "", { clock: stand.clock }) : null;
  await using opened = at ?? stand.store(store);
  const backup = await tryBackup(play, opened);
  stand.way.choose = () => null;
  if (injection.damage !== undefined) await damage(opened, injection.damage);
  const restore = await tryRestores(
    play,
    opened,
    injection.restoreFull ? (disk?.dir ?? null) : null,
  );
  await judge(play, opened);
  const onTheWay = injection.backupWay !== undefined || injection.restoreWay !== undefined;
  const met = onTheWay ? play.met > 0 : null;
  return { ...facts, backup, restore, met, violations, skipped: null };
}

/** The faults of the way, from now on, with requests counted from here; null: none. */
function trouble(play: Play, way: Injection["backupWay"]): void {
  const { stand } = play;
  const before = stand.way.seen.length;
  stand.way.choose = (seen) => {
    const fault = way?.({ ...seen, number: seen.number - before }, stand.clock.now()) ?? null;
    if (fault !== null) play.met += 1;
    return fault;
  };
}

const CHUNKS_FEW = 2 * PART;
const CHUNKS_SOME = 12 * PART;
const CHUNKS_MANY = 30 * PART;

async function tryBackup(play: Play, store: ObjectStore): Promise<string> {
  const { stand, injection, engine, encrypted, violations } = play;
  const { clock } = stand;
  const recipients = encrypted ? [stand.recipient] : null;
  trouble(play, injection.backupWay);
  if (injection.killAt !== undefined) return killWorker(play, injection.killAt);
  engine.trouble = injection.engine ?? null;
  const stop = new AbortController();
  if (injection.cancelAt !== undefined) cancelAfter(engine, injection.cancelAt, stop);
  try {
    const zstd = injection.zstd ?? ZSTD;
    await take({ engine, store }, { recipients, zstd, clock, signal: stop.signal });
    if (engine.trouble !== null && engine.trouble.do !== "breaks" && engine.trouble.do !== "killed")
      violations.push("the engine failed, and it was taken for a backup");
    return "listed";
  } catch (error) {
    if (error === stop.signal.reason) return "cancelled";
    return codeOf(error, violations);
  } finally {
    if (engine.alive() > 0) violations.push("an engine is still alive");
    engine.trouble = null;
  }
}

function cancelAfter(engine: FakeEngine, at: number, stop: AbortController): void {
  const { image } = engine;
  engine.image = async (server, request) => {
    const imaging = await image.call(engine, server, request);
    let bytes = 0;
    imaging.stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes >= at) stop.abort(new Error("enough"));
    });
    return imaging;
  };
}

/** Every failure is one of ours, one line, and none is the consequence of another. */
function codeOf(error: unknown, violations: string[]): string {
  if (!(error instanceof AutopilotError)) {
    violations.push(`no error of ours: ${messageOf(error)}`);
    return "?";
  }
  if (/EPIPE|premature close/i.test(error.message))
    violations.push(`the consequence is told, not the cause: ${error.message}`);
  return error.code;
}

async function killWorker({ stand, kind, file, encrypted }: Play, at: number): Promise<string> {
  const argv = [WORKER, stand.address(kind), file, encrypted ? stand.recipient : "-"];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  for await (const line of createInterface({ input: child.stdout }))
    if (Number(line) >= at) child.kill("SIGKILL");
  const [code] = (await closed) as [number | null];
  return code === 0 ? "listed" : "killed";
}

async function damage(store: ObjectStore, { do: what, ...where }: Damage): Promise<void> {
  const [entry] = (await readCatalog(store, CLUSTER.id)).entries;
  if (entry === undefined) throw new Error("there is no backup to be damaged");
  const { id } = entry.manifest;
  const key = what.endsWith("data") ? dataKey(CLUSTER.id, id) : manifestKey(CLUSTER.id, id);
  if (what === "delete data") return store.delete([key]);
  const body = Buffer.from((await store.get(key))?.body ?? []);
  const at = "at" in where ? where.at % body.length : 0;
  if (what.startsWith("flip")) body[at] = (body[at] ?? 0) ^ 1;
  await store.put(key, what.startsWith("cut") ? body.subarray(0, at) : body);
}

/** All that is listed as good: with the fault, if it is one of the restore; then without. */
async function tryRestores(play: Play, store: ObjectStore, full: string | null): Promise<string> {
  const { stand, injection, violations } = play;
  const { entries, damaged } = await readCatalog(store, CLUSTER.id);
  if (injection.damage === undefined)
    for (const { id, why } of damaged) violations.push(`half listed: ${id}: ${why}`);
  let outcome = damaged.length > 0 ? "damaged" : "nothing to restore";
  for (const { manifest } of entries) {
    const { restoreWay } = injection;
    trouble(play, restoreWay);
    outcome = await restoreOne(play, store, manifest, full ?? stand.dir);
    stand.way.choose = () => null;
    const again = restoreWay !== undefined || full !== null;
    const sound = again ? await restoreOne(play, store, manifest, stand.dir) : outcome;
    if (injection.damage === undefined && sound !== "identical")
      violations.push(`listed as good, and not restored: ${sound}`);
  }
  return outcome;
}

async function restoreOne(
  { stand, engine, file, encrypted, violations }: Play,
  store: ObjectStore,
  manifest: Manifest,
  dir: string,
): Promise<string> {
  const into = await mkdtemp(join(dir, "into-"));
  try {
    await fetchBackup(store, manifest, {
      into,
      engine,
      zstd: ZSTD,
      clock: stand.clock,
      identities: encrypted ? [stand.identity] : null,
      signal: new AbortController().signal,
      progress: () => {},
    });
    if ((await hashOf(join(into, "image"))) === (await hashOf(file))) return "identical";
    violations.push("restored without an error, and not identical");
    return "different";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") return "ENOSPC";
    return codeOf(error, violations);
  } finally {
    await rm(into, { recursive: true });
  }
}

/** Two days later nothing is left but what is listed. */
async function judge({ stand, violations }: Play, store: ObjectStore): Promise<void> {
  await sweepGarbage(store, CLUSTER.id, { now: stand.clock.wall() + 2 * DAY_MS });
  const { entries, damaged, unlisted } = await readCatalog(store, CLUSTER.id);
  for (const { id } of unlisted) violations.push(`${id} is left for ever`);
  const uploads = (await store.unfinished("")).items;
  for (const { key } of uploads) violations.push(`an upload of ${key} is left for ever`);
  const ids = [...entries.map(({ manifest }) => manifest.id), ...damaged.map(({ id }) => id)];
  const prefix = backupsPrefix(CLUSTER.id);
  for (const { key } of (await store.list(prefix)).items)
    if (!ids.includes(key.slice(prefix.length).split("/")[0] ?? ""))
      violations.push(`${key} is left for ever`);
  const { bytes } = (store as unknown as { memory: { bytes: number } }).memory;
  if (bytes !== 0) violations.push(`${bytes} bytes of buffers were not given back`);
}

type SmallDisk = AsyncDisposable & {
  /** Null: not allowed here. */
  readonly dir: string | null;
};

async function smallDisk(stand: Stand): Promise<SmallDisk> {
  const dir = await mkdtemp(join(stand.dir, "small-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=128k", "tmpfs", dir], { stdio: "pipe" });
  } catch {
    return { dir: null, async [Symbol.asyncDispose]() {} };
  }
  return {
    dir,
    async [Symbol.asyncDispose]() {
      await readdir(dir);
      execFileSync("umount", ["-l", dir]);
    },
  };
}
