// Which archived binlogs nobody needs any more: they go with the backups that needed them.
import { contains, parseGtidSet } from "../gtid.ts";

/** A stretch of one server's binlog in the archive. */
export type ArchivedBinlog = {
  readonly key: string;
  readonly serverUuid: string;
  /** GTIDs of the transactions in it; "": none. */
  readonly added: string;
};

/**
 * Keys of those whose every transaction is in each backup that is kept to go on from. `archived` in the order of their
 * making. The last one of each server stays: it says how far the archive is. So does everything while there is no such
 * backup, and what does not say which transactions it has.
 */
export function prunableBinlogs(
  archived: readonly ArchivedBinlog[],
  /** GTID sets of the backups that are kept to be gone on from (`replayed`). */
  backups: readonly string[],
): readonly string[] {
  const kept = backups.map(parseGtidSet);
  if (kept.length === 0 || !kept.every((set) => set !== null)) return [];
  const last = new Map(archived.map(({ serverUuid, key }) => [serverUuid, key]));
  return archived
    .filter(({ key, serverUuid, added }) => {
      const set = parseGtidSet(added);
      if (set === null || last.get(serverUuid) === key) return false;
      return kept.every((backup) => contains(backup, set));
    })
    .map(({ key }) => key);
}
