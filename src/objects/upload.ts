// One object on its way into a store: chunks of any size become parts of one size, several are sent at the same time, and
// memory stays within the pool. The last part is withheld until `finish`: a source that died cannot make an object.
// How parts are kept is the store's (PartSink); nothing here knows S3 or a disk.
import { createHash, type Hash } from "node:crypto";
import { PARTS_MAX, type PartPlan } from "../core/part-plan.ts";
import { RefusedError, invariant } from "../errors.ts";
import type { ObjectPart, Upload, Uploaded, WriteCondition, Written } from "../ports.ts";
import { createPool, type Meter, type Pool } from "./pool.ts";

export type SentPart = ObjectPart & {
  /** From 1. */
  readonly number: number;
  readonly offset: number;
};

export type PartSink = {
  /** Keeps one part of several. Tries again by itself; what it throws is final. */
  send(part: SentPart, body: Buffer, signal: AbortSignal): Promise<void>;
  /** Makes the object of all parts appear. */
  complete(parts: readonly SentPart[], condition: WriteCondition | null): Promise<Written>;
  /** An object of one part, at once. */
  whole(part: SentPart, body: Buffer, condition: WriteCondition | null): Promise<Written>;
  abort(): Promise<void>;
};

export type UploadOptions = {
  /** "s3://bucket/prefix: upload of x", for messages. */
  readonly what: string;
  readonly sink: PartSink;
  readonly plan: PartPlan;
  readonly meter: Meter;
  readonly signal?: AbortSignal | undefined;
};

export class PartedUpload implements Upload {
  readonly #what: string;
  readonly #sink: PartSink;
  readonly #partBytes: number;
  readonly #inFlight: number;
  readonly #pool: Pool;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #whole = createHash("sha256");
  readonly #parts: SentPart[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #part: Hash = createHash("sha256");
  /** The part that is being filled, never sent before it is known whether it is the last; null: none yet. */
  #buffer: Buffer | null = null;
  #filled = 0;
  #bytes = 0;
  #failure: { readonly error: unknown } | null = null;
  #state: "open" | "finishing" | "finished" | "aborted" = "open";

  constructor({ what, sink, plan, meter, signal }: UploadOptions) {
    this.#what = what;
    this.#sink = sink;
    this.#partBytes = plan.partBytes;
    this.#inFlight = plan.inFlight;
    this.#pool = createPool(plan.inFlight + 1, plan.partBytes, meter);
    this.#signal = AbortSignal.any([this.#stop.signal, ...(signal === undefined ? [] : [signal])]);
  }

  async write(chunk: Uint8Array): Promise<void> {
    invariant(this.#state === "open", "AP_BUG_INVARIANT", `upload: written to when ${this.#state}`);
    for (let at = 0; at < chunk.length;) {
      if (this.#buffer !== null && this.#filled === this.#partBytes) {
        await this.#turn();
        this.#send(this.#buffer);
      }
      this.#buffer ??= this.#pool.take();
      this.#throwIfFailed();
      const piece = chunk.subarray(at, at + this.#partBytes - this.#filled);
      this.#buffer.set(piece, this.#filled);
      this.#part.update(piece);
      this.#whole.update(piece);
      this.#filled += piece.length;
      this.#bytes += piece.length;
      at += piece.length;
    }
    this.#throwIfFailed();
  }

  async finish(condition?: WriteCondition & { readonly ifNoneMatch: true }): Promise<Uploaded> {
    invariant(this.#state === "open", "AP_BUG_INVARIANT", `upload: finished when ${this.#state}`);
    this.#throwIfFailed();
    this.#state = "finishing";
    const info = await this.#complete(condition ?? null);
    this.#state = "finished";
    this.#pool.drain();
    const sha256 = this.#whole.digest("hex");
    if (info.bytes !== this.#bytes) {
      const why = `${this.#what}: ${this.#bytes} bytes were written, and ${info.bytes} are there`;
      throw new RefusedError("AP_OBJECTS_DAMAGED", why);
    }
    const parts = this.#parts.map((part) => ({ bytes: part.bytes, sha256: part.sha256 }));
    return { ...info, sha256, parts };
  }

  async #complete(condition: WriteCondition | null): Promise<Written> {
    const buffer = this.#buffer ?? this.#pool.take();
    this.#buffer = buffer;
    if (this.#parts.length === 0) {
      const part = this.#nextPart();
      const info = await this.#sink.whole(part, buffer.subarray(0, part.bytes), condition);
      this.#pool.give(buffer);
      this.#buffer = null;
      return info;
    }
    await this.#turn();
    this.#send(buffer);
    await Promise.all(this.#underWay);
    this.#throwIfFailed();
    return this.#sink.complete(this.#parts, condition);
  }

  async abort(): Promise<void> {
    if (this.#state === "finished" || this.#state === "aborted") return;
    this.#state = "aborted";
    this.#stop.abort(new Error("the upload was aborted"));
    await Promise.all(this.#underWay);
    if (this.#buffer !== null) this.#pool.give(this.#buffer);
    this.#buffer = null;
    this.#pool.drain();
    await this.#sink.abort();
  }

  /** A store that does not answer keeps its parts until a sweep; that must not hide why the upload failed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort().catch(() => {});
  }

  #nextPart(): SentPart {
    const sha256 = this.#part.digest("hex");
    this.#part = createHash("sha256");
    const offset = this.#bytes - this.#filled;
    const part = { number: this.#parts.length + 1, offset, bytes: this.#filled, sha256 };
    if (part.number > PARTS_MAX)
      throw new RefusedError(
        "AP_OBJECTS_LIMIT",
        `${this.#what}: more than ${PARTS_MAX} parts of ${this.#partBytes} bytes`,
      );
    this.#parts.push(part);
    this.#filled = 0;
    return part;
  }

  /** Waits until one more part may be under way. Nothing is begun for an upload that is given up meanwhile. */
  async #turn(): Promise<void> {
    while (this.#underWay.size >= this.#inFlight) await Promise.race(this.#underWay);
    this.#throwIfFailed();
  }

  #send(buffer: Buffer): void {
    const part = this.#nextPart();
    this.#buffer = null;
    const sent = this.#sink
      .send(part, buffer.subarray(0, part.bytes), this.#signal)
      .catch((error: unknown) => {
        // The others' effort is in vain.
        this.#failure ??= { error };
        this.#stop.abort(error);
      })
      .finally(() => {
        this.#underWay.delete(sent);
        this.#pool.give(buffer);
      });
    this.#underWay.add(sent);
  }

  #throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure.error;
    this.#signal.throwIfAborted();
  }
}
