// Who acknowledged when, PURE: the gaps between acknowledgements, and proofs that two nodes could acknowledge at once.
// A proof needs times that do not touch: an answer may have been on its way for as long as its client waited for it.
import type { Ledger, Write } from "./ledger.ts";
import { logOf, type WriteLog } from "./ledger-log.ts";
import type { Author } from "./verdict-rows.ts";
import { atOnce, isTurn, type Steps } from "./verdict-steps.ts";

/** Who was primary, in order, as the cluster's own history says; `node` is a server_uuid. */
export type Reign = { readonly epoch: number; readonly node: string };

/** A time without acknowledgements, ms; `to` is null where none came before the ledger ended. */
export type Gap = { readonly from: number; readonly to: number | null; readonly ms: number };

/** Two acknowledgements that only two nodes that could acknowledge at the same time can have given. */
export type TwoAcking = { readonly write: Write; readonly other: Write; readonly why: string };

/** One server's acknowledgements of one epoch. */
export type AckRange = {
  readonly server: string;
  readonly epoch: number | null;
  /** When the first of them was sent, and the last one came. */
  readonly from: number;
  readonly to: number;
  readonly acks: number;
};

/** Two nodes that acknowledge give a proof with every write; nobody needs more than these. */
const MOST_EXAMPLES = 1_000;

/** The acknowledged writes in the order in which their answers came. */
export type Acks = {
  readonly log: WriteLog;
  readonly length: number;
  /** The position of the i-th in the log. */
  position(i: number): number;
  endedAt(i: number): number;
  /** How many had come at `time`, itself included. */
  until(time: number): number;
};

export function* acksOf(log: WriteLog): Steps<Acks> {
  const room = new Uint32Array(log.length);
  let [length, sorted] = [0, true];
  for (let at = 0, last = -Infinity; at < log.length; at++) {
    if (isTurn(at)) yield;
    if (log.outcomeAt(at) !== "acked") continue;
    room[length++] = at;
    sorted &&= log.endedAt(at) >= last;
    last = log.endedAt(at);
  }
  const positions = room.subarray(0, length);
  // One process wrote them down as they came, so they are in order; ledgers of tests may not be.
  if (!sorted) positions.sort((a, b) => log.endedAt(a) - log.endedAt(b));
  const endedAt = (i: number): number => log.endedAt(positions[i] ?? 0);
  return {
    log,
    length,
    position: (i) => positions[i] ?? 0,
    endedAt,
    until(time) {
      let [low, high] = [0, length];
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (endedAt(middle) <= time) low = middle + 1;
        else high = middle;
      }
      return low;
    },
  };
}

/**
 * A node that stops being primary refuses or cuts its clients. So a connection that acknowledged before and after
 * another node's acknowledgement, by times that do not touch, belonged to a node that could acknowledge all along.
 */
export function* spanned(acks: Acks): Steps<readonly TwoAcking[]> {
  const { log } = acks;
  const spans = new Map<number, { readonly first: number; last: number }>();
  for (let i = 0; i < acks.length; i++) {
    if (isTurn(i)) yield;
    const at = acks.position(i);
    const span = spans.get(log.connectionAt(at));
    if (span === undefined) spans.set(log.connectionAt(at), { first: at, last: at });
    else span.last = at;
  }
  const found: TwoAcking[] = [];
  const why = "between two of one connection to another node";
  for (const { first, last } of spans.values()) {
    const end = acks.until(log.sentAt(last));
    for (let i = acks.until(log.endedAt(first)); i < end; i++) {
      if (isTurn(i)) yield;
      const at = acks.position(i);
      if (log.nodeAt(at) === log.nodeAt(first) || log.sentAt(at) < log.endedAt(first)) continue;
      found.push({ write: log.at(at), other: log.at(last), why });
      break;
    }
    if (found.length === MOST_EXAMPLES) break;
  }
  return found;
}

/**
 * Epochs only grow: an acknowledgement of an older epoch for a write that was sent after a newer epoch's first
 * acknowledgement came, and two servers in one epoch, each prove a second node that could acknowledge. The rows
 * themselves say who wrote them, and when they and the connection disagree, somebody answered for another.
 */
export function* outOfEpoch(
  acks: Acks,
  authorOf: (position: number) => Author | null,
): Steps<readonly TwoAcking[]> {
  const { log } = acks;
  const found: TwoAcking[] = [];
  /** By number of acknowledgements: the one of the newest epoch among them. */
  const newest: (readonly [epoch: number, at: number] | null)[] = [null];
  const heads = new Map<number, { readonly server: string; readonly at: number }>();
  for (let i = 0; i < acks.length && found.length < MOST_EXAMPLES; i++) {
    if (isTurn(i)) yield;
    const at = acks.position(i);
    const author = authorOf(at);
    const best = newest[i] ?? null;
    const epoch = author?.epoch ?? null;
    newest.push(epoch !== null && epoch > (best?.[0] ?? -1) ? [epoch, at] : best);
    if (author === null || epoch === null) continue;
    const before = newest[Math.min(acks.until(log.sentAt(at)), i)] ?? null;
    const head = heads.get(epoch);
    if (head === undefined) heads.set(epoch, { server: author.server, at });
    const wrong = (other: number, why: string) =>
      found.push({ write: log.at(at), other: log.at(other), why });
    if (author.server !== log.nodeAt(at)) wrong(at, `its row was written by ${author.server}`);
    else if (head !== undefined && head.server !== author.server)
      wrong(head.at, `both in epoch ${epoch}`);
    else if (before !== null && before[0] > epoch)
      wrong(before[1], `sent in epoch ${epoch} when epoch ${before[0]} had acknowledged already`);
  }
  return found;
}

