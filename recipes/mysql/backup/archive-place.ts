// Where the archiver is in the binary logs of its server, and whether that is still the same file.
import { RefusedError } from "../../../src/index.ts";
import { startIn, wasReset, type Account } from "../core/backup/coverage.ts";
import { numberOf, type Segment } from "../core/backup/segment.ts";
import type { GtidSet } from "../core/gtid.ts";
import type { BinlogHead } from "../mysqld/binlog-head.ts";
import { BinlogChanged } from "./archive-write.ts";
import { binlogPaths, binlogsHere, headOf } from "./binlogs-here.ts";
import type { PrimaryLook } from "./primary-look.ts";

export type Place = {
  readonly path: string;
  /** Of the file's head: another file of that name has another one. */
  readonly head: string;
  readonly at: number;
  /** All executed before that. */
  readonly state: GtidSet;
};

/** Null: there was none, or its file was purged or reset. */
export async function stillThere(place: Place | null): Promise<Place | null> {
  if (place === null) return null;
  const head = await headOf(place.path);
  return head?.fingerprint === place.head ? place : null;
}

/** Behind all that is accounted for. Errors: RefusedError AP_ARCHIVE_DIVERGED; BinlogChanged. */
export async function findPlace(
  archive: { readonly segments: readonly Segment[]; readonly account: Account },
  server: PrimaryLook,
  executed: GtidSet,
): Promise<Place> {
  const logs = await binlogsHere(server);
  if (logs.length === 0) throw new BinlogChanged("there is no binary log yet");
  const { segments, account } = archive;
  if (wasReset({ uuid: server.uuid, executed }, logs, segments)) {
    const why = `the binary logs of ${server.uuid} were reset since they were archived`;
    throw new RefusedError("AP_ARCHIVE_DIVERGED", why);
  }
  const start = startIn(logs, server.uuid, segments, account);
  const path = logs.find(({ file }) => file === start.file)?.path ?? "";
  const head = await headOf(path);
  if (head === null) throw new BinlogChanged(`${start.file} is gone`);
  const { to, state } = start.after ?? { to: head.bytes.length, state: head.previous };
  return { path, head: head.fingerprint, at: to, state };
}

/** The start of the next file; null: this one is being written. */
export async function placeBehind(place: Place, server: PrimaryLook): Promise<Place | null> {
  const number = numberOf(place.path);
  const path = (await binlogPaths(server)).find((one) => numberOf(one) > number);
  const head = path === undefined ? null : await headOf(path);
  return path === undefined || head === null ? null : startOf(path, head);
}

function startOf(path: string, { fingerprint, bytes, previous }: BinlogHead): Place {
  return { path, head: fingerprint, at: bytes.length, state: previous };
}
