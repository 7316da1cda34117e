// Blocking queries: reads that wait until their index passes the one that the client has seen, or their time is over.
// A change wakes only those that it concerns, and those are answered in the same turn of the event loop.
import { durationMs, text, type Query, type Reply } from "./reply.ts";
import type { Change } from "./state.ts";

export type Blocking = {
  /** The answer, now or later; `gone` frees the place when the client leaves before. */
  readonly answer: (
    query: Query,
    params: URLSearchParams,
    gone: (free: () => void) => void,
  ) => Reply | Promise<Reply>;
  readonly wake: (change: Change) => void;
  /** Forgets all that wait: the server ends. */
  readonly clear: () => void;
};

type Waiting = {
  readonly query: Query;
  readonly seen: number;
  readonly end: (reply: Reply) => void;
};

/** Consul's default and longest wait. */
const WAIT_DEFAULT_MS = 300_000;
const WAIT_MAX_MS = 600_000;
/** Consul adds up to a sixteenth, so that waiting clients do not all come back at once. */
const WAIT_JITTER = 16;
/** More waiting queries than this are refused: somebody forgets to end them. */
const WAITING_MAX = 2048;
/** Never sent: the client has left. */
const GONE: Reply = { status: 499 };

export function createBlocking(): Blocking {
  const waiting = new Set<Waiting>();

  function wait(
    query: Query,
    seen: number,
    longestMs: number,
    gone: (free: () => void) => void,
  ): Promise<Reply> {
    return new Promise((resolve) => {
      const over = setTimeout(() => end(query.run()), longestMs);
      const it: Waiting = { query, seen, end };
      function end(reply: Reply): void {
        clearTimeout(over);
        waiting.delete(it);
        resolve(reply);
      }
      waiting.add(it);
      gone(() => end(GONE));
    });
  }

  return {
    answer(query, params, gone) {
      if (params.has("consistent") && params.has("stale"))
        return text(400, "Cannot specify ?stale with ?consistent, conflicting semantics.");
      const given = params.get("index") ?? "0";
      if (!/^\d+$/.test(given)) return text(400, "Invalid index");
      const asked = params.has("wait") ? durationMs(params.get("wait") ?? "") : WAIT_DEFAULT_MS;
      if (asked === null) return text(400, "Invalid wait time");
      const seen = Number(given);
      const first = query.run();
      if (seen === 0 || first.index > seen) return first;
      if (waiting.size >= WAITING_MAX) return text(503, "too many blocking queries");
      const longestMs = Math.min(asked || WAIT_DEFAULT_MS, WAIT_MAX_MS);
      return wait(query, seen, longestMs + (Math.random() * longestMs) / WAIT_JITTER, gone);
    },
    wake(change) {
      for (const it of waiting) {
        if (!it.query.concerns(change)) continue;
        const reply = it.query.run();
        if (reply.index > it.seen) it.end(reply);
      }
    },
    clear() {
      for (const it of waiting) it.end(GONE);
    },
  };
}
