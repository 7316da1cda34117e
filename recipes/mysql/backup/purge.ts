// Purges the binary logs of a node that nobody needs from there any more (core/backup/coverage.ts says which).
import { stat } from "node:fs/promises";
import type { Clock } from "../../../src/index.ts";
import { purgeUpTo, type ServerBinlog } from "../core/backup/coverage.ts";
import type { GtidSet } from "../core/gtid.ts";
import type { Mysqld } from "../mysqld/port.ts";
import { binlogsHere } from "./binlogs-here.ts";

export type Purge = {
  readonly mysqld: Pick<Mysqld, "purgeBinlogs">;
  readonly clock: Pick<Clock, "wall">;
  readonly logIndex: string;
  readonly datadir: string;
  readonly archived: GtidSet;
  /** Retrieved and executed, of each other node of the cluster. */
  readonly received: readonly GtidSet[];
  readonly keepMs: number;
};

/** The file that is the oldest now, or null: nothing may go. Errors: those of the server and of the disk. */
export async function purgeArchived(o: Purge): Promise<string | null> {
  const here = await binlogsHere(o);
  const logs: ServerBinlog[] = [];
  for (const { path, file, previous } of here)
    logs.push({ file, previous, ageMs: o.clock.wall() - (await stat(path)).mtimeMs });
  const upTo = purgeUpTo(logs, o);
  if (upTo === null || upTo === here[0]?.file) return null;
  await o.mysqld.purgeBinlogs(upTo);
  return upTo;
}
