// The verdict on a ledger, PURE: what the clients know against what each node holds. Every acknowledged write must be
// on every node exactly once, a transfer whole or not at all, what a reader of the primary saw must stay, nothing may be
// there that nobody sent, and one node at a time may acknowledge.
// A checker that never complains proves nothing: test/drills/verdict.test.ts feeds it every kind of fault, one at a time.
import type { Ledger, Stall } from "./ledger.ts";
import { logOf, type WriteLog } from "./ledger-log.ts";
import type { LedgerCounts } from "./result.ts";
import {
  acksOf,
  gapsIn,
  outOfEpoch,
  outOfReign,
  spanned,
  talliesOf,
  type AckRange,
  type Gap,
  type Reign,
  type TwoAcking,
} from "./verdict-acks.ts";
import {
  openRowCase,
  type Balance,
  type Digest,
  type Finding,
  type Imbalance,
  type Row,
} from "./verdict-rows.ts";
import { atOnce, type Steps } from "./verdict-steps.ts";

/** What one node holds. Nodes that were set aside, and say so, are not asked. */
export type NodeRows = {
  readonly node: string;
  readonly rows: readonly Row[];
  /** Null: the accounts are not judged. */
  readonly balances: readonly Balance[] | null;
};

/** Lists are examples where there are very many; `counts` are exact. */
export type Verdict = {
  readonly ok: boolean;
  readonly counts: LedgerCounts;
  readonly lost: readonly Finding[];
  readonly doubled: readonly Finding[];
  readonly invented: readonly Finding[];
  readonly diverged: readonly Finding[];
  readonly halved: readonly Finding[];
  readonly vanished: readonly Finding[];
  readonly imbalanced: readonly Imbalance[];
  readonly twoAcking: readonly TwoAcking[];
  /** Who acknowledged in which epoch, from when to when. */
  readonly ranges: readonly AckRange[];
  /** The longest time without an acknowledgement to anybody, ms. */
  readonly outageMs: number;
  /** The longest time that one client went without. */
  readonly slowestClientMs: number;
  /** All gaps above 100 ms, in order. */
  readonly gaps: readonly Gap[];
  /** Times at which the client itself did not run. */
  readonly stalls: readonly Stall[];
};

/** A gap that a human would call one; writes come every 5 ms. */
const GAP_MS = 100;

export type Case = {
  node(node: string): void;
  row(node: string, row: Row): void;
  balances(node: string, balances: readonly Balance[]): void;
  older(node: string, before: Digest, now: Digest | null): void;
  /** Once, when every node's rows were given. */
  close(reigns: readonly Reign[] | null): Steps<Verdict>;
};

/** For rows that come in pages; `verify` is the same for rows that are all here. */
export function openCase(ledger: Ledger): Case {
  const log = logOf(ledger.writes);
  const rows = openRowCase(ledger, log);
  const nodes = new Set<string>();
  const known = (node: string): void => {
    if (!nodes.has(node)) rows.node(node);
    nodes.add(node);
  };
  return {
    node: known,
    row: (node, row) => (known(node), rows.row(node, row)),
    balances: (node, balances) => (known(node), rows.balances(node, balances)),
    older: (node, before, now) => (known(node), rows.older(node, before, now)),
    *close(reigns) {
      const acks = yield* acksOf(log);
      const twoAcking = [
        ...(yield* spanned(acks)),
        ...(yield* outOfEpoch(acks, rows.authorOf)),
        ...(yield* outOfReign(acks, reigns)),
      ];
      const gaps = yield* gapsIn(acks, ledger, GAP_MS);
      const tallies = yield* talliesOf(acks, ledger, rows.authorOf);
      const { lost, doubled, invented, diverged, halved, vanished, imbalanced } =
        yield* rows.close();
      const counts: LedgerCounts = {
        ...outcomesOf(log),
        lost: lost.count(),
        doubled: doubled.count(),
        invented: invented.count(),
        diverged: diverged.count(),
        vanished: vanished.count(),
        imbalanced: imbalanced.count() + halved.count(),
        twoAcknowledging: twoAcking.length,
      };
      return {
        ok: violationsOf(counts).length === 0 && nodes.size > 0,
        counts,
        lost: lost.examples,
        doubled: doubled.examples,
        invented: invented.examples,
        diverged: diverged.examples,
        halved: halved.examples,
        vanished: vanished.examples,
        imbalanced: imbalanced.examples,
        twoAcking,
        ...tallies,
        gaps,
        stalls: ledger.stalls,
      };
    },
  };
}

export function verify(
  ledger: Ledger,
  nodes: readonly NodeRows[],
  reigns: readonly Reign[] | null = null,
): Verdict {
  const one = openCase(ledger);
  for (const { node, rows, balances } of nodes) {
    one.node(node);
    for (const row of rows) one.row(node, row);
    if (balances !== null) one.balances(node, balances);
  }
  return atOnce(one.close(reigns));
}

type Outcomes = Pick<LedgerCounts, "acknowledged" | "unknown" | "refused">;

function outcomesOf(log: WriteLog): Outcomes {
  const counts = { acked: 0, unknown: 0, refused: 0 };
  for (let at = 0; at < log.length; at++) counts[log.outcomeAt(at)]++;
  return { acknowledged: counts.acked, unknown: counts.unknown, refused: counts.refused };
}

/** Each kind of violation in words: why a round failed. Empty: none. */
export function violationsOf(counts: LedgerCounts): readonly string[] {
  const { lost, doubled, invented, diverged, vanished, imbalanced, twoAcknowledging } = counts;
  const kinds: readonly (readonly [number, string])[] = [
    [lost, "acknowledged writes are missing"],
    [doubled, "writes were applied twice"],
    [invented, "rows are there that nobody sent"],
    [diverged, "rows are on one node and not on another"],
    [vanished, "rows were seen on the primary and are gone"],
    [imbalanced, "transfers or balances are torn"],
    [twoAcknowledging, "acknowledgements prove two nodes that could acknowledge"],
  ];
  return kinds.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
}
