// What three nodes cost while nothing happens: CPU and memory of each agent and each mysqld, and requests to Consul,
// counted by a proxy between the agents and a real Consul server.
import { setTimeout as sleep } from "node:timers/promises";
import { Consul, FAST } from "../test/cluster/consul.ts";
import { Cluster } from "../test/cluster/harness.ts";
import { cpuSeconds, rssMb } from "./process-cost.ts";
import { CountingProxy } from "./proxy.ts";
import { round } from "./statistics.ts";
import type { Progress } from "./outage.ts";

/** `seconds` of a whole cluster without load; nothing asks it anything meanwhile. */
export async function benchIdle(seconds: number, progress: Progress): Promise<unknown> {
  await using cluster = await Cluster.prepare();
  await using consul = await Consul.prepare(cluster.dir, cluster.basePort + 90, FAST);
  await consul.start();
  await using proxy = await CountingProxy.start(consul.url);
  await cluster.launch({ consul: proxy.url }).ready();
  const { nodes } = await cluster.whole();
  progress(`idle: the cluster is whole, looking at it for ${seconds} s`);
  const pids = nodes.flatMap(({ name, pid, mysqldPid }) => [
    { what: `${name} agent`, pid: pid ?? 0 },
    { what: `${name} mysqld`, pid: mysqldPid ?? 0 },
  ]);
  const before = pids.map(({ pid }) => cpuSeconds(pid));
  proxy.counts.clear();
  const begin = performance.now();
  await sleep(seconds * 1000); // the measurement itself
  const took = (performance.now() - begin) / 1000;
  const requests = proxy.total / took / nodes.length;
  const byKind = [...proxy.counts].map(([kind, count]) => [kind, round(count / took)]);
  const processes = pids.map(({ what, pid }, i) => ({
    what,
    cpuPercent: Math.round(((cpuSeconds(pid) - (before[i] ?? 0)) / took) * 10_000) / 100,
    rssMb: rssMb(pid),
  }));
  return {
    seconds: round(took),
    processes,
    consulRequestsPerSecondPerNode: Math.round(requests * 100) / 100,
    consulRequestsPerSecond: Object.fromEntries(byKind) as Record<string, number>,
  };
}
