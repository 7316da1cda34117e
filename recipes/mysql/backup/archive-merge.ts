// An idle primary still commits its heartbeats, and makes a small segment of them every few seconds: where many follow
// each other they become one, so that a month of them can be listed. Read again from the binary log, while it is there.
import type { Segment } from "../core/backup/segment.ts";
import { formatGtidSet, gtidSet, union } from "../core/gtid.ts";
import { deleteSegments, writeSegment, type Writing } from "./archive-write.ts";

/**
 * All segments after `run` became one. At every moment each transaction is in a segment: the merged one exists before its
 * pieces go, and one within another is passed over. Errors: BinlogChanged; AP_OBJECTS_*.
 */
export async function mergeSegments(
  writing: Writing,
  all: readonly Segment[],
  run: readonly Segment[],
  path: string,
): Promise<readonly Segment[]> {
  const [first, last] = [run[0], run.at(-1)];
  if (first === undefined || last === undefined) return all;
  const {
    format: _,
    rawBytes: __,
    compression: ___,
    encryption: ____,
    data: _____,
    ...draft
  } = first;
  const merged = await writeSegment(
    writing,
    {
      ...draft,
      to: last.to,
      added: formatGtidSet(run.map(({ added }) => gtidSet(added)).reduce(union)),
      transactions: run.reduce((sum, { transactions }) => sum + transactions, 0),
      last: last.last,
      latest: Math.max(...run.map(({ latest }) => latest)),
    },
    path,
  );
  await deleteSegments(writing, run);
  const gone = new Set(run);
  return [...all.filter((one) => !gone.has(one)), merged];
}
