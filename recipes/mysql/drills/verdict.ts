// The verdict on a ledger, PURE: what the client knows against what each node holds. Every acknowledged write must be
// on every node exactly once, nothing may be there that nobody sent, and one node at a time may acknowledge.
// A checker that never complains proves nothing: test/drills/verdict.test.ts feeds it lost, doubled and invented rows.
import { payloadOf, type Ledger, type Write } from "./ledger.ts";

/** One row as read from one node. */
export type Row = { readonly writer: number; readonly seq: number; readonly payload: string };

/** What one node holds. Nodes that were set aside, and say so, are not asked. */
export type NodeRows = { readonly node: string; readonly rows: readonly Row[] };

/** Who was primary, in order, as the cluster's own history says; `node` is a server_uuid. */
export type Reign = { readonly epoch: number; readonly node: string };

export type Finding = {
  readonly writer: number;
  readonly seq: number;
  /** The node where it was found (or missed). */
  readonly node: string;
};

/** A time without acknowledgements, ms; `to` is null where none came before the ledger ended. */
export type Gap = { readonly from: number; readonly to: number | null; readonly ms: number };

/** Two nodes of which the times prove that both could acknowledge. */
export type TwoAcking = { readonly write: Write; readonly other: Write; readonly why: string };

export type Verdict = {
  readonly ok: boolean;
  /** Counts of writes by outcome. */
  readonly acked: number;
  readonly unknown: number;
  readonly refused: number;
  /** Acknowledged, and not on this node. */
  readonly lost: readonly Finding[];
  /** On this node more than once. */
  readonly doubled: readonly Finding[];
  /** On this node, though never sent, or refused, or with another content. */
  readonly invented: readonly Finding[];
  /** Unknown writes that this node lacks and another one has: the nodes did not converge. */
  readonly diverged: readonly Finding[];
  readonly twoAcking: readonly TwoAcking[];
  /** The longest time without an acknowledgement, ms. */
  readonly outageMs: number;
  /** All gaps above 100 ms, in order. */
  readonly gaps: readonly Gap[];
};

/** A gap that a human would call one; writes come every 5 ms. */
const GAP_MS = 100;

export function verify(
  ledger: Ledger,
  nodes: readonly NodeRows[],
  reigns: readonly Reign[] | null = null,
): Verdict {
  const count = (outcome: Write["outcome"]): number =>
    ledger.writes.filter((write) => write.outcome === outcome).length;
  const rows = judgeRows(ledger, nodes);
  const twoAcking = [...spanned(ledger.writes), ...outOfReign(ledger.writes, reigns)];
  const faults = [...Object.values(rows).flat(), ...twoAcking];
  return {
    ok: faults.length === 0 && nodes.length > 0,
    acked: count("acked"),
    unknown: count("unknown"),
    refused: count("refused"),
    ...rows,
    twoAcking,
    outageMs: Math.max(0, ...gapsOf(ledger, 0).map(({ ms }) => ms)),
    gaps: gapsOf(ledger, GAP_MS),
  };
}

type RowFindings = Pick<Verdict, "lost" | "doubled" | "invented" | "diverged">;

function judgeRows(ledger: Ledger, nodes: readonly NodeRows[]): RowFindings {
  const lost: Finding[] = [];
  const doubled: Finding[] = [];
  const invented: Finding[] = [];
  const diverged: Finding[] = [];
  const sent = new Map(ledger.writes.map((write) => [idOf(write), write]));
  const held = nodes.map(({ node, rows }) => ({ node, counts: countIds(rows), rows }));
  const anywhere = new Set(held.flatMap(({ counts }) => [...counts.keys()]));
  for (const { node, counts, rows } of held) {
    for (const write of ledger.writes) {
      const { writer, seq, outcome } = write;
      const times = counts.get(idOf(write)) ?? 0;
      if (times > 1) doubled.push({ writer, seq, node });
      if (times === 0 && outcome === "acked") lost.push({ writer, seq, node });
      if (times === 0 && outcome === "unknown" && anywhere.has(idOf(write)))
        diverged.push({ writer, seq, node });
    }
    for (const { writer, seq, payload } of rows) {
      const write = sent.get(idOf({ writer, seq }));
      const ours = payload === payloadOf(ledger.run, writer, seq);
      if (write === undefined || write.outcome === "refused" || !ours)
        invented.push({ writer, seq, node });
    }
  }
  return { lost, doubled, invented, diverged };
}

function idOf({ writer, seq }: { readonly writer: number; readonly seq: number }): string {
  return `${writer}:${seq}`;
}

function countIds(rows: readonly Row[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(idOf(row), (counts.get(idOf(row)) ?? 0) + 1);
  return counts;
}

function ackedOf(writes: readonly Write[]): readonly Write[] {
  return writes.filter(({ outcome }) => outcome === "acked").sort((a, b) => a.ended - b.ended);
}

/**
 * A node that stops being primary refuses or cuts its clients. So a connection that acknowledged before and after
 * another node's acknowledgement, by times that do not touch, belonged to a node that could acknowledge all along.
 */
function spanned(writes: readonly Write[]): readonly TwoAcking[] {
  const acked = ackedOf(writes);
  const spans = new Map<number, { first: Write; last: Write }>();
  for (const write of acked) {
    const span = spans.get(write.connection);
    spans.set(write.connection, { first: span?.first ?? write, last: write });
  }
  const found: TwoAcking[] = [];
  const several = [...spans.values()].filter(({ first, last }) => first !== last);
  for (const write of acked)
    for (const { first, last } of several)
      if (first.node !== write.node && first.ended <= write.sent && write.ended <= last.sent)
        found.push({ write, other: last, why: "between two of one connection to another node" });
  return found;
}

/**
 * The nodes that acknowledged, in order of time, must be a walk through the history of primaries. A write that was
 * sent before the next reign's first acknowledgement came may still belong to an earlier one.
 */
function outOfReign(
  writes: readonly Write[],
  reigns: readonly Reign[] | null,
): readonly TwoAcking[] {
  if (reigns === null) return [];
  const found: TwoAcking[] = [];
  // first[i]: the first acknowledgement of reign i; holes are reigns in which this client wrote nothing.
  const first: (Write | undefined)[] = [];
  let at = 0;
  for (const write of ackedOf(writes)) {
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

/** The times without acknowledgement of at least `minMs`, in order. The time before the first one does not count. */
export function gapsOf(ledger: Ledger, minMs: number): readonly Gap[] {
  const times = ackedOf(ledger.writes).map(({ ended }) => ended);
  const gaps: Gap[] = [];
  for (const [i, from] of (times.length === 0 ? [ledger.began] : times).entries()) {
    const to = times[i + 1] ?? null;
    const ms = (to ?? ledger.ended) - from;
    if (ms >= minMs) gaps.push({ from, to, ms });
  }
  return gaps;
}
