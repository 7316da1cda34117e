// The witness of one round: clients that write all along, and at the end the verdict on what every node holds.
import type { NodeEnd, LedgerCounts } from "./result.ts";
import { LedgerRun } from "./ledger-run.ts";
import { createLedgerTable, judge, type Archive } from "./ledger-rows.ts";
import { type Stall } from "./ledger.ts";
import type { Writes } from "./stage.ts";
import type { Target } from "./target.ts";
import { violationsOf } from "./verdict.ts";
import type { AckRange, Gap } from "./verdict-acks.ts";
import { endOf } from "./node-end.ts";

export type Judgement = {
  readonly counts: LedgerCounts;
  /** Empty: none. */
  readonly violations: readonly string[];
  /** Times without acknowledgement, on the drill's clock. */
  readonly gaps: readonly Gap[];
  readonly ranges: readonly AckRange[];
  readonly stalls: readonly Stall[];
  readonly nodes: readonly NodeEnd[];
};

export type Witness = AsyncDisposable &
  Writes & {
    /** Ends the clients and judges; `began`: when the round did. Errors: a node does not answer, the client died. */
    judge(began: number): Promise<Judgement>;
  };

/** Of what is wrong, named in the verdict. */
const EXAMPLES = 5;

/** Two clients that write rows, two that move money, one that reads. */
const LOAD = { connections: 2, everyMs: 10, transferrers: 2, transferEveryMs: 40 } as const;

const archives = new WeakMap<Target, Archive>();

/** What earlier rounds on this cluster were promised. */
function archiveOf(target: Target): Archive {
  const archive = archives.get(target) ?? new Map();
  archives.set(target, archive);
  return archive;
}

/** Resolves when the clients run; the first acknowledgement is the caller's to wait for. */
export async function startWitness(target: Target): Promise<Witness> {
  const account = await target.account();
  const { state, rows } = await target.see();
  const primary = rows.find(({ uuid }) => uuid === state?.primary);
  const at = target.nodes.find(({ name }) => name === primary?.node);
  if (at === undefined) throw new Error("there is no primary to write to");
  await createLedgerTable(at.address, account);
  const addresses = target.nodes.map(({ address }) => address);
  const marker = await target.marker();
  const localAddress = target.clientAddress;
  const run = new LedgerRun({ ...account, ...LOAD, addresses, marker, localAddress });
  return {
    ackedSentAt: () => run.lastAcked?.sent ?? null,
    async judge(began) {
      const ledger = await run.finish();
      // First the nodes: what they still apply is waited for.
      const nodes: NodeEnd[] = [];
      for (const { name } of target.nodes) nodes.push(await endOf(target, name, began));
      const all = target.nodes.map(({ name, address }) => ({ name, ...address }));
      const verdict = await judge(ledger, all, {
        account,
        reigns: null,
        archive: archiveOf(target),
      });
      const { counts, gaps, ranges, stalls } = verdict;
      const torn = nodes.filter((node) => node.state === "diverged");
      const apart = torn.map(({ node, evidence }) => `${node} did not converge: ${evidence}`);
      const examples = [...verdict.lost, ...verdict.doubled, ...verdict.invented].slice(
        0,
        EXAMPLES,
      );
      const which = examples.map(({ writer, seq, node }) => `write ${writer}:${seq} on ${node}`);
      const violations = [...violationsOf(counts), ...which, ...apart];
      return { counts, violations, gaps, ranges, stalls, nodes };
    },
    [Symbol.asyncDispose]: () => run[Symbol.asyncDispose](),
  };
}
