// Publishes this node's record below nodes/ (PROTOCOL §1): every 2 s, and at once when what others decide on changed.
// One write at a time, the newest record wins; a failure is the next write's business.
import type { Clock, Kv, Log } from "../../src/index.ts";
import { messageOf } from "../../src/index.ts";
import type { NodeRecord } from "./core/observation.ts";
import type { Keys } from "./keys.ts";

type Parts = {
  readonly kv: Kv;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly log: Log;
};

const EVERY_MS = 2_000;
/** Changes in quick succession are one write: an election passes through several roles in 100 ms. */
const AT_MOST_EVERY_MS = 100;

export class Recorder implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #end = new AbortController();
  readonly #beats: Promise<void>;
  #newest: NodeRecord | null = null;
  #urgent = "";
  #told = "";
  #writing: Promise<void> | null = null;
  #wroteAt = 0;
  #error: string | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#beats = this.#beat();
  }

  note(record: NodeRecord | null): void {
    // Null: there is nothing to say, and what was said before must not be said again.
    this.#newest = record;
    if (record === null) return;
    this.#urgent = urgent(record);
    if (this.#urgent === this.#told) return;
    if (this.#parts.clock.now() - this.#wroteAt < AT_MOST_EVERY_MS) {
      const { clock } = this.#parts;
      // Aborted: this agent's last record is written by `last`.
      void clock.sleep(AT_MOST_EVERY_MS, this.#end.signal).then(
        () => this.#write(),
        () => {},
      );
    } else this.#write();
  }

  async #beat(): Promise<void> {
    while (!this.#end.signal.aborted) {
      this.#write();
      await this.#parts.clock.sleep(EVERY_MS, this.#end.signal).catch(() => {}); // Aborted: ends.
    }
  }

  /** The last record of this agent: written before it ends, or not within `limitMs`. */
  async last(record: NodeRecord | null, limitMs: number): Promise<void> {
    if (record !== null) this.#newest = record;
    if (record !== null) this.#urgent = urgent(record);
    await this.#writing;
    this.#write();
    await Promise.race([this.#writing, this.#parts.clock.sleep(limitMs)]);
  }

  #write(): void {
    if (this.#newest === null || this.#writing !== null) return;
    const record = this.#newest;
    const { kv, keys, clock } = this.#parts;
    this.#told = this.#urgent;
    this.#wroteAt = clock.now();
    const value = JSON.stringify(record);
    this.#writing = kv
      .commit([{ do: "set", key: keys.node(record.uuid), value }])
      .then(() => {
        this.#error = null;
      })
      .catch((error: unknown) => {
        const why = messageOf(error);
        if (why !== this.#error) this.#parts.log.warn("node record not written", { why });
        this.#error = why;
        this.#told = "";
      })
      .finally(() => {
        this.#writing = null;
        if (this.#newest !== null && this.#urgent !== this.#told && this.#error === null)
          this.#write();
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#beats;
    await this.#writing;
  }
}

/** What other nodes decide on, and must not learn 2 s late. */
const URGENT = [
  "uuid",
  "role",
  "state",
  "epoch",
  "semiSync",
  "needsRebuild",
  "stopping",
  "stopped",
  "mysqldPid",
  "writable",
  "paused",
  "answer",
] as const satisfies readonly (keyof NodeRecord)[];

function urgent(record: NodeRecord): string {
  return JSON.stringify(URGENT.map((field) => record[field]));
}
