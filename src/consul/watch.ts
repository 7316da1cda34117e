// A watch of all keys below a prefix: one blocking query at a time, on connections of its own.
// It delivers once at the start and then only real changes: a query may return without any (its time is over, or a key
// next to an empty prefix moved). It never ends by itself, and its abort closes the socket.
import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf, UnavailableError } from "../errors.ts";
import type { KvEntry, KvWatcher } from "../ports.ts";
import { entryOf, type ConsulItem } from "./item.ts";
import type { Transport } from "./transport.ts";

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

/** Resolves when the signal aborts. Rejects only with what `onChange` throws. */
export async function watchPrefix(
  transport: Transport,
  prefix: string,
  { signal, onChange, onError }: KvWatcher,
): Promise<void> {
  let index = 0;
  let seen: string | null = null;
  let backoffMs = BACKOFF_MIN_MS;
  while (!signal.aborted) {
    let answer: Answer;
    try {
      answer = await query(transport, prefix, index, signal);
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
    const now = fingerprint(answer.entries);
    if (now === seen || aborted(signal)) continue;
    seen = now;
    onChange(answer.entries);
  }
}

type Answer = { readonly index: number; readonly entries: readonly KvEntry[] };

async function query(
  transport: Transport,
  prefix: string,
  index: number,
  signal: AbortSignal,
): Promise<Answer> {
  const waitMs = Math.round(WAIT_MS + Math.random() * WAIT_JITTER_MS);
  // The package aborts a request when its context emits "cancel", and answers with the response when it says so.
  const context = Object.assign(new EventEmitter(), { includeResponse: true });
  const cancel = (): void => void context.emit("cancel");
  signal.addEventListener("abort", cancel, { once: true });
  try {
    const options = {
      key: prefix,
      recurse: true,
      ctx: context,
      ...(index === 0 ? {} : { index: String(index), wait: `${waitMs}ms` }),
      timeout: waitMs + MARGIN_MS,
    };
    const answer: unknown = await transport.block(`watch ${prefix}`, (client) =>
      client.kv.get(options),
    );
    const [response, items] = answer as [
      { readonly headers: Readonly<Record<string, string | undefined>> },
      readonly ConsulItem[] | undefined,
    ];
    const next = Number(response.headers["x-consul-index"]);
    if (!(next > 0))
      throw new UnavailableError(
        "AP_CONSUL_UNREACHABLE",
        `watch ${prefix}: an answer without index`,
      );
    return { index: next, entries: (items ?? []).map(entryOf) };
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

/** A property that changes under our feet: without the call the compiler takes the first look for the last. */
function aborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

function fingerprint(entries: readonly KvEntry[]): string {
  return JSON.stringify(entries.map(({ key, index, session }) => [key, index, session]));
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    // The abort: the loop looks at the signal itself.
    if (!signal.aborted) throw new Error(messageOf(error), { cause: error });
  }
}
