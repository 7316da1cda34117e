// A watch: one blocking query at a time, on connections of its own.
// It delivers once at the start and then only real changes: a query may return without any (its time is over, or a key
// next to an empty prefix moved). It never ends by itself, and its abort closes the socket.
import { EventEmitter } from "node:events";
import { aborted, pause } from "../abortable.ts";
import { UnavailableError } from "../errors.ts";
import type { KvWatcher, Watcher } from "../ports.ts";
import { entryOf, type ConsulItem } from "./item.ts";
import type { Client, Transport } from "./transport.ts";

/**
 * How long a restored Consul may go unnoticed where nothing else moves: its indexes are lower than the one that is waited
 * for (measured on 1.8.7: the restore ends the query with the old answer). Also below what proxies take for dead.
 */
const WAIT_MS = 20_000;
/** So that all watches of a cluster do not return together. */
const WAIT_JITTER_MS = 5_000;
/** Consul itself adds a sixteenth of the wait; and then the answer has to come. */
const MARGIN_MS = WAIT_MS / 16 + 2_000;
const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 5_000;

/** What is watched, as a blocking read of T. */
type Query<T> = {
  /** Begins the message of its errors: "watch shop/". */
  readonly what: string;
  /** `options` go to the package beside its own. */
  readonly ask: (client: Client, options: QueryOptions) => Promise<unknown>;
  readonly read: (body: unknown) => T;
  /** Two answers with the same print are no change. */
  readonly print: (seen: T) => string;
};

type QueryOptions = { readonly timeout: number; readonly index?: string };

export function watchPrefix(
  transport: Transport,
  prefix: string,
  watcher: KvWatcher,
): Promise<void> {
  return watchQuery(
    transport,
    {
      what: `watch ${prefix}`,
      ask: (client, options) => client.kv.get({ ...options, key: prefix, recurse: true }),
      read: (body) => ((body ?? []) as readonly ConsulItem[]).map(entryOf),
      print: (entries) =>
        JSON.stringify(entries.map(({ key, index, session }) => [key, index, session])),
    },
    watcher,
  );
}

/** Resolves when the signal aborts. Rejects only with what `onChange` throws. */
export async function watchQuery<T>(
  transport: Transport,
  query: Query<T>,
  { signal, onChange, onError }: Watcher<T>,
): Promise<void> {
  let index = 0;
  let seen: string | null = null;
  let backoffMs = BACKOFF_MIN_MS;
  while (!signal.aborted) {
    let answer: Answer<T>;
    try {
      answer = await ask(transport, query, index, signal);
    } catch (error) {
      if (aborted(signal)) return;
      onError(error);
      // Who answers next may be another history, of lower indexes: waiting for the known one to move would miss that.
      index = 0;
      await pause(backoffMs, signal);
      backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS);
      continue;
    }
    backoffMs = BACKOFF_MIN_MS;
    // An index that goes backwards is another history (a restored store): begin again (Consul's rule for clients).
    index = answer.index < index ? 0 : answer.index;
    const now = query.print(answer.seen);
    if (now === seen || aborted(signal)) continue;
    seen = now;
    onChange(answer.seen);
  }
}

type Answer<T> = { readonly index: number; readonly seen: T };

async function ask<T>(
  transport: Transport,
  query: Query<T>,
  index: number,
  signal: AbortSignal,
): Promise<Answer<T>> {
  const waitMs = Math.round(WAIT_MS + Math.random() * WAIT_JITTER_MS);
  // The package aborts a request when its context emits "cancel", and answers with the response when it says so.
  const context = Object.assign(new EventEmitter(), { includeResponse: true });
  const cancel = (): void => void context.emit("cancel");
  signal.addEventListener("abort", cancel, { once: true });
  try {
    const options = {
      ctx: context,
      ...(index === 0 ? {} : { index: String(index), wait: `${waitMs}ms` }),
      timeout: waitMs + MARGIN_MS,
    };
    const answer = await transport.block(query.what, (client) => query.ask(client, options));
    const [response, body] = answer as [
      { readonly headers: Readonly<Record<string, string | undefined>> },
      unknown,
    ];
    const next = Number(response.headers["x-consul-index"]);
    if (!(next > 0))
      throw new UnavailableError("AP_CONSUL_UNREACHABLE", `${query.what}: an answer without index`);
    return { index: next, seen: query.read(body) };
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}