/**
 * The nodes that acknowledged, in order of time, must be a walk through the history of primaries. A write that was
 * sent before the next reign's first acknowledgement came may still belong to an earlier one.
 */
export function* outOfReign(
  acks: Acks,
  reigns: readonly Reign[] | null,
): Steps<readonly TwoAcking[]> {
  if (reigns === null) return [];
  const { log } = acks;
  const found: TwoAcking[] = [];
  // first[i]: the first acknowledgement of reign i; holes are reigns in which this client wrote nothing.
  const first: (number | undefined)[] = [];
  let reign = 0;
  for (let i = 0; i < acks.length && found.length < MOST_EXAMPLES; i++) {
    if (isTurn(i)) yield;
    const at = acks.position(i);
    const own = log.nodeAt(at);
    if (reigns[reign]?.node !== own) {
      const next = reigns.findIndex(({ node }, j) => j > reign && node === own);
      const late = reigns.some(({ node }, j) => {
        const successor = first.find((value, k) => k > j && value !== undefined);
        if (j >= reign || node !== own || successor === undefined) return false;
        return log.sentAt(at) < log.endedAt(successor);
      });
      if (late) continue;
      const other = log.at(first[reign] ?? at);
      if (next === -1) found.push({ write: log.at(at), other, why: "not primary in the history" });
      if (next === -1) continue;
      reign = next;
    }
    first[reign] ??= at;
  }
  return found;
}

type Times = Pick<Ledger, "began" | "ended">;

/** What the acknowledgements come to, apart from what is wrong with them. */
export type Tallies = {
  /** Who acknowledged from when to when, in the order of their beginnings. */
  readonly ranges: readonly AckRange[];
  /** The longest time that one single client waited between two of its acknowledgements, ms; 0: none had two. */
  readonly slowestClientMs: number;
  /** The longest time without an acknowledgement to anybody, ms. */
  readonly outageMs: number;
};

export function* talliesOf(
  acks: Acks,
  { began, ended }: Times,
  authorOf: (position: number) => Author | null,
): Steps<Tallies> {
  const { log } = acks;
  const ranges = new Map<string, { -readonly [K in keyof AckRange]: AckRange[K] }>();
  const last = new Map<number, number>();
  let [slowestClientMs, outageMs, before] = [0, 0, began];
  for (let i = 0; i < acks.length; i++) {
    if (isTurn(i)) yield;
    const at = acks.position(i);
    const [server, from, to] = [log.nodeAt(at), log.sentAt(at), log.endedAt(at)];
    const epoch = authorOf(at)?.epoch ?? null;
    const key = `${server} ${epoch}`;
    const range = ranges.get(key) ?? { server, epoch, from, to, acks: 0 };
    range.from = Math.min(range.from, from);
    range.to = Math.max(range.to, to);
    range.acks += 1;
    ranges.set(key, range);
    const writer = log.writerAt(at);
    slowestClientMs = Math.max(slowestClientMs, to - (last.get(writer) ?? to));
    last.set(writer, to);
    if (i > 0) outageMs = Math.max(outageMs, to - before);
    before = to;
  }
  const inOrder = [...ranges.values()].toSorted((a, b) => a.from - b.from);
  return { ranges: inOrder, slowestClientMs, outageMs: Math.max(outageMs, ended - before) };
}

/** The times without acknowledgement of at least `minMs`, in order. The time before the first one does not count. */
export function* gapsIn(acks: Acks, { began, ended }: Times, minMs: number): Steps<readonly Gap[]> {
  const gaps: Gap[] = [];
  const close = (from: number, to: number | null): void => {
    const ms = (to ?? ended) - from;
    if (ms >= minMs) gaps.push({ from, to, ms });
  };
  for (let i = 1; i < acks.length; i++) {
    if (isTurn(i)) yield;
    close(acks.endedAt(i - 1), acks.endedAt(i));
  }
  close(acks.length === 0 ? began : acks.endedAt(acks.length - 1), null);
  return gaps;
}

/** The same of a ledger, at once: for benches and short ones. */
export function gapsOf(ledger: Times & Pick<Ledger, "writes">, minMs: number): readonly Gap[] {
  return atOnce(gapsIn(atOnce(acksOf(logOf(ledger.writes))), ledger, minMs));
}
