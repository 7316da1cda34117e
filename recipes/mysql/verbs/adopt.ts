// `autopilot adopt [--accept-data-loss]`: makes a Consul that lost its data, or was restored from an old snapshot, this
// cluster's Consul again (PROTOCOL §7a). Without an outage where the primary is still there.
import { RefusedError, type RecipeVerb, type VerbCall } from "../../../src/index.ts";
import { judgeAdoption, type Adoption } from "../core/adoption.ts";
import type { Refusal, Rewrite } from "../core/answers.ts";
import { requireCluster, see } from "../view.ts";
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

async function run(call: VerbCall): Promise<number> {
  await requireCluster(call.kv, call.cluster);
  const accept = call.options["acceptDataLoss"] === true;
  call.progress("asking all nodes what they know");
  const { wish, asked } = await ask(call, { verb: "adopt", to: null, accept });
  let recorded = false;
  try {
    const verdict = judgeAdoption(asked);
    refuseUnless(verdict, accept);
    if (verdict.loss !== null) await confirm(call, lossLines(verdict.loss, verdict.actor.node));
    await go(call, wish, { asked, actor: verdict.actor.uuid });
    recorded = call.options["wait"] === false;
    if (recorded) {
      const { id } = wish.intent;
      call.print(call.json ? JSON.stringify({ intent: id, how: verdict.how }) : `recorded ${id}`);
      return 0;
    }
    return await tell(call, wish, verdict);
  } finally {
    if (!recorded) await takeBack(call, wish);
  }
}

function refuseUnless(verdict: Adoption, accept: boolean): asserts verdict is Rewrite {
  if (verdict.kind === "refuse") throw refusal(verdict);
  if (verdict.how !== "loss" || accept) return;
  throw new RefusedError("AP_ADOPT_REFUSED", "it cannot be proven that nothing would be lost", {
    reasons: verdict.reasons,
    accept: "--accept-data-loss",
    hint: "bring back what is missing; or accept the loss with --accept-data-loss",
  });
}

function refusal({ why, reasons }: Refusal): RefusedError {
  return new RefusedError("AP_ADOPT_REFUSED", why, { reasons });
}

async function tell(call: VerbCall, wish: Wish, { how, loss }: Rewrite): Promise<number> {
  const outcome = await outcomeOf(call, wish);
  if (!outcome.ok)
    throw new RefusedError("AP_ADOPT_REFUSED", outcome.says, { reasons: [outcome.says] });
  const seen = await see(call, call.cluster);
  const primary = publishedIn(seen);
  const done = { ok: true, how, primary, epoch: seen.state?.epoch ?? null, loss };
  call.print(call.json ? JSON.stringify(done) : `adopted: ${outcome.says}`);
  return 0;
}

export const adopt: RecipeVerb = {
  name: "adopt",
  summary: "give a Consul that lost its data, or was restored, this cluster's state again",
  options: {
    "--accept-data-loss": "also where it cannot be proven that nothing is lost",
    "--yes": "do not ask on the terminal before data may be lost",
    "--no-wait": "do not wait for the outcome",
  },
  run,
};
