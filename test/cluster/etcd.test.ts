// The MySQL recipe on a real etcd: the election, the deaths of a primary, and an etcd that is away for a while.
import { expect } from "vitest";
import { acknowledges } from "./harness.ts";
import { Etcd } from "./etcd.ts";
import { expectVerdict, story } from "./story.ts";
import { until } from "./until.ts";

story(
  "three nodes on etcd survive the death of their primary and a restart of etcd, and nothing is lost",
  {},
  async (cluster) => {
    await using etcd = await Etcd.prepare(cluster.dir, cluster.basePort + 90);
    await etcd.start();
    await cluster.start({ consul: etcd.url });
    await cluster.whole();
    // A modest load: a rebuilt node has to catch up with it, also on a busy machine.
    await using run = await cluster.ledger({ everyMs: 50, transferrers: 1 });

    // Agent and mysqld at once: nobody gives the lock back, it falls with the session or by the voters' word.
    const before = await cluster.primary();
    const { epoch } = await cluster.status();
    const killed = await cluster.kill(before.name);
    await acknowledges(run, killed);
    await until("a newer epoch", () => cluster.watch.openedAfter(epoch));
    const now = await cluster.primary();
    expect(now.name).not.toBe(before.name);
    await cluster.must("node", "start", before.name);
    await cluster.whole();
    expect(await cluster.node(before.name)).toMatchObject({ role: "replica", voter: true });

    // etcd away: the primary stays by its acknowledged heartbeats, in its epoch, also when etcd is back.
    const settled = await cluster.status();
    await etcd.stop();
    await until("the primary goes on without etcd", async () => {
      const { alerts } = await cluster.ownWords(now);
      return alerts.some((alert) => alert.startsWith("AP_FAILSAFE"));
    });
    await acknowledges(run);
    await etcd.start();
    await until("it is no emergency any more", async () => {
      const { alerts } = await cluster.ownWords(now);
      return !alerts.some((alert) => alert.startsWith("AP_FAILSAFE"));
    });
    await cluster.whole();
    expect(await cluster.status()).toMatchObject({ epoch: settled.epoch, primary: now.name });

    await cluster.must("switchover", "--to", before.name);
    await acknowledges(run);
    expect((await cluster.primary()).name).toBe(before.name);
    await cluster.whole();
    await expectVerdict(cluster, run);
  },
);
