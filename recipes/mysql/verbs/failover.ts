// `autopilot failover [--to NODE]`: an operator's election while there is no primary; says who would win, or why nobody can.
// With --accept-data-loss the override of PROTOCOL §7a: never automatic, recorded for ever.
import { RefusedError, type RecipeVerb, type VerbCall } from "../../../src/index.ts";
import type { Refusal } from "../core/answers.ts";
import { judgeFailover, type Failover } from "../core/override.ts";
import { primaryOf, requireCluster, see } from "../view.ts";
import {
  ask,
  confirm,
  go,
  lossLines,
  outcomeOf,
  publishedIn,
  takeBack,
  type Wish,
} from "./ask-nodes.ts";

type Verdict = Exclude<Failover, Refusal>;

async function run(call: VerbCall): Promise<number> {
  await requireCluster(call.kv, call.cluster);
  await refuseWhileHealthy(call);
  const accept = call.options["acceptDataLoss"] === true;
  const to = text(call.options["to"]);
  const off = text(call.options["primaryIsOff"]);
  call.progress("asking all nodes what they hold");
  const { wish, asked } = await ask(call, { verb: "failover", to, accept, off });
  let recorded = false;
  try {
    const verdict = judgeFailover({ ...asked, to, accept, off });
    if (verdict.kind === "refuse") throw refusal(verdict);
    call.progress(`${verdict.actor.node} is to be elected`);
    if (verdict.kind === "rewrite" && verdict.loss !== null)
      await confirm(call, lossLines(verdict.loss, verdict.actor.node));
    await go(call, wish, { asked, actor: verdict.actor.uuid });
    recorded = call.options["wait"] === false;
    if (recorded) {
      const { id } = wish.intent;
      const actor = verdict.actor.node;
      call.print(call.json ? JSON.stringify({ intent: id, to: actor }) : `recorded ${id}`);
      return 0;
    }
    return await tell(call, wish, verdict);
  } finally {
    if (!recorded) await takeBack(call, wish);
  }
}

const text = (option: string | boolean | undefined): string | null =>
  typeof option === "string" ? option : null;

/** Before anybody is asked: the usual mistake. */
async function refuseWhileHealthy(call: VerbCall): Promise<void> {
  const seen = await see(call, call.cluster);
  const primary = primaryOf(seen);
  if (primary === null || !seen.locked) return;
  throw new RefusedError("AP_FAILOVER_REFUSED", `${primary.node} is primary and well`, {
    hint: "`autopilot switchover` hands over without losing a write",
  });
}

function refusal({ why, reasons, accept }: Refusal): RefusedError {
  return new RefusedError("AP_FAILOVER_REFUSED", why, {
    reasons,
    ...(accept === null ? {} : { accept, hint: `bring back what is missing; or: ${accept}` }),
  });
}

async function tell(call: VerbCall, wish: Wish, verdict: Verdict): Promise<number> {
  const outcome = await outcomeOf(call, wish);
  if (!outcome.ok)
    throw new RefusedError("AP_FAILOVER_REFUSED", outcome.says, { reasons: [outcome.says] });
  const seen = await see(call, call.cluster);
  const loss = verdict.kind === "rewrite" ? verdict.loss : null;
  const primary = publishedIn(seen);
  const done = { ok: true, primary, epoch: seen.state?.epoch ?? null, loss };
  call.print(call.json ? JSON.stringify(done) : outcome.says);
  return 0;
}

export const failover: RecipeVerb = {
  name: "failover",
  summary: "elect a primary now, while there is none; a living one is handed over by switchover",
  options: {
    "--to <node>": "the node to elect (default: the best one)",
    "--accept-data-loss": "also where too few voters are left to prove that nothing is lost",
    "--primary-is-off <node>": "your word that the last primary is switched off",
    "--yes": "do not ask on the terminal before data may be lost",
    "--no-wait": "do not wait for the outcome",
  },
  run,
};
