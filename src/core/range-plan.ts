// Which ranges of an object are read, each by a request of its own: together all of its bytes, each once, in order.

export type Range = {
  readonly offset: number;
  readonly bytes: number;
  /** What the range's bytes must hash to (hex), or null when nobody knows. */
  readonly sha256: string | null;
};

/** Ranges of `each` bytes from offset `from` to the end of an object of `bytes`; made when asked for. */
export function* evenRanges(bytes: number, each: number, from = 0): Generator<Range> {
  for (let offset = from; offset < bytes; offset += each)
    yield { offset, bytes: Math.min(each, bytes - offset), sha256: null };
}

/** The ranges of parts whose hashes are known. */
export function* partRanges(
  parts: readonly { readonly bytes: number; readonly sha256: string }[],
): Generator<Range> {
  let offset = 0;
  for (const { bytes, sha256 } of parts) {
    if (bytes > 0) yield { offset, bytes, sha256 };
    offset += bytes;
  }
}

/** How many ranges of this size may be held at once within `memory`: one at least, `most` at most. */
export function rangesAtOnce(rangeBytes: number, memory: number, most: number): number {
  return Math.min(Math.max(Math.floor(memory / Math.max(rangeBytes, 1)), 1), most);
}
