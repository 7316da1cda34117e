// Which binary logs a server may forget is not its own to decide while they are archived: it is told.
import { quote } from "./connection.ts";
import type { Lines } from "./lines.ts";

const SET_MS = 5_000;
/** Deleting files of a gigabyte each takes its time, and holds nothing up but the next purge. */
const PURGE_MS = 60_000;

/** `held`: mysqld purges nothing by itself any more, however old. Not before 8.0.29, where there is no such switch. */
export async function holdBinlogs(lines: Lines, held: boolean): Promise<void> {
  const value = held ? "OFF" : "ON";
  await lines.admin.use(SET_MS, (sql) =>
    sql.rows(`SET GLOBAL binlog_expire_logs_auto_purge = ${value}`, SET_MS),
  );
}

/** All before this file; one that a replica or a clone is reading stays, with those behind it. */
export async function purgeBinlogs(lines: Lines, upTo: string): Promise<void> {
  await using sql = await lines.fresh(SET_MS);
  await sql.rows(`PURGE BINARY LOGS TO ${quote(upTo)}`, PURGE_MS);
}
