// What each node holds against what the clients know, PURE and one row at a time, because a long drill's rows do not fit
// into memory at once. Two bytes per write and node are all that is kept.
import { ACCOUNTS, legsOf, payloadOf, type Ledger } from "./ledger.ts";
import type { WriteLog } from "./ledger-log.ts";
import { isTurn, type Steps } from "./verdict-steps.ts";

/** One row as read from one node. */
export type Row = {
  readonly writer: number;
  readonly seq: number;
  /** 0: a single row; 1 and 2: the legs of a transfer. */
  readonly part: number;
  readonly account: number | null;
  readonly amount: number;
  readonly payload: string;
  /** server_uuid of the node that executed it, as that node itself wrote it into the row. */
  readonly server: string;
  /** The reign in which it was executed; null where the markers' uuid was not known. */
  readonly epoch: number | null;
};

/** An account on one node, and the sum of all that was ever booked to it, read in one statement. */
export type Balance = {
  readonly account: number;
  readonly balance: number;
  readonly booked: number;
};

export type Finding = {
  readonly writer: number;
  /** 0: one of the rows of an earlier ledger, which is known by its digest only. */
  readonly seq: number;
  /** The node where it was found (or missed). */
  readonly node: string;
};

/** All rows of one writer in two numbers: how many, and the sum of their checksums. */
export type Digest = { readonly writer: number; readonly rows: number; readonly sum: string };

/** Balances that are not what was booked: `account` is null where it is about all of them. */
export type Imbalance = {
  readonly node: string;
  readonly account: number | null;
  readonly what: string;
};

/** Examples are bounded: a cluster that lost a million rows is as wrong as one that lost a thousand. */
const MOST_EXAMPLES = 1_000;

/** Examples, and how many there are in all. */
export type Findings<T> = {
  readonly examples: readonly T[];
  count(): number;
  /** `times`: of so many this is the example. */
  add(one: T, times?: number): void;
};

function findings<T>(): Findings<T> {
  const examples: T[] = [];
  let count = 0;
  return {
    examples,
    count: () => count,
    add(one, times = 1) {
      count += times;
      if (examples.length < MOST_EXAMPLES) examples.push(one);
    },
  };
}

export type RowFindings = {
  /** Acknowledged, and not on this node. */
  readonly lost: Findings<Finding>;
  /** On this node more than once. */
  readonly doubled: Findings<Finding>;
  /** On this node, though never sent, or refused, or with another content. */
  readonly invented: Findings<Finding>;
  /** Unknown writes that this node lacks and another one has: the nodes did not converge. */
  readonly diverged: Findings<Finding>;
  /** Transfers of which this node has one leg. */
  readonly halved: Findings<Finding>;
  /** Seen on the open primary, and not on this node. */
  readonly vanished: Findings<Finding>;
  readonly imbalanced: Findings<Imbalance>;
};

/** Who executed the write at a position, and in which epoch; null: no node's row says. */
export type Author = { readonly server: string; readonly epoch: number | null };

export type RowCase = {
  /** Also for a node that holds no rows at all: a node of which nothing was said is not judged. */
  node(node: string): void;
  row(node: string, row: Row): void;
  /** What became on one node of a ledger that was judged before: it must be what it was. */
  older(node: string, before: Digest, now: Digest | null): void;
  /** All accounts of one node. */
  balances(node: string, balances: readonly Balance[]): void;
  authorOf: (position: number) => Author | null;
  /** Once, when all rows were given. */
  close(): Steps<RowFindings>;
};

/** How often each part of each write is on one node. */
type Held = { readonly first: Uint8Array; readonly second: Uint8Array };

type Told = Pick<Ledger, "run" | "transfers" | "seen" | "wrongSums">;

