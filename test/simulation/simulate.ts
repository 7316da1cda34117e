// Runs one schedule from the founding of the cluster to its end: faults, heal, and then it must have come to rest.
import { Cluster } from "./cluster.ts";
import { happen } from "./faults.ts";
import { unwish } from "./wishes.ts";
import { KEYS } from "./cluster.ts";
import { Violation } from "./judge.ts";
import type { Say } from "./node.ts";
import { END_AT_MS, HEAL_AT_MS, type Schedule } from "./schedule.ts";
import { noPrimary, unrest } from "./liveness.ts";

export type Outcome = {
  readonly violation: Violation | null;
  readonly at: number;
  readonly cluster: Cluster;
};

/** The last stretch, in which nothing but routine may happen. */
const REST_MS = 15_000;
/** A marker that nobody acknowledged is given up after 30 s; an election and a restart come on top. */
const PRIMARY_WITHIN_MS = 45_000;
const LOAD = { writers: 4, thinkMs: 500, quietMs: 2_000, readEveryMs: 700 };
/** How long after a step the writers write more: a fault tells where writes are under way. */
const BUSY_MS = 6_000;

export async function simulate(schedule: Schedule, say: Say | null = null): Promise<Outcome> {
  const { seed, nodes, durability, tags = {}, steps } = schedule;
  const told: Say | null =
    say && ((node, line) => say(node, `${(cluster.world.now / 1_000).toFixed(3)} ${line}`));
  const cluster: Cluster = new Cluster({ seed, nodes, durability, tags, say: told });
  const { world, judge } = cluster;
  const onRejection = (error: unknown): void =>
    judge.broken(
      "bug",
      `unhandled rejection: ${error instanceof Error ? error.stack : String(error)}`,
    );
  process.on("unhandledRejection", onRejection);
  const { stackTraceLimit } = Error;
  // Thousands of errors are part of a run; where a bug is, says the run that is told aloud.
  if (say === null) Error.stackTraceLimit = 0;
  try {
    for (const node of cluster.nodes)
      world.after(world.random.between(0, 2_000), null, () => node.start());
    cluster.clients.start(LOAD);
    for (const step of steps)
      world.after(step.at, null, () => {
        told?.("FAULT", JSON.stringify(step));
        cluster.clients.busyUntil = world.now + BUSY_MS;
        happen(cluster, step);
      });
    await world.run(HEAL_AT_MS);
    told?.("FAULT", "everything heals");
    unwish(cluster, KEYS.intent("stop-cluster"));
    unwish(cluster, KEYS.pause);
    cluster.heal();
    await world.run(HEAL_AT_MS + PRIMARY_WITHIN_MS);
    const none = noPrimary(cluster);
    if (none !== null) judge.broken("liveness", none);
    await world.run(END_AT_MS - REST_MS);
    const before = cluster.nodes.map((n) => n.ticks);
    await world.run(END_AT_MS);
    const why = unrest(cluster, before, REST_MS);
    if (why !== null) judge.broken("liveness", why);
    return { violation: judge.violation, at: world.now, cluster };
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { violation: error, at: world.now, cluster };
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    process.off("unhandledRejection", onRejection);
  }
}
