// Tests on a real cluster. It is taken down whatever the tests did, also when one ran out of time; what its nodes said
// last is printed with each failure.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LedgerRun } from "../../recipes/mysql/drills/ledger-run.ts";
import { acknowledges, Cluster, type ClusterOptions } from "./harness.ts";
import type { UpOptions } from "./up.ts";

/** All waits inside are bounded, and shorter: this one only ends a test whose own waits are broken. */
const STORY_LIMIT_MS = 5 * 60_000;
const CLEAN_UP_LIMIT_MS = 2 * 60_000;

/** A test with a cluster directory of its own; nothing runs in it yet. */
export function story(
  title: string,
  options: ClusterOptions,
  tell: (cluster: Cluster) => Promise<void>,
): void {
  test(title, { timeout: STORY_LIMIT_MS }, async ({ onTestFinished }) => {
    const cluster = await Cluster.prepare(options);
    onTestFinished(async ({ task }) => {
      if (task.result?.state === "fail") console.error(await cluster.lastWords());
      await cluster[Symbol.asyncDispose]();
    }, CLEAN_UP_LIMIT_MS);
    await tell(cluster);
  });
}

/** One cluster for all stories of a file: each begins with a whole cluster and a new ledger, and ends in the verdict. */
export function sharedCluster(
  options: ClusterOptions = {},
  /** What has to be there before it starts, such as a Consul of its own. */
  before: (cluster: Cluster) => Promise<Partial<UpOptions>> = async () => ({}),
) {
  let cluster: Cluster | undefined;
  beforeAll(async () => {
    cluster = await Cluster.prepare(options);
    try {
      await cluster.start(await before(cluster));
    } catch (error) {
      console.error(await cluster.lastWords());
      throw error;
    }
  }, STORY_LIMIT_MS);
  afterAll(() => cluster?.[Symbol.asyncDispose](), CLEAN_UP_LIMIT_MS);

  return function told(
    title: string,
    tell: (cluster: Cluster, run: LedgerRun) => Promise<void>,
    /** Another end than the standard verdict, for a story that brings its own. */
    end: (cluster: Cluster, run: LedgerRun) => Promise<void> = expectVerdict,
  ): void {
    test(title, { timeout: STORY_LIMIT_MS }, async ({ onTestFailed }) => {
      if (cluster === undefined) throw new Error("the cluster did not start");
      const present = cluster;
      onTestFailed(async () => console.error(await present.lastWords()), CLEAN_UP_LIMIT_MS);
      await present.whole();
      await using run = await present.ledger();
      await tell(present, run);
      await present.whole();
      if (end === expectVerdict) await acknowledges(run);
      await end(present, run);
    });
  };
}

/** The standard verdict, with the findings themselves in the failure. */
export async function expectVerdict(
  cluster: Cluster,
  run: LedgerRun,
  except: readonly string[] = [],
): Promise<void> {
  const verdict = await cluster.verdict(run, except);
  const { lost, doubled, invented, diverged, halved, vanished, imbalanced, twoAcking } = verdict;
  expect({ lost, doubled, invented, diverged, halved, vanished, imbalanced, twoAcking }).toEqual({
    lost: [],
    doubled: [],
    invented: [],
    diverged: [],
    halved: [],
    vanished: [],
    imbalanced: [],
    twoAcking: [],
  });
  expect(verdict).toMatchObject({ ok: true });
  expect(verdict.counts.acknowledged).toBeGreaterThan(0);
  expectOnePrimaryPerEpoch(cluster);
}

/** As Consul's own history of key `state` tells it: no epoch had two primaries, and epochs only grow. */
export function expectOnePrimaryPerEpoch(cluster: Cluster): void {
  const epochs = cluster.watch.reigns().map(({ epoch }) => epoch);
  expect(epochs).toEqual([...new Set(epochs)].toSorted((a, b) => a - b));
}
