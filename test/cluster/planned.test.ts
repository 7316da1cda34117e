// What operators do to a cluster that is in use: switch over, grow, and restart Consul.
import { spawn } from "node:child_process";
import { expect } from "vitest";
import { acknowledges } from "./harness.ts";
import { isAlive, processesOf, signal } from "./processes.ts";
import { sharedCluster } from "./story.ts";
import { until } from "./until.ts";

const told = sharedCluster();

told(
  "a switchover under load moves the primary to the wished node, and no process ends",
  async (cluster, run) => {
    const before = await cluster.status();
    const primary = await cluster.primary();
    const wished = before.nodes.find(({ name }) => name !== primary.name)?.name ?? "";
    await cluster.must("switchover", "--to", wished);
    await acknowledges(run);
    expect((await cluster.primary()).name).toBe(wished);
    await cluster.whole();
    const after = await cluster.status();
    const pids = (status: typeof before) =>
      status.nodes.map(({ pid, mysqldPid }) => [pid, mysqldPid]);
    expect(pids(after)).toEqual(pids(before));
    expect(after.epoch).toBe(before.epoch + 1);
    expect(await cluster.node(primary.name)).toMatchObject({ role: "replica", voter: true });
  },
);

told(
  "a switchover to a node that does not exist is refused, and nothing moves",
  async (cluster, run) => {
    const before = await cluster.status();
    const { code, stderr } = await cluster.verb("switchover", "--to", "nobody");
    expect(code).not.toBe(0);
    expect(stderr).toContain("nobody");
    await acknowledges(run);
    expect(await cluster.status()).toMatchObject({ epoch: before.epoch, primary: before.primary });
  },
);

told(
  "while the cluster is paused nobody is elected, and each node says so; resumed it elects",
  async (cluster, run) => {
    const before = await cluster.primary();
    const { epoch } = await cluster.status();
    expect(await cluster.must("pause")).toContain("mysql-1, mysql-2, mysql-3");
    await cluster.kill(before.name, "mysqld");
    await until("every node says that it may not elect", async () => {
      const { nodes, paused } = await cluster.status();
      return paused && nodes.every(({ says }) => says.includes("the cluster is paused"));
    });
    expect(await cluster.status()).toMatchObject({ epoch, primary: null });
    await cluster.must("resume");
    await acknowledges(run);
    expect((await cluster.status()).epoch).toBeGreaterThan(epoch);
  },
);

told("a fourth node joins under load, follows, and is no voter", async (cluster) => {
  const before = await cluster.status();
  const added = before.nodes.at(-1)?.name.replace(/\d+$/, "4") ?? "";
  await cluster.must("node", "add", added);
  await until(`${added} replicates`, async () => {
    const node = await cluster.node(added);
    return node.role === "replica" && node.mysqldPid !== null && node.executed !== "";
  });
  const after = await cluster.status();
  expect(after.voters.toSorted()).toEqual(before.voters.toSorted());
  expect(after).toMatchObject({ epoch: before.epoch, primary: before.primary, acks: 1 });
  expect(await cluster.node(added)).toMatchObject({ voter: false, writable: false });
});

told(
  "a restart of the embedded Consul, with its data kept, moves nothing",
  async (cluster, run) => {
    const before = await cluster.status();
    const [agent] = processesOf(cluster.dir).filter(({ argv }) => argv.includes("dev-agent"));
    if (agent === undefined) throw new Error("there is no embedded agent");
    signal(agent.pid, "SIGKILL");
    await until("the embedded agent is dead", () => !isAlive(agent.pid));
    await acknowledges(run);
    const [program = "", ...args] = agent.argv.slice(0, -1); // the last one is what follows the final NUL
    // Ended with the cluster: it names the cluster's directory.
    const restarted = spawn(program, args, { stdio: "ignore" });
    await until("the lock is held again", async () => {
      const answer = await fetch(`${cluster.consul}/v1/kv/autopilot/${before.cluster}/leader`);
      return ((await answer.json()) as { Session?: string }[])[0]?.Session;
    });
    await cluster.whole();
    await acknowledges(run);
    expect(restarted.exitCode).toBeNull();
    expect(await cluster.status()).toMatchObject({ epoch: before.epoch, primary: before.primary });
  },
);
