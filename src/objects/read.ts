// Reading one object by several ranges at once. A range that breaks off is resumed where it broke; one whose bytes do not
// hash to what was written is read again. Nothing here knows where the bytes come from (FetchRange).
import { createHash } from "node:crypto";
import { evenRanges, partRanges, rangesAtOnce, type Range } from "../core/range-plan.ts";
import { RefusedError } from "../errors.ts";
import type { ObjectInfo, ObjectPart } from "../ports.ts";
import { inOrder } from "./in-order.ts";
import type { Meter } from "./pool.ts";
import { retrying, type Patience } from "./retry.ts";

const MIB = 1024 * 1024;
/** Without parts: measured, 8 to 16 MiB are equally fast. */
const RANGE_BYTES = 8 * MIB;
/** What the ranges under way and waiting may hold together, one at least. */
const MEMORY_BYTES = 64 * MIB;
const RANGES_MAX = 4;

/** Writes bytes from `offset` on into `into`, and calls `got` with how many, until it is full or something breaks. */
export type FetchRange = (
  offset: number,
  into: Buffer,
  got: (bytes: number) => void,
  signal: AbortSignal,
) => Promise<void>;

export type Reading = {
  /** The store's. */
  readonly name: string;
  readonly info: ObjectInfo;
  readonly parts?: readonly ObjectPart[] | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly patience: Patience;
  readonly meter: Meter;
};

export async function* readRanges(
  reading: Reading,
  fetch: FetchRange,
): AsyncGenerator<Buffer, void> {
  const { parts, info, meter } = reading;
  checkLength(reading);
  const ranges = parts === undefined ? evenRanges(info.bytes, RANGE_BYTES) : partRanges(parts);
  const largest = parts === undefined ? RANGE_BYTES : Math.max(0, ...parts.map((it) => it.bytes));
  const width = rangesAtOnce(largest, MEMORY_BYTES, RANGES_MAX);
  // What was begun is given back whether or not it is handed out.
  let held = 0;
  const hold = (bytes: number): void => {
    held += bytes;
    meter.add(bytes);
  };
  try {
    const work = (range: Range, stop: AbortSignal): Promise<Buffer> => {
      hold(range.bytes);
      return readRange(reading, range, fetch, stop);
    };
    for await (const buffer of inOrder(ranges, width, work)) {
      yield buffer;
      hold(-buffer.length);
    }
  } finally {
    hold(-held);
  }
}

function checkLength({ name, info, parts }: Reading): void {
  if (parts === undefined) return;
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  if (bytes === info.bytes) return;
  const why = `${name}: ${info.key} has ${info.bytes} bytes, and ${bytes} were written`;
  throw new RefusedError("AP_OBJECTS_DAMAGED", why);
}

async function readRange(
  { name, info, signal, patience }: Reading,
  range: Range,
  fetch: FetchRange,
  stop: AbortSignal,
): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(range.bytes);
  const both = signal === undefined ? stop : AbortSignal.any([stop, signal]);
  let filled = 0;
  await retrying(patience, both, async () => {
    if (filled < range.bytes) {
      const got = (bytes: number): void => {
        filled += bytes;
      };
      await fetch(range.offset + filled, buffer.subarray(filled), got, both);
    }
    if (range.sha256 === null || sha256Of(buffer) === range.sha256) return;
    filled = 0;
    const until = range.offset + range.bytes;
    const why = `${name}: bytes ${range.offset} to ${until} of ${info.key} are not what was written`;
    throw new RefusedError("AP_OBJECTS_DAMAGED", why);
  });
  return buffer;
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