export function openRowCase(ledger: Told, log: WriteLog): RowCase {
  const found = noFindings();
  const transfers = new Set(ledger.transfers);
  const nodes = new Map<string, Held>();
  const authors = new Map<string, Author>();
  const authorAt: (Author | undefined)[] = [];
  const heldBy = (node: string): Held => {
    const held = nodes.get(node) ?? {
      first: new Uint8Array(log.length),
      second: new Uint8Array(log.length),
    };
    nodes.set(node, held);
    return held;
  };
  const noteAuthor = (at: number, { server, epoch }: Row): void => {
    const key = `${server} ${epoch}`;
    const author = authors.get(key) ?? { server, epoch };
    authors.set(key, author);
    authorAt[at] ??= author;
  };
  return {
    node: (node) => void heldBy(node),
    row(node, row) {
      const { writer, seq, part } = row;
      const at = log.find(writer, seq);
      const right = at !== null && log.outcomeAt(at) !== "refused";
      if (!right || !isAsSent(row, ledger.run, transfers))
        found.invented.add({ writer, seq, node });
      if (at === null) return;
      const counts = heldBy(node)[part === 2 ? "second" : "first"];
      counts[at] = Math.min(255, (counts[at] ?? 0) + 1);
      noteAuthor(at, row);
    },
    older(node, before, now) {
      const finding = { writer: before.writer, seq: 0, node };
      const more = (now?.rows ?? 0) - before.rows;
      if (more < 0) found.lost.add(finding, -more);
      else if (more > 0) found.doubled.add(finding, more);
      else if (now?.sum !== before.sum) found.invented.add(finding);
    },
    balances(node, balances) {
      for (const one of wrongOnes(node, balances)) found.imbalanced.add(one);
    },
    authorOf: (at) => authorAt[at] ?? null,
    *close() {
      for (const { node, total } of ledger.wrongSums)
        found.imbalanced.add({ node, account: null, what: `a reader saw a sum of ${total}` });
      yield* judgeWrites(log, transfers, nodes, found);
      judgeSeen(ledger.seen, log, nodes, found);
      return found;
    },
  };
}

function noFindings(): RowFindings {
  return {
    lost: findings(),
    doubled: findings(),
    invented: findings(),
    diverged: findings(),
    halved: findings(),
    vanished: findings(),
    imbalanced: findings(),
  };
}

function isAsSent(row: Row, run: string, transfers: ReadonlySet<number>): boolean {
  const { writer, seq, part, account, amount, payload } = row;
  if (payload !== payloadOf(run, writer, seq)) return false;
  if (!transfers.has(writer)) return part === 0 && account === null && amount === 0;
  const leg = legsOf(writer, seq).find((one) => one.part === part);
  return leg !== undefined && leg.account === account && leg.amount === amount;
}

function wrongOnes(node: string, balances: readonly Balance[]): readonly Imbalance[] {
  const wrong = balances
    .filter(({ balance, booked }) => balance !== booked)
    .map(({ account, balance, booked }) => {
      const what = `the balance is ${balance}, and ${booked} was booked`;
      return { node, account, what };
    });
  const total = balances.reduce((sum, { balance }) => sum + balance, 0);
  const all: Imbalance = { node, account: null, what: `the balances sum up to ${total}` };
  const few: Imbalance = { node, account: null, what: `there are ${balances.length} accounts` };
  return [...wrong, ...(total === 0 ? [] : [all]), ...(balances.length === ACCOUNTS ? [] : [few])];
}

function* judgeWrites(
  log: WriteLog,
  transfers: ReadonlySet<number>,
  nodes: ReadonlyMap<string, Held>,
  found: RowFindings,
): Steps<void> {
  const all = [...nodes];
  for (let at = 0; at < log.length; at++) {
    if (isTurn(at)) yield;
    const outcome = log.outcomeAt(at);
    const [writer, seq] = [log.writerAt(at), log.seqAt(at)];
    const anywhere = all.some(([, { first, second }]) => isThere(first, second, at));
    for (const [node, { first, second }] of all) {
      const there = isThere(first, second, at);
      if ((first[at] ?? 0) > 1 || (second[at] ?? 0) > 1) found.doubled.add({ writer, seq, node });
      if (!there && outcome === "acked") found.lost.add({ writer, seq, node });
      if (!there && outcome === "unknown" && anywhere) found.diverged.add({ writer, seq, node });
      const half = (first[at] === 0) !== (second[at] === 0);
      if (there && half && transfers.has(writer)) found.halved.add({ writer, seq, node });
    }
  }
}

function isThere(first: Uint8Array, second: Uint8Array, at: number): boolean {
  return (first[at] ?? 0) + (second[at] ?? 0) > 0;
}

/** What is lost is said once: a write that was acknowledged later is `lost` where it is missing. */
function judgeSeen(
  seen: Ledger["seen"],
  log: WriteLog,
  nodes: ReadonlyMap<string, Held>,
  found: RowFindings,
): void {
  for (const { writer, seq } of seen) {
    const at = log.find(writer, seq);
    if (at === null || log.outcomeAt(at) === "acked") continue;
    for (const [node, { first, second }] of nodes)
      if (!isThere(first, second, at)) found.vanished.add({ writer, seq, node });
  }
}
