// How large the parts of a multipart upload are, and how many may be under way: enough for any size of source within S3's
// 10,000 parts, in memory that is bounded as far as that allows.

const MIB = 1024 * 1024;
/** S3: no upload has more parts. */
export const PARTS_MAX = 10_000;
/** S3: every part but the last has at least 5 MiB, and none more than 5 GiB. */
export const PART_BYTES_MIN = 5 * MIB;
export const PART_BYTES_MAX = 5 * 1024 * MIB;
/** Measured: 16 MiB is the fastest; larger ones fall out of the processor's cache. */
const PART_BYTES_USUAL = 16 * MIB;
/** Parts that an estimate is spread over: the rest, and 30 %, are for what an estimate does not know. */
const PARTS_PLANNED = 9_000;
const GROWTH = 1.3;
/** Measured: beyond four nothing gets faster. */
const IN_FLIGHT_MAX = 4;
/** What the buffers of one upload may take: five of the usual size, and one part at least. */
const MEMORY_BYTES = 96 * MIB;

export type PartPlan = {
  /** Size of every part but the last. */
  readonly partBytes: number;
  /** Parts that are sent at the same time. */
  readonly inFlight: number;
};

/** For a source of about `estimate` bytes (null: not known, then 156 GiB fit), or with parts of a size that is given. */
export function planParts(estimate: number | null, given: number | null = null): PartPlan {
  const wanted = ((estimate ?? 0) * GROWTH) / PARTS_PLANNED;
  const rounded = Math.ceil(wanted / MIB) * MIB;
  const planned = Math.min(Math.max(rounded, PART_BYTES_USUAL), PART_BYTES_MAX);
  const partBytes = given ?? planned;
  // One more buffer than that is being filled.
  const fitting = Math.floor(MEMORY_BYTES / partBytes) - 1;
  return { partBytes, inFlight: Math.min(Math.max(fitting, 1), IN_FLIGHT_MAX) };
}
