// Who acknowledged when, PURE: the gaps between acknowledgements, and proofs that two nodes could acknowledge at once.
// A proof needs times that do not touch: an answer may have been on its way for as long as its client waited for it.
import type { Ledger, Write } from "./ledger.ts";
import { logOf, type WriteLog } from "./ledger-log.ts";
import type { Author } from "./verdict-rows.ts";

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
export type Acks = Iterable<Write> & {
  readonly length: number;
  /** The position of the i-th in the log. */
  position(i: number): number;
  at(i: number): Write;
  endedAt(i: number): number;
  /** How many had come at `time`, itself included. */
  until(time: number): number;
};

export function acksOf(log: WriteLog): Acks {
  // One process wrote them down as they came, so this sorts what is sorted; ledgers of tests may not be.
  const positions = Uint32Array.from(ackedIn(log)).sort((a, b) => log.endedAt(a) - log.endedAt(b));
  const position = (i: number): number => positions[i] ?? 0;
  const endedAt = (i: number): number => log.endedAt(position(i));
  return {
    length: positions.length,
    position,
    at: (i) => log.at(position(i)),
    endedAt,
    until(time) {
      let [low, high] = [0, positions.length];
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (endedAt(middle) <= time) low = middle + 1;
        else high = middle;
      }
      return low;
    },
    *[Symbol.iterator]() {
      for (const at of positions) yield log.at(at);
    },
  };
}

function* ackedIn(log: WriteLog): Generator<number> {
  for (let at = 0; at < log.length; at++) if (log.outcomeAt(at) === "acked") yield at;
}

/**
 * A node that stops being primary refuses or cuts its clients. So a connection that acknowledged before and after
 * another node's acknowledgement, by times that do not touch, belonged to a node that could acknowledge all along.
 */
export function spanned(acks: Acks): readonly TwoAcking[] {
  const spans = new Map<number, { first: Write; last: Write }>();
  for (const write of acks) {
    const span = spans.get(write.connection);
    spans.set(write.connection, { first: span?.first ?? write, last: write });
  }
  const found: TwoAcking[] = [];
  for (const { first, last } of spans.values())
    for (let i = acks.until(first.ended); i < acks.until(last.sent); i++) {
      const write = acks.at(i);
      if (write.node === first.node || write.sent < first.ended) continue;
      found.push({ write, other: last, why: "between two of one connection to another node" });
      break;
    }
  return found;
}

/**
 * Epochs only grow: an acknowledgement of an older epoch for a write that was sent after a newer epoch's first
 * acknowledgement came, and two servers in one epoch, each prove a second node that could acknowledge. The rows
 * themselves say who wrote them, and when they and the connection disagree, somebody answered for another.
 */
export function outOfEpoch(
  acks: Acks,
  authorOf: (position: number) => Author | null,
): readonly TwoAcking[] {
  const found: TwoAcking[] = [];
  /** By number of acknowledgements: the one of the newest epoch among them. */
  const newest: (readonly [epoch: number, i: number] | null)[] = [null];
  const heads = new Map<number, { readonly server: string; readonly i: number }>();
  for (let i = 0; i < acks.length && found.length < MOST_EXAMPLES; i++) {
    const author = authorOf(acks.position(i));
    const best = newest[i] ?? null;
    const epoch = author?.epoch ?? null;
    newest.push(epoch !== null && epoch > (best?.[0] ?? -1) ? [epoch, i] : best);
    if (author === null || epoch === null) continue;
    const write = acks.at(i);
    const before = newest[Math.min(acks.until(write.sent), i)] ?? null;
    const head = heads.get(epoch);
    if (head === undefined) heads.set(epoch, { server: author.server, i });
    if (author.server !== write.node)
      found.push({ write, other: write, why: `its row was written by ${author.server}` });
    else if (head !== undefined && head.server !== author.server)
      found.push({ write, other: acks.at(head.i), why: `both in epoch ${epoch}` });
    else if (before !== null && before[0] > epoch)
      found.push({
        write,
        other: acks.at(before[1]),
        why: `sent in epoch ${epoch} when epoch ${before[0]} had acknowledged already`,
      });
  }
  return found;
}

/**
 * The nodes that acknowledged, in order of time, must be a walk through the history of primaries. A write that was
 * sent before the next reign's first acknowledgement came may still belong to an earlier one.
 */
export function outOfReign(acks: Acks, reigns: readonly Reign[] | null): readonly TwoAcking[] {
  if (reigns === null) return [];
  const found: TwoAcking[] = [];
  // first[i]: the first acknowledgement of reign i; holes are reigns in which this client wrote nothing.
  const first: (Write | undefined)[] = [];
  let at = 0;
  for (const write of acks) {
    if (found.length === MOST_EXAMPLES) break;
    if (reigns[at]?.node !== write.node) {
      const next = reigns.findIndex(({ node }, i) => i > at && node === write.node);
      const late = reigns.some(({ node }, i) => {
        const successor = first.find((value, j) => j > i && value !== undefined);
        return (
          i < at && node === write.node && successor !== undefined && write.sent < successor.ended
        );
      });
      if (late) continue;
      const other = first[at];
      if (next === -1)
        found.push({ write, other: other ?? write, why: "not primary in the history" });
      if (next === -1) continue;
      at = next;
    }
    first[at] ??= write;
  }
  return found;
}

/** Who acknowledged from when to when, in the order of their beginnings. */
export function rangesOf(
  acks: Acks,
  authorOf: (position: number) => Author | null,
): readonly AckRange[] {
  const ranges = new Map<string, AckRange>();
  for (let i = 0; i < acks.length; i++) {
    const { node, sent, ended } = acks.at(i);
    const epoch = authorOf(acks.position(i))?.epoch ?? null;
    const key = `${node} ${epoch}`;
    const known = ranges.get(key) ?? { server: node, epoch, from: sent, to: ended, acks: 0 };
    const from = Math.min(known.from, sent);
    ranges.set(key, { ...known, from, to: Math.max(known.to, ended), acks: known.acks + 1 });
  }
  return [...ranges.values()].toSorted((a, b) => a.from - b.from);
}

/** The times without acknowledgement of at least `minMs`, in order. The time before the first one does not count. */
export function gapsOf(
  ledger: Pick<Ledger, "began" | "ended" | "writes">,
  minMs: number,
  acks = acksOf(logOf(ledger.writes)),
): readonly Gap[] {
  const gaps: Gap[] = [];
  const close = (from: number, to: number | null): void => {
    const ms = (to ?? ledger.ended) - from;
    if (ms >= minMs) gaps.push({ from, to, ms });
  };
  for (let i = 1; i < acks.length; i++) close(acks.endedAt(i - 1), acks.endedAt(i));
  close(acks.length === 0 ? ledger.began : acks.endedAt(acks.length - 1), null);
  return gaps;
}

/** The longest time that one single client waited between two of its acknowledgements, ms; 0: none had two. */
export function slowestClient(acks: Acks): number {
  const last = new Map<number, number>();
  let slowest = 0;
  for (const { writer, ended } of acks) {
    slowest = Math.max(slowest, ended - (last.get(writer) ?? ended));
    last.set(writer, ended);
  }
  return slowest;
}
