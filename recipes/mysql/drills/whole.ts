// A whole cluster: one open primary that holds the lock, every node in its place and alive, the wished voters and
// acknowledgements. What each round begins with, and has to end with.
import { primaryOf, type Seen } from "../view.ts";
import type { Target } from "./target.ts";

/** Defaults of the policy `durability`. */
const VOTERS = 3;
const ACKS = 1;
/** A replica that is further behind has not caught up. */
const LAG_SECONDS = 2;

/** Null: it is whole. Errors: UnavailableError. */
export async function whyNotWhole(target: Target): Promise<string | null> {
  const seen = await target.see();
  const { state, rows } = seen;
  const primary = primaryOf(seen);
  if (state === null || primary === null) return `no primary: ${sentences(seen)}`;
  if (!seen.locked) return `${primary.node} does not hold the lock`;
  const voters = Math.min(target.nodes.length, VOTERS);
  const acks = Math.min(ACKS, voters - 1);
  for (const { name } of target.nodes) {
    const row = rows.find(({ node }) => node === name);
    if (row === undefined) return `${name} has no record`;
    if (target.processes(name).length < 2) return `${name} does not run: ${row.says}`;
    if (row.epoch !== state.epoch) return `${name} is at epoch ${row.epoch}: ${row.says}`;
    if (row === primary) continue;
    const lag = row.lagSeconds;
    if (row.role !== "replica" || lag === null || lag > LAG_SECONDS)
      return `${name} does not replicate: ${row.says}`;
  }
  if (state.voters.length !== voters) return `${state.voters.length} voters of ${voters}`;
  return state.acks === acks ? null : `acks ${state.acks} of ${acks}`;
}

function sentences({ rows }: Seen): string {
  return rows.map(({ node, says }) => `${node}: ${says}`).join("; ");
}
