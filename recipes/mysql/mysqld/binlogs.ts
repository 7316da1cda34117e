// Which binary logs a server may forget is not its own to decide while they are archived: it is told.
import { quote } from "./connection.ts";
import type { Lines } from "./lines.ts";

const SET_MS = 5_000;
/** Deleting files of a gigabyte each takes its time, and holds nothing up but the next purge. */
const PURGE_MS = 60_000;

/** All before this file; one that a replica or a clone is reading stays, with those behind it. */
export async function purgeBinlogs(lines: Lines, upTo: string): Promise<void> {
  await using sql = await lines.fresh(SET_MS);
  await sql.rows(`PURGE BINARY LOGS TO ${quote(upTo)}`, PURGE_MS);
}
