// Plays a race from the founding of its cluster to its rest.
import { Violation } from "./judge.ts";
import { unrest } from "./liveness.ts";
import { Stage, type Race } from "./mutant-stage.ts";
import type { Say } from "./node.ts";

export type Played = {
  /** The story was played to its end. */
  readonly ended: boolean;
  readonly violation: Violation | null;
};

const LOAD = { writers: 6, thinkMs: 120, quietMs: 120, readEveryMs: 200 };
/** A story that is not over by then waits for something that never comes. */
const LONGEST_MS = 150_000;
const TO_REST_MS = 60_000;
const REST_MS = 15_000;

/** Plays a race; with the rules in place it ends, nothing is broken, and the cluster comes to rest. */
export async function play(race: Race, seed: number, say: Say | null = null): Promise<Played> {
  const stage = new Stage(race, seed, say);
  const { cluster } = stage;
  const { world, judge } = cluster;
  let ended = false;
  const wrong = (error: unknown): void =>
    judge.broken("bug", error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.on("unhandledRejection", wrong);
  try {
    for (const node of cluster.nodes)
      world.after(world.random.between(0, 500), null, () => node.start());
    cluster.clients.start(LOAD);
    void race.play(stage).then(
      () => (ended = true),
      (error: unknown) => wrong(error),
    );
    while (!ended && world.now < LONGEST_MS) await world.run(world.now + 1_000);
    stage.calm();
    await world.run(world.now + TO_REST_MS - REST_MS);
    const before = cluster.nodes.map((node) => node.ticks);
    await world.run(world.now + REST_MS);
    const why = unrest(cluster, before, REST_MS);
    if (why !== null) judge.broken("liveness", why);
    return { ended, violation: judge.violation };
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { ended, violation: error };
  } finally {
    process.off("unhandledRejection", wrong);
  }
}
