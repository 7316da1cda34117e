// Consul's bad days, as steps of a schedule.
import type { Cluster } from "./cluster.ts";
import type { ConsulWeather } from "./sim-consul.ts";
import { destroySession } from "./sim-kv.ts";
import type { ConsulDay } from "./steps.ts";

const WEATHERS: Readonly<Partial<Record<ConsulDay, Partial<ConsulWeather>>>> = {
  slow: { slowMs: 900 },
  lossy: { lost: 0.3 },
  late: { late: 0.3 },
  twice: { twice: 0.3, slowMs: 20 },
  failing: { failing: 0.5 },
  stale: { staleMs: 1_500 },
};

export function consulDay(cluster: Cluster, how: ConsulDay, ms: number): void {
  const { world, consul: it } = cluster;
  if (how === "denied") {
    for (const node of cluster.nodes) deny(cluster, node.name, ms);
    return;
  }
  const weather = WEATHERS[how];
  if (weather !== undefined) {
    const bad = it.bad(weather);
    world.after(ms, null, () => it.over(bad));
    return;
  }
  it.trouble = how === "leaderless" ? "leaderless" : "away";
  world.after(ms, null, () => {
    if (it.trouble === "leaderless") it.elected();
    it.trouble = "none";
    if (how === "restart") it.restarted();
  });
}

/** The node's token is revoked, and given back after `ms`. */
export function deny({ world, consul: it }: Cluster, node: string, ms: number): void {
  it.denied.add(node);
  world.after(ms, null, () => it.denied.delete(node));
}

export function loseSessions({ world, consul: it }: Cluster): void {
  for (const session of Array.from(it.state.sessions.keys())) {
    world.saw("sessions ended");
    it.now(() => destroySession(it, session));
  }
}

/** A cluster whose Consul went back in time asks for a person, and none is simulated: from then on safety is judged. */
export function restoreConsul(cluster: Cluster, to: "snapshot" | "nothing", ms: number): void {
  const { consul: it, judge, world } = cluster;
  it.snapshot();
  const { newestOpened } = judge;
  world.after(ms, null, () => {
    // Within one opened epoch it is not always noticed: the runbook is pause, restore, adopt (§7).
    if (to === "snapshot" && judge.newestOpened === newestOpened) return;
    judge.consulLied = true;
    judge.excuse = "Consul was restored: it waits for a person";
    it.restore(to === "snapshot" ? "snapshot" : "empty");
  });
}
