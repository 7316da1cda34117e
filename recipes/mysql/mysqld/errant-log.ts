// Finds the errant transactions in the logs of a stopped datadir and copies just these into one binary log: from the
// binary logs, and from the relay logs what was received and not applied. Newest file first, until all that the server
// knew of are found: a tail is at the end, and the logs before it may be large.
import { open, readdir, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../../../src/index.ts";
import { memberOf, setOf } from "../core/gtid-members.ts";
import { gtidSet, isEmpty, subtract, type GtidSet } from "../core/gtid.ts";
import { MAGIC, transactions, type Piece, type Transaction } from "./binlog.ts";

export type Wanted = {
  /** What the primary holds: everything else in the logs is errant. */
  readonly held: string;
  /** What the running server had beyond that; null: it could not be asked, all logs are read. */
  readonly errant: string | null;
};

export type Limits = { readonly signal: AbortSignal; readonly late: () => boolean };

export type Found = {
  /** In the order of their logs. */
  readonly transactions: readonly Transaction[];
  readonly gtids: GtidSet;
  /** Known of and in no log any more. */
  readonly missing: GtidSet;
  /** What could not be read, one sentence each. */
  readonly problems: readonly string[];
};

/** A tail is some thousands; what has more of its own is no tail, and its datadir is the better evidence. */
const MOST_TRANSACTIONS = 100_000;

/** Errors: the signal's reason. */
export async function findErrant(datadir: string, wanted: Wanted, limits: Limits): Promise<Found> {
  const known = memberOf(gtidSet(wanted.held));
  const problems: string[] = [];
  const read = async (paths: readonly string[]): Promise<Transaction[]> => {
    const found: Transaction[] = [];
    try {
      for await (const one of transactions(paths)) {
        limits.signal.throwIfAborted();
        if (limits.late()) throw new Error("there was no time to read all of it");
        if (known(one)) continue;
        if (found.length >= MOST_TRANSACTIONS) throw new Error("more transactions than are kept");
        found.push(one);
      }
    } catch (error) {
      limits.signal.throwIfAborted();
      problems.push(`${paths.join(", ")}: ${messageOf(error)}`);
    }
    return found;
  };
  const received = await read(await logsIn(datadir, "relaylog"));
  const expected = wanted.errant === null ? null : gtidSet(wanted.errant);
  let applied: Transaction[] = [];
  for (const path of (await logsIn(datadir, "binlog")).toReversed()) {
    applied = [...(await read([path])), ...applied];
    const all = setOf([...applied, ...received]);
    if (expected !== null && isEmpty(subtract(expected, all))) break;
  }
  const inBinlog = memberOf(setOf(applied));
  const all = [...applied, ...received.filter((one) => !inBinlog(one))];
  const gtids = setOf(all);
  const missing = expected === null ? [] : subtract(expected, gtids);
  if (expected === null)
    problems.push("the server did not start: what its logs do not show is not known");
  return { transactions: all, gtids, missing, problems };
}

/** A binary log of these transactions, durable; returns those that did not fit. */
export async function copyTransactions(
  found: readonly Transaction[],
  path: string,
  limits: Limits & { readonly bytes: number },
): Promise<GtidSet> {
  await using out = await open(path, "wx", 0o600);
  await out.write(MAGIC);
  let format: Buffer | null = null;
  let left = limits.bytes;
  const tooMuch: Transaction[] = [];
  for (const one of found) {
    limits.signal.throwIfAborted();
    const size = one.pieces.reduce((sum, piece) => sum + piece.end - piece.start, 0);
    if (size > left || limits.late()) {
      tooMuch.push(one);
      continue;
    }
    left -= size;
    if (format?.equals(one.format) !== true) await out.write(one.format);
    format = one.format;
    for (const piece of one.pieces) await copy(piece, out);
  }
  await out.sync();
  return setOf(tooMuch);
}

const CHUNK_BYTES = 1_048_576;

async function copy({ path, start, end }: Piece, out: FileHandle): Promise<void> {
  await using file = await open(path, "r");
  const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, end - start));
  for (let at = start; at < end;) {
    const { bytesRead } = await file.read(chunk, 0, Math.min(chunk.length, end - at), at);
    if (bytesRead === 0) throw new Error(`${path} became shorter while it was read`);
    await out.write(chunk, 0, bytesRead);
    at += bytesRead;
  }
}

/** Absolute paths of the numbered logs of a datadir, oldest first. */
async function logsIn(datadir: string, name: string): Promise<readonly string[]> {
  const numbered = (await readdir(datadir)).flatMap((file) => {
    const digits = file.startsWith(`${name}.`) ? /^\d+$/.exec(file.slice(name.length + 1)) : null;
    return digits === null ? [] : [{ file, number: Number(digits[0]) }];
  });
  return numbered.toSorted((a, b) => a.number - b.number).map(({ file }) => join(datadir, file));
}
