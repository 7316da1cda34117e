// A watch of a range of keys, in rounds: read all of it at one revision, then follow the changes from the next revision
// on, on a stream of its own, until that ends or the round is over. A round never continues another's stream: after a
// compaction, a restore from a snapshot, or a member that was away, what counts is what a linearizable read says.
// It delivers once at the start and then only real changes. It never ends by itself.
import type { Etcd3, IDuplexStream, IKeyValue, IWatchRequest, IWatchResponse } from "etcd3";
import { aborted, pause } from "../abortable.ts";
import type { Watcher } from "../ports.ts";
import type { Span } from "./keys.ts";
import type { Transport } from "./transport.ts";

/** How long a restored etcd may go unnoticed behind something that keeps our stream open. */
const ROUND_MS = 20_000;
/** So that all watches of a cluster do not read together. */
const ROUND_JITTER_MS = 5_000;
const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 5_000;

/** What is watched, as T. */
export type Watched<T> = {
  /** Begins the message of its errors. */
  readonly what: string;
  readonly span: Span;
  /** In key order. */
  readonly read: (kvs: readonly IKeyValue[]) => T;
  /** Two states with the same print are no change. */
  readonly print: (seen: T) => string;
};

/** Resolves when the signal aborts. Rejects only with what `onChange` throws. */
export async function watchSpan<T>(
  transport: Transport,
  watched: Watched<T>,
  { signal, onChange, onError }: Watcher<T>,
): Promise<void> {
  let seen: string | null = null;
  let backoffMs = BACKOFF_MIN_MS;
  let wrong: { readonly thrown: unknown } | null = null;
  const note = (kvs: readonly IKeyValue[]): void => {
    backoffMs = BACKOFF_MIN_MS;
    const now = watched.read(kvs);
    const print = watched.print(now);
    if (print === seen || signal.aborted) return;
    seen = print;
    try {
      onChange(now);
    } catch (error) {
      wrong = { thrown: error };
      throw error;
    }
  };
  while (!signal.aborted) {
    try {
      await playRound(transport, watched, note, signal);
    } catch (error) {
      if (wrong !== null) throw (wrong as { readonly thrown: unknown }).thrown;
      if (aborted(signal)) return;
      onError(error);
      await pause(backoffMs, signal);
      backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS);
    }
  }
}

async function playRound<T>(
  transport: Transport,
  { what, span }: Watched<T>,
  note: (kvs: readonly IKeyValue[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const { kvs, header } = await transport.call(what, (client) => client.kv.range(span));
  const all = new Map(kvs.map((kv) => [kv.key.toString("latin1"), kv]));
  note(kvs);
  if (signal.aborted) return;
  await transport.call(what, (client) =>
    follow(client, { span, from: BigInt(header.revision) + 1n, signal }, (response) => {
      if (response.events.length === 0) return;
      for (const { type, kv } of response.events) {
        const key = kv.key.toString("latin1");
        if (type === "Delete") all.delete(key);
        else all.set(key, kv);
      }
      note([...all].toSorted(byKey).map(([, kv]) => kv));
    }),
  );
}

/** Of latin1 texts, which is the order of bytes. */
function byKey([a]: readonly [string, IKeyValue], [b]: readonly [string, IKeyValue]): number {
  return a < b ? -1 : 1;
}

type Following = { readonly span: Span; readonly from: bigint; readonly signal: AbortSignal };

/** Hands on each answer until the round is over. One answer holds all changes of its revisions. */
async function follow(
  client: Etcd3,
  { span, from, signal }: Following,
  hear: (response: IWatchResponse) => void,
): Promise<void> {
  const stream = await openStream(client);
  const over = Promise.withResolvers<void>();
  const end = (): void => over.resolve();
  const timer = setTimeout(end, ROUND_MS + Math.random() * ROUND_JITTER_MS);
  signal.addEventListener("abort", end, { once: true });
  stream.on("error", over.reject);
  stream.on("end", () => over.reject(new Error("the stream of the watch ended")));
  stream.on("data", (response) => {
    if (response.canceled) return over.reject(new Error(reasonOf(response)));
    try {
      hear(response);
    } catch (error) {
      over.reject(error);
    }
  });
  stream.write({ create_request: { ...span, start_revision: String(from) } });
  if (signal.aborted) end();
  try {
    await over.promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
    stream.cancel();
  }
}

/** etcd's reason; a compaction overtook us when it names a revision. */
function reasonOf(response: IWatchResponse): string {
  const { compact_revision: compacted, cancel_reason: reason } = response;
  return Number(compacted) > 0 ? `compacted up to ${compacted}` : reason || "cancelled";
}

type Opener = {
  withConnection<R>(
    service: "Watch",
    open: (at: { readonly client: object; readonly metadata: Metadata }) => R,
  ): Promise<R>;
};
type Metadata = { clone(): Metadata; set(key: string, value: string): void };
type Stream = IDuplexStream<IWatchRequest, IWatchResponse>;

/**
 * The package's own way to a stream, with one word more: a member that has lost its leader ends the stream instead of
 * keeping silent.
 */
function openStream({ watchClient }: Etcd3): Promise<Stream> {
  const { client: pool } = watchClient as unknown as { readonly client: Opener };
  return pool.withConnection("Watch", ({ client, metadata }) => {
    const own = metadata.clone();
    own.set("hasleader", "true");
    return (client as { watch(metadata: Metadata): Stream }).watch(own);
  });
}
