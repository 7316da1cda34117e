// Files that XtraBackup and mariadb-backup write about an image. Pure. All have their newest and their oldest form:
// MariaDB renamed its own from 11 on (mariadb_backup_*), and GTID sets of older versions go over several lines.
import type { BinlogPosition } from "./manifest.ts";

export type Checkpoints = {
  /** full-backuped, incremental; after a preparation log-applied, full-prepared. */
  readonly type: string;
  /** Decimal; InnoDB's are 64 bits, more than a number holds. */
  readonly from: string;
  readonly to: string;
};

/** Names of the file about `what`, as the two families call it. */
export function namesOf(what: "checkpoints" | "info" | "binlog_info"): readonly string[] {
  return [`xtrabackup_${what}`, `mariadb_backup_${what}`];
}

/** Null: not such a file, or cut off. */
export function parseCheckpoints(text: string): Checkpoints | null {
  const value = (key: string): string =>
    new RegExp(`^${key}\\s*=\\s*(\\S+)\\s*$`, "m").exec(text)?.[1] ?? "";
  const found = { type: value("backup_type"), from: value("from_lsn"), to: value("to_lsn") };
  const whole = found.type !== "" && /^\d+$/.test(found.from) && /^\d+$/.test(found.to);
  return whole ? found : null;
}

export type Standing = { readonly gtid: string; readonly binlog: BinlogPosition | null };

/**
 * `binlog_pos` of the info file. A server without binlogs has none: no position, no set. Null: it is malformed, and
 * then nobody knows where the image stands.
 */
export function parseInfo(text: string): Standing | null {
  const line = /^binlog_pos\s*=[^\S\n]*([\s\S]*?)(?=^\w+\s*=|$(?![\s\S]))/m.exec(text)?.[1];
  if (line === undefined) return null;
  if (line.trim() === "") return { gtid: "", binlog: null };
  const [, file = "", position = "", gtid = ""] =
    /^filename '([^']+)', position '(\d+)'(?:, GTID of the last change '([^']*)')?\s*$/.exec(
      line,
    ) ?? [];
  return file === "" ? null : standing(file, position, gtid);
}

/** FILE, POSITION and, with GTIDs, the set; by tabs. */
export function parseBinlogInfo(text: string): Standing | null {
  const [file = "", position = "", ...sets] = text.split("\t");
  if (file === "" || !/^\d+\s*$/.test(position)) return null;
  return standing(file, position.trim(), sets.join(","));
}

function standing(file: string, position: string, gtid: string): Standing {
  return { gtid: gtid.replaceAll(/\s/g, ""), binlog: { file, position: Number(position) } };
}
