// The reader beside the writers: what it saw on an open primary must stay (property 3), and at every moment the balances
// sum up to nothing. It looks at the node that acknowledged last. `read_only` is read in the same statement: what a closed
// node shows, e.g. the tail that crash recovery brought back, was never promised to anybody.
import { setTimeout as sleep } from "node:timers/promises";
import { ask, connect, type Address, type Open } from "./ledger-client.ts";
import {
  ACCOUNT_TABLE,
  LEDGER_TABLE,
  monotonicNow,
  type Outcome,
  type WriterConfig,
  type WriterLine,
} from "./ledger.ts";

/** What the writers have out, and where they stand; shared by all loops of this process. */
export type Desk = {
  stopping: boolean;
  /** Who acknowledged last. */
  at: Address | null;
  /** Sent, outcome not known yet. True: the reader saw it already, on this node, at this time. */
  readonly pending: Map<string, { readonly node: string; readonly at: number } | null>;
  /** Not acknowledged, newest last: bounded, a row that shows up later than that is the verdict's. */
  readonly doubtful: Set<string>;
  print(line: WriterLine): void;
};

const DOUBTFUL_KEPT = 10_000;
/** Rows become visible in the order of their commits, not of their keys: this many are looked at again. */
const LOOK_BACK = 500;
const LOOK_AT = 2_000;

export function freshDesk(print: Desk["print"]): Desk {
  return { stopping: false, at: null, pending: new Map(), doubtful: new Set(), print };
}

/** A write's outcome is known: what was seen of it counts where it was not acknowledged. */
export function settle(desk: Desk, id: string, outcome: Outcome): void {
  const sight = desk.pending.get(id);
  desk.pending.delete(id);
  if (outcome === "acked") return;
  if (sight) tell(desk, id, sight);
  else desk.doubtful.add(id);
  const [oldest] = desk.doubtful;
  if (desk.doubtful.size > DOUBTFUL_KEPT && oldest !== undefined) desk.doubtful.delete(oldest);
}

function tell(desk: Desk, id: string, sight: { readonly node: string; readonly at: number }): void {
  const [writer = 0, seq = 0] = id.split(":").map(Number);
  desk.print({ line: "seen", seen: { writer, seq, ...sight } });
}

function see(desk: Desk, id: string, sight: { readonly node: string; readonly at: number }): void {
  if (desk.pending.get(id) === null) desk.pending.set(id, sight);
  if (desk.doubtful.delete(id)) tell(desk, id, sight);
}

const ROWS = `SELECT @@GLOBAL.read_only AS closed, pk, CONCAT(writer, ':', seq) AS id FROM ${LEDGER_TABLE}
 WHERE pk > ? ORDER BY pk LIMIT ${LOOK_AT}`;
const SUM = `SELECT @@GLOBAL.read_only AS closed, SUM(balance) AS total FROM ${ACCOUNT_TABLE}`;

type Row = { readonly closed: number; readonly pk: number; readonly id: string };
type Sum = { readonly closed: number; readonly total: string | null };

export async function readAll(config: WriterConfig, desk: Desk): Promise<void> {
  let open: Open | null = null;
  let at: Address | null = null;
  let newest = 0;
  while (!desk.stopping) {
    await sleep(config.readEveryMs);
    if (desk.at === null) continue;
    if (at !== desk.at || open === null) {
      open?.connection.destroy();
      at = desk.at;
      open = await connect(config, at);
      newest = open === null ? newest : await newestOf(open, config.hangLimitMs);
      continue;
    }
    const last: number | null = await look(config, desk, open, newest);
    newest = last ?? newest;
    if (last === null) {
      open.connection.destroy();
      open = null;
    }
  }
  open?.connection.destroy();
}

/** Reading begins at the end of what other runs left in the table. */
async function newestOf(open: Open, ms: number): Promise<number> {
  try {
    const rows = await ask(open, `SELECT MAX(pk) AS pk FROM ${LEDGER_TABLE}`, [], ms);
    return (rows as { pk: number | null }[] | null)?.[0]?.pk ?? 0;
  } catch {
    return 0; // The connection is lost: the next look finds that out.
  }
}

/** One look; the newest key seen, or null when the node did not answer. */
async function look(
  config: WriterConfig,
  desk: Desk,
  open: Open,
  newest: number,
): Promise<number | null> {
  const { node } = open;
  try {
    const from = Math.max(0, newest - LOOK_BACK);
    const rows = (await ask(open, ROWS, [from], config.hangLimitMs)) as Row[] | null;
    const at = monotonicNow();
    for (const { closed, id } of rows ?? []) if (closed === 0) see(desk, id, { node, at });
    const sums = (await ask(open, SUM, [], config.hangLimitMs)) as Sum[] | null;
    if (rows === null || sums === null) return null;
    const total = Number(sums[0]?.total ?? Number.NaN);
    if (sums[0]?.closed === 0 && total !== 0)
      desk.print({ line: "sum", sum: { node, at: monotonicNow(), total } });
    return rows.at(-1)?.pk ?? newest;
  } catch {
    return null; // Killed, cut or restarted: the reader asks whoever acknowledges next.
  }
}
