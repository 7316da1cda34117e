// Which archived binary logs nobody needs any more: they go with the backups that needed them.
import { contains, parseGtidSet, type GtidSet } from "../gtid.ts";
import { inOrder, timelineOf, type Segment } from "./segment.ts";

export type StillNeeded = {
  /** GTID sets of the backups that are kept to be gone on from (`replayed`). */
  readonly backups: readonly string[];
  /**
   * A transaction that was committed later stays, µs since 1970: a backup that is under way, of a replica that lags, may
   * hold less than those that are there.
   */
  readonly settledBefore: number;
};

/**
 * Segments whose every transaction is in each of these backups, oldest first, so that what a deletion leaves that broke off
 * has no hole of it. There stay: the one before a needed one, which says what was committed until then; the last one of each
 * server, which says how far its binary logs are archived; all, while there is no such backup; and what does not say which
 * transactions it has.
 */
export function prunableSegments(
  segments: readonly Segment[],
  { backups, settledBefore }: StillNeeded,
): readonly Segment[] {
  const kept = backups.map(parseGtidSet);
  if (kept.length === 0 || !kept.every((set) => set !== null)) return [];
  const isNeeded = ({ added, latest }: Segment): boolean =>
    latest >= settledBefore || !isIn(added, kept);
  const timeline = timelineOf(segments);
  const before = timeline.filter((_, at) => {
    const next = timeline[at + 1];
    return next !== undefined && isNeeded(next);
  });
  const last = new Map(timeline.map((segment) => [segment.server.uuid, segment]));
  const stays = new Set([...before, ...last.values()]);
  return inOrder(segments).filter((segment) => !stays.has(segment) && !isNeeded(segment));
}

function isIn(added: string, backups: readonly GtidSet[]): boolean {
  const set = parseGtidSet(added);
  return set !== null && backups.every((backup) => contains(backup, set));
}
