// `autopilot stop`: the whole cluster, in order. A local one is stopped by the `up` that runs it; one that was found
// through Consul alone gets the wish recorded, and its agents carry it out.
import { UnavailableError } from "../errors.ts";
import type { UpFacts } from "../local/orders.ts";
import { isRunning } from "../local/process.ts";
import { realClock as clock } from "../runtime/clock.ts";
import { connectStore } from "../store.ts";
import { findCluster } from "./find-cluster.ts";
import { askUp } from "./node.ts";
import type { Globals } from "./program.ts";

// Longer than `up` itself waits before it kills.
const STOP_WITHIN_MS = 180_000;
const LOOK_EVERY_MS = 100;

export async function stopCluster(globals: Globals): Promise<number> {
  const found = await findCluster(globals, process.env);
  const say = (stopped: boolean, text: string): number => {
    const told = { cluster: found.name, stopped };
    process.stdout.write(`${globals.json ? JSON.stringify(told) : text}\n`);
    return 0;
  };
  if (found.local !== null) {
    const facts = await askUp<UpFacts>(found.local, { method: "POST", path: "/v1/stop" });
    await ended(facts.pid);
    return say(true, `the cluster in ${found.local.dir} stopped`);
  }
  const consul = await connectStore(found.store);
  try {
    await found.recipe.stopCluster(consul.kv, found.name);
  } finally {
    consul.close();
  }
  return say(false, `the wish to stop ${found.name} is recorded; its nodes stop now`);
}

async function ended(pid: number): Promise<void> {
  const deadline = clock.now() + STOP_WITHIN_MS;
  while (isRunning(pid)) {
    if (clock.now() > deadline)
      throw new UnavailableError("AP_OUTCOME_TIMEOUT", `\`up\` (pid ${pid}) still runs`);
    await clock.sleep(LOOK_EVERY_MS);
  }
}
