// On a real Consul 1.8.7: the first election from the very first key on, and a Consul that comes late and goes away.
import { expect } from "vitest";
import { Consul } from "./consul.ts";
import { acknowledges } from "./harness.ts";
import { expectOnePrimaryPerEpoch, expectVerdict, story } from "./story.ts";
import { until } from "./until.ts";

story(
  "three nodes that start at once, before Consul does, elect one primary, which a restart of Consul does not move",
  {},
  async (cluster) => {
    await using consul = await Consul.prepare(cluster.dir, cluster.basePort + 90);
    cluster.watchState(consul.url);

    // Without Consul: it waits, and says what for.
    const up = cluster.launch({ consul: consul.url });
    await until("`up` says that it waits for Consul", () =>
      JSON.stringify(up.lines).includes("waiting for it"),
    );
    expect(up.exited).toBe(false);
    await consul.start();
    await up.ready();

    // The first election, as Consul saw it: one primary in all, and one open at the end.
    expectOnePrimaryPerEpoch(cluster);
    expect(new Set(cluster.watch.reigns().map(({ node }) => node)).size).toBe(1);
    expect(cluster.watch.seen.filter(({ phase }) => phase === "open").length).toBeGreaterThan(0);
    const { nodes } = await cluster.whole();
    expect(nodes.filter(({ writable }) => writable)).toHaveLength(1);

    // Consul restarted with its data: the session is lost, the primary takes the lock again within its epoch.
    await using run = await cluster.ledger();
    const before = await cluster.status();
    const lock = `autopilot/${before.cluster}/leader`;
    const session = await consul.holder(lock);
    expect(session).not.toBeNull();
    await consul.stop();
    await acknowledges(run);
    await consul.start();
    await until("the lock is held by a new session", async () => {
      const holder = await consul.holder(lock);
      return holder !== null && holder !== session;
    });
    await cluster.whole();
    await acknowledges(run);
    expect(await cluster.status()).toMatchObject({ epoch: before.epoch, primary: before.primary });
    await expectVerdict(cluster, run);
  },
);
