// The way back: from the store, part by part as each hash is found right, decrypted, decompressed, into the engine's
// hands. Nothing is written for an identity that does not fit.
import { Readable } from "node:stream";
import { RefusedError, invariant, type Clock, type ObjectStore } from "../../../src/index.ts";
import { chainProblems } from "../core/backup/chain.ts";
import { manifestKey } from "../core/backup/layout.ts";
import type { Manifest } from "../core/backup/manifest.ts";
import { open, recipientsOf } from "./encrypt.ts";
import type { Engine } from "./engine.ts";
import { parseManifest } from "./manifest.ts";
import { meterOf, type Meter, type Progress } from "./progress.ts";
import { decompress } from "./zstd.ts";

export type FetchRequest = {
  /** Empty directory, which becomes a datadir. */
  readonly into: string;
  readonly engine: Pick<Engine, "unpack">;
  /** The start of zstd's command line. */
  readonly zstd: readonly string[];
  readonly clock: Pick<Clock, "now">;
  /** Identities (AGE-SECRET-KEY-1…); null: none was given. */
  readonly identities: readonly string[] | null;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
};

/**
 * The datadir of a backup, in `into`; of an incremental, with all that it rests on. Errors: RefusedError
 * AP_BACKUP_IDENTITY, AP_BACKUP_CHAIN before anything is written, AP_BACKUP_DAMAGED, AP_BACKUP_UNKNOWN (its base), AP_OBJECTS_*; what
 * the engine says; the signal's reason.
 */
export async function fetchBackup(
  store: ObjectStore,
  manifest: Manifest,
  request: FetchRequest,
): Promise<{ readonly rawBytes: number }> {
  const chain = await chainOf(store, manifest);
  for (const one of chain) await requireIdentity(one, request.identities);
  const stop = new AbortController();
  const signal = AbortSignal.any([request.signal, stop.signal]);
  const estimate = chain.reduce((sum, { rawBytes }) => sum + rawBytes, 0);
  const meter = meterOf(request.clock, { estimate, tell: request.progress });
  meter.phase("fetching");
  let first: { readonly error: unknown } | null = null;
  const links = chain.map((one) => {
    const link = linkOf({ store, meter, request, signal }, one, (error) => {
      first ??= { error };
    });
    return { ...link, into: request.into, signal };
  });
  try {
    await request.engine.unpack(links);
    for (const { rest } of links) await rest();
  } catch (error) {
    stop.abort(error);
    request.signal.throwIfAborted();
    // Assigned in a callback, which the compiler does not see.
    throw (first as { readonly error: unknown } | null)?.error ?? error;
  } finally {
    for (const { stream } of links) stream.destroy();
  }
  return { rawBytes: meter.rawBytes };
}

/** The full one first. Errors: RefusedError AP_BACKUP_UNKNOWN, AP_BACKUP_DAMAGED, AP_BACKUP_CHAIN. */
export async function chainOf(
  store: ObjectStore,
  manifest: Manifest,
): Promise<readonly Manifest[]> {
  const chain = [manifest];
  for (let at = manifest; at.parent !== null;) {
    const key = manifestKey(at.cluster.id, at.parent);
    const there = await store.get(key);
    if (there === null) {
      const why = `backup ${at.id} rests on ${at.parent}, which is not there`;
      throw new RefusedError("AP_BACKUP_UNKNOWN", why);
    }
    const parent = parseManifest(there.body.toString(), at.cluster.id, at.parent);
    if (chain.some(({ id }) => id === parent.id))
      throw new RefusedError("AP_BACKUP_DAMAGED", `backup ${manifest.id} rests on itself`);
    chain.unshift(parent);
    at = parent;
  }
  const [problem] = chainProblems(chain);
  if (problem !== undefined) throw new RefusedError("AP_BACKUP_CHAIN", problem);
  return chain;
}

async function requireIdentity(
  { id, encryption }: Manifest,
  identities: readonly string[] | null,
): Promise<void> {
  if (encryption === null) return;
  const readers = `it is encrypted for ${encryption.recipients.join(", ")}`;
  if (identities === null)
    throw new RefusedError("AP_BACKUP_IDENTITY", `backup ${id}: ${readers}; no identity was given`);
  const own = await recipientsOf(identities);
  if (own.some((recipient) => encryption.recipients.includes(recipient))) return;
  const why = `backup ${id}: ${readers}, and the identity is of ${own.join(", ")}`;
  throw new RefusedError("AP_BACKUP_IDENTITY", why);
}

type Link = { readonly stream: Readable; readonly rest: () => Promise<void> };

/** One image as the engine made it. Nothing is asked of the store before the engine reads. */
function linkOf(around: Around, manifest: Manifest, failed: (error: unknown) => void): Link {
  let whole = false;
  async function* image(): AsyncGenerator<Buffer, void> {
    try {
      yield* imageOf(around, manifest);
      whole = true;
    } catch (error) {
      failed(error);
      throw error;
    }
  }
  const stream = Readable.from(image(), { objectMode: false });
  // Told by `failed`; a stream that nobody listens to any more must not end the process.
  stream.on("error", () => {});
  return {
    stream,
    /** An engine that found its own end has not seen ours: a hash, or a length, may still be wrong. */
    async rest() {
      if (!whole) for await (const _ of stream) continue;
      invariant(whole, "AP_BUG_INVARIANT", `the engine left the image of ${manifest.id} unread`);
    },
  };
}

type Around = {
  readonly store: ObjectStore;
  readonly meter: Meter;
  readonly request: FetchRequest;
  readonly signal: AbortSignal;
};

async function* imageOf(
  { store, meter, request, signal }: Around,
  { id, data, encryption, compression, rawBytes }: Manifest,
): AsyncGenerator<Buffer, void> {
  const stored = counted(store.read(data.key, { parts: data.parts, signal }), meter);
  const readable = encryption === null ? stored : open(stored, request.identities ?? []);
  let bytes = 0;
  for await (const chunk of compression === null
    ? readable
    : decompressed(readable, request.zstd, signal)) {
    bytes += chunk.length;
    meter.raw(chunk.length);
    yield chunk;
  }
  if (bytes === rawBytes) return;
  const why = `backup ${id}: ${bytes} bytes came out, and ${rawBytes} went in`;
  throw new RefusedError("AP_BACKUP_DAMAGED", why);
}

async function* counted(source: AsyncIterable<Buffer>, meter: Meter): AsyncGenerator<Buffer, void> {
  for await (const chunk of source) {
    meter.stored(chunk.length);
    yield chunk;
  }
}

async function* decompressed(
  source: AsyncIterable<Buffer>,
  argv: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Buffer, void> {
  await using zstd = decompress(argv);
  let first: { readonly error: unknown } | null = null;
  const kill = (): void => zstd.kill();
  signal.addEventListener("abort", kill, { once: true });
  const fed = zstd.feed(source).catch((error: unknown) => {
    // What was not there to be read is why it ends.
    first ??= { error };
    zstd.kill();
  });
  try {
    yield* zstd.read();
  } catch (error) {
    first ??= { error };
  } finally {
    signal.removeEventListener("abort", kill);
  }
  await fed;
  const cause = first as { readonly error: unknown } | null;
  if (cause !== null) throw cause.error;
}
