// `autopilot schedule`: when backups and verifications run next.
import type { RecipeVerb, VerbCall } from "../../../src/index.ts";
import { readBackups } from "../backup/read.ts";
import { nextMoments } from "../backup/schedule.ts";
import { requireCluster } from "../view.ts";
import { table } from "./table.ts";

const SHOWN = 5;

async function run(call: VerbCall): Promise<number> {
  await requireCluster(call.kv, call.cluster);
  const { plan, nextAt, nextVerifyAt, now } = await readBackups(call, call.cluster);
  if (plan === null) {
    call.print(
      call.json ? JSON.stringify({ configured: false, runs: [] }) : "no backups are configured",
    );
    return 0;
  }
  const { delayMs } = plan;
  // What is late comes as soon as it can; from then on as the schedule says.
  const runs = (what: string, schedule: string | null, next: number | null) =>
    schedule === null || next === null
      ? []
      : [
          next,
          ...nextMoments(schedule, Math.max(next, now), SHOWN - 1).map((at) => at + delayMs),
        ].map((at) => ({ what, at: new Date(at).toISOString(), schedule }));
  const all = [
    ...runs("backup", plan.schedule, nextAt),
    ...runs("verification", plan.verify, nextVerifyAt),
  ].toSorted((a, b) => (a.at < b.at ? -1 : 1));
  if (call.json) call.print(JSON.stringify({ configured: true, to: plan.to, delayMs, runs: all }));
  else
    call.print(
      table(
        ["AT (UTC)", "WHAT", "BY"],
        all.map(({ at, what, schedule }) => [at, what, schedule]),
      ),
    );
  return 0;
}

export const schedule: RecipeVerb = {
  name: "schedule",
  summary: "when backups and verifications run next",
  options: {},
  run,
};
