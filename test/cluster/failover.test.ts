// The deaths of a primary, each under the ledger writer, on one living cluster of three nodes with the defaults.
import { expect } from "vitest";
import { isAlive, mysqldsOf } from "./processes.ts";
import { acknowledges, type Cluster } from "./harness.ts";
import { sharedCluster } from "./story.ts";
import { until } from "./until.ts";

const told = sharedCluster();

told(
  "when the primary's mysqld is killed a primary of a newer epoch takes over, and the old one follows",
  async (cluster, run) => {
    const before = await cluster.primary();
    const { epoch } = await cluster.status();
    const killed = await cluster.kill(before.name, "mysqld");
    await acknowledges(run, killed);
    const opened = await until("a newer epoch", () => cluster.watch.openedAfter(epoch));
    await cluster.whole();
    const again = await cluster.node(before.name);
    expect(again.mysqldPid).not.toBe(before.mysqldPid);
    expect(again.pid).toBe(before.pid);
    const now = await cluster.primary();
    expect(opened.epoch).toBeGreaterThan(epoch);
    const [event] = (await cluster.status()).events;
    // On a busy machine the first candidate may give way to a better one, whose epoch has that for its reason.
    const why = opened.epoch === epoch + 1 ? "mysqld ended: killed by SIGKILL" : "";
    expect(event?.["says"]).toContain(`became primary: ${why}`);
    const audit = await historyOf(cluster, opened.epoch);
    const { promised, published, marked, opened: at } = audit.stepsMs;
    expect([promised, published, marked, at]).toEqual(
      [promised, published, marked, at].toSorted((a, b) => a - b),
    );
    expect(audit.promises.map(({ node }) => node)).toContain(now.name);
    if (now.name !== before.name) expect(again).toMatchObject({ role: "replica", writable: false });
  },
);

told(
  "when agent and mysqld of the primary are killed another node takes over, and the old one comes back and follows",
  async (cluster, run) => {
    const before = await cluster.primary();
    const killed = await cluster.kill(before.name);
    await acknowledges(run, killed);
    const now = await cluster.primary();
    expect(now.name).not.toBe(before.name);
    await cluster.must("node", "start", before.name);
    await cluster.whole();
    const again = await cluster.node(before.name);
    expect(again).toMatchObject({ role: "replica", writable: false, voter: true });
    expect((await cluster.primary()).name).toBe(now.name);
  },
);

told("an agent that is killed with -9 takes its mysqld along", async (cluster, run) => {
  const before = await cluster.primary();
  const killed = await cluster.kill(before.name, "agent");
  const { pid, mysqldPid } = before;
  await until("mysqld died with its agent", () => !isAlive(mysqldPid ?? 0) && !isAlive(pid ?? 0));
  expect(mysqldsOf(cluster.dir)).toHaveLength(2);
  await acknowledges(run, killed);
  expect((await cluster.primary()).name).not.toBe(before.name);
  await cluster.must("node", "start", before.name);
});

told("a primary that is stopped hands over before it goes", async (cluster, run) => {
  const before = await cluster.primary();
  const { epoch } = await cluster.status();
  // What ends first is compared, not how long it takes: without a hand-over the lock falls after the agent's end.
  const now = async (what: string, look: () => boolean): Promise<number> => {
    await until(what, look);
    return performance.now();
  };
  const gone = now("the agent ended", () => !isAlive(before.pid ?? 0));
  const opened = now("a successor opened", () => cluster.watch.openedAfter(epoch) !== null);
  const stopped = cluster.must("node", "stop", before.name);
  const [openedAt, goneAt] = await Promise.all([opened, gone, stopped]);
  expect(openedAt).toBeLessThan(goneAt);
  await acknowledges(run);
  expect((await cluster.primary()).name).not.toBe(before.name);
  await cluster.must("node", "start", before.name);
  await cluster.whole();
  expect(await cluster.node(before.name)).toMatchObject({ role: "replica", voter: true });
});

type Audit = {
  readonly stepsMs: Readonly<Record<"promised" | "published" | "marked" | "opened", number>>;
  readonly promises: readonly { readonly node: string }[];
};

/** PROTOCOL §4 step 10: the audit record; written right after the gate is open. */
function historyOf(cluster: Cluster, epoch: number): Promise<Audit> {
  return until("the election's audit record", async () => {
    const name = (await cluster.status()).cluster;
    const url = `${cluster.consul}/v1/kv/autopilot/${name}/history/${epoch}?raw`;
    const answer = await fetch(url);
    return answer.ok ? ((await answer.json()) as Audit) : null;
  });
}
