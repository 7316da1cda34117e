// Whole clusters that end and start again: in order, by Ctrl-C, and by SIGKILL of everything. The data, the cluster id
// and every acknowledged write are there afterwards. One directory lives through all of it.
import { expect } from "vitest";
import type { LedgerRun } from "../../recipes/mysql/drills/ledger-run.ts";
import { acknowledges, type Cluster } from "./harness.ts";
import { agentsOf, killAll, mysqldsOf } from "./processes.ts";
import { expectVerdict, story } from "./story.ts";
import { until } from "./until.ts";

async function clusterId(cluster: Cluster, consul: string): Promise<string> {
  const name = (await cluster.status()).cluster;
  const answer = await fetch(new URL(`/v1/kv/autopilot/${name}/initialize?raw`, consul));
  if (!answer.ok) throw new Error(`no cluster id: Consul answers ${answer.status}`);
  return answer.text();
}

/** Ends the cluster while the ledger is written, and starts it again; then the ledger must be whole. */
async function endAndStart(cluster: Cluster, end: () => Promise<unknown>): Promise<void> {
  await using run: LedgerRun = await cluster.ledger();
  const before = await cluster.status();
  await end();
  await cluster.nothingLeft();
  await cluster.start();
  await cluster.whole();
  await acknowledges(run);
  expect((await cluster.status()).epoch).toBeGreaterThan(before.epoch);
  await expectVerdict(cluster, run);
}

story(
  "a cluster that ended continues with its data, its id and every acknowledged write",
  {},
  async (cluster) => {
    const first = await cluster.start();
    const id = await clusterId(cluster, first.consul);
    const stillTheSame = async (): Promise<void> => {
      expect(await clusterId(cluster, first.consul)).toBe(id);
    };

    // `autopilot stop`: the primary drains, then all stop; `up` ends by itself.
    await endAndStart(cluster, async () => {
      await cluster.must("stop");
      expect(await cluster.up.ended()).toBe(0);
    });
    await stillTheSame();

    // A second `up` in the same directory is refused, and does not disturb the first.
    const { epoch } = await cluster.status();
    const second = cluster.launch();
    expect(await second.ended()).not.toBe(0);
    expect(second.said + JSON.stringify(second.lines)).toContain("AP_CLUSTER_RUNNING");
    cluster.ups.pop();
    expect(await cluster.whole()).toMatchObject({ epoch });

    // Ctrl-C goes to the whole foreground group; an impatient one comes twice.
    await endAndStart(cluster, async () => {
      cluster.up.signalGroup("SIGINT");
      cluster.up.signalGroup("SIGINT");
      await cluster.up.ended();
    });
    await stillTheSame();

    // Power failure: nothing says good-bye, control sockets and locks are left behind.
    await endAndStart(cluster, () => killAll(cluster.dir));
    await stillTheSame();
  },
);

story(
  "Ctrl-C while the nodes are provisioned leaves nothing behind that stops the next start",
  {},
  async (cluster) => {
    const up = cluster.launch();
    await until("the agents run", () => agentsOf(cluster.dir).length > 0);
    await until("a mysqld is at work", () => mysqldsOf(cluster.dir).length > 0);
    up.signalGroup("SIGINT");
    await up.ended();
    await cluster.nothingLeft();
    await cluster.start();
    await using run = await cluster.ledger();
    await cluster.whole();
    await expectVerdict(cluster, run);
  },
);
