// Work on many items at once, its results in the order of the items: the bounded queue between parallel requests and
// whoever wants one stream of bytes.

/**
 * At most `width` items are being worked on or wait to be taken, beside the one that was handed out. The first failure, in
 * the order of the items, ends it; when it ends, also because nobody wants more, all work is told to stop and has stopped.
 */
export async function* inOrder<Item, Result>(
  items: Iterable<Item>,
  width: number,
  work: (item: Item, signal: AbortSignal) => Promise<Result>,
): AsyncGenerator<Result, void> {
  const stop = new AbortController();
  const queue: Promise<Result>[] = [];
  const rest = items[Symbol.iterator]();
  const fill = (): void => {
    while (queue.length < width) {
      const next = rest.next();
      if (next.done === true) return;
      const result = work(next.value, stop.signal);
      // It is looked at in its turn; until then a failure is not unhandled.
      result.catch(() => {});
      queue.push(result);
    }
  };
  try {
    for (;;) {
      fill();
      const first = queue.shift();
      if (first === undefined) return;
      const result = await first;
      fill();
      yield result;
    }
  } finally {
    stop.abort();
    await Promise.allSettled(queue);
  }
}
