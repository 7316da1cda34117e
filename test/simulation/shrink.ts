// A failing schedule made small: steps are taken away, half of them at once, then one by one, as long as the same rule is
// still broken. Deterministic; bounded by the number of tries.
import type { Schedule } from "./schedule.ts";
import { simulate } from "./simulate.ts";

const TRIES = 150;

export async function shrink(schedule: Schedule, rule: string): Promise<Schedule> {
  let best = schedule;
  let tries = 0;
  const fails = async (steps: Schedule["steps"]): Promise<boolean> => {
    tries += 1;
    return (await simulate({ ...best, steps })).violation?.rule === rule;
  };
  for (
    let size = Math.ceil(best.steps.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = 0; at < best.steps.length && tries < TRIES;) {
      const steps = [...best.steps.slice(0, at), ...best.steps.slice(at + size)];
      if (await fails(steps)) best = { ...best, steps };
      else at += size;
    }
  }
  return best;
}
