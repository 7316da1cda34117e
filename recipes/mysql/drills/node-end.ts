// How a node ended a round: it holds the primary's set and nothing besides, as its own server says; and whether it got
// there with its data, or was set aside and made anew, and where the evidence is.
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../../src/index.ts";
import { monotonicNow } from "./ledger.ts";
import type { NodeEnd } from "./result.ts";
import type { Target } from "./target.ts";

/** Appliers are at most seconds behind, but a server that met a full disk looks again only once a minute. */
const CONVERGES_WITHIN_MS = 120_000;
const LOOK_EVERY_MS = 100;

/** `began`: events of before are another round's. Never throws. */
export async function endOf(
  target: Target,
  node: string,
  began: number,
  limitMs = CONVERGES_WITHIN_MS,
): Promise<NodeEnd> {
  const aside = target
    .events()
    .findLast((event) => event.node === node && event.type === "set-aside" && event.at >= began);
  const why = await whyDifferent(target, node, limitMs);
  if (why !== null) return { node, state: "diverged", evidence: why };
  if (aside === undefined) return { node, state: "converged", evidence: null };
  const kept = await target.evidence(node, began);
  if (kept !== null) return { node, state: "set aside", evidence: `${aside.what} (${kept})` };
  return {
    node,
    state: "diverged",
    evidence: `nothing is kept of what was set aside: ${aside.what}`,
  };
}

/** Null: both hold the same transactions, as of now. A primary that is not there yet is waited for. */
async function whyDifferent(target: Target, node: string, limitMs: number): Promise<string | null> {
  const deadline = monotonicNow() + limitMs;
  for (;;) {
    const why = await difference(target, node).catch(messageOf);
    if (why === null || monotonicNow() > deadline) return why;
    await sleep(LOOK_EVERY_MS);
  }
}

async function difference(target: Target, node: string): Promise<string | null> {
  const { state, rows } = await target.see();
  const primary = rows.find(({ uuid }) => uuid === state?.primary)?.node;
  if (primary === undefined) return "there is no primary to compare it with";
  // Each set is read before the one that has to contain it: heartbeats go on.
  const theirs = await executedOf(target, primary);
  if (!(await isWithin(target, theirs, await executedOf(target, node), node)))
    return `it lacks transactions of ${primary}`;
  const ours = await executedOf(target, node);
  if (!(await isWithin(target, ours, await executedOf(target, primary), primary)))
    return `it holds transactions that ${primary} lacks`;
  return null;
}

async function executedOf(target: Target, node: string): Promise<string> {
  const [row] = await target.query(node, "SELECT @@GLOBAL.gtid_executed AS executed");
  return String(row?.["executed"]).replaceAll(/\s/g, "");
}

/** Asked on `node`, which knows how. */
async function isWithin(
  target: Target,
  subset: string,
  set: string,
  node: string,
): Promise<boolean> {
  const [row] = await target.query(node, `SELECT GTID_SUBSET('${subset}', '${set}') AS within`);
  return row?.["within"] === 1;
}
