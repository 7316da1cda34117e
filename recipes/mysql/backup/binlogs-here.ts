// The binary logs of a server, from its own list of them: asking mysqld takes a lock that a huge commit holds for long.
import { readFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { ConfigError, messageOf } from "../../../src/index.ts";
import type { LocalBinlog } from "../core/backup/coverage.ts";
import { readHead, type BinlogHead } from "../mysqld/binlog-head.ts";

export type BinlogHere = LocalBinlog & { readonly path: string };

type Place = { readonly logIndex: string; readonly datadir: string };

/** Absolute paths, oldest first. Errors: ConfigError AP_ARCHIVE_UNREADABLE. */
export async function binlogPaths({ logIndex, datadir }: Place): Promise<readonly string[]> {
  const text = await readFile(logIndex, "utf8").catch((cause: unknown) => {
    throw new ConfigError("AP_ARCHIVE_UNREADABLE", messageOf(cause), { cause });
  });
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => resolve(datadir, line));
}

/** Those that have a head: one that was only just made is not there yet, one that was purged meanwhile not any more. */
export async function binlogsHere(place: Place): Promise<readonly BinlogHere[]> {
  const found: BinlogHere[] = [];
  for (const path of await binlogPaths(place)) {
    const head = await headOf(path);
    if (head === null) continue;
    found.push({
      path,
      file: basename(path),
      head: head.fingerprint,
      previous: head.previous,
    });
  }
  return found;
}

/** Null: it has none yet, or is gone. Errors: ConfigError AP_ARCHIVE_UNREADABLE: encrypted, or not to be read. */
export async function headOf(path: string): Promise<BinlogHead | null> {
  try {
    return await readHead(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new ConfigError("AP_ARCHIVE_UNREADABLE", messageOf(cause), {
      cause,
      ...(/encrypted/.test(messageOf(cause))
        ? { hint: "SET GLOBAL binlog_encryption = OFF: the archive encrypts by itself, with age" }
        : {}),
    });
  }
}
