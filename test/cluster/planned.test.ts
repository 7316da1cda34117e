// What operators do to a cluster that is in use: switch over, write past the primary, grow, and restart Consul.
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { evidenceOf, notesOn, on, replicas, TABLE, uuidOf } from "./admin.ts";
import { acknowledges } from "./harness.ts";
import { isAlive, processesOf, signal } from "./processes.ts";
import { sharedCluster } from "./story.ts";
import { until } from "./until.ts";

const told = sharedCluster();
const STRANGER = "99999999-0000-4000-8000-000000000099";

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

told(
  "what an operator wrote on a running replica is kept as evidence, and the node is rebuilt",
  async (cluster) => {
    const primary = await cluster.primary();
    await on(cluster, primary, (sql) => sql.query(TABLE));
    const [replica] = await replicas(cluster);
    const before = await uuidOf(cluster, replica);
    await until("the table is there", async () => (await notesOn(cluster, replica)).length === 0);
    await on(cluster, replica, (sql) =>
      sql.query(
        `SET GLOBAL super_read_only = OFF, GLOBAL read_only = OFF; SET gtid_next = '${STRANGER}:7';
         INSERT INTO app.notes VALUES (1, 'written behind its back'); SET gtid_next = 'AUTOMATIC';
         SET GLOBAL super_read_only = ON`,
      ),
    );
    const found = await until("the evidence", async () => {
      const text = await evidenceOf(cluster, replica.name);
      return text.includes("written behind its back") ? text : null;
    });
    expect(found).toContain(`${STRANGER}:7`);
    await until("it votes under a new uuid", async () => {
      const node = await cluster.node(replica.name);
      return node.voter && (await uuidOf(cluster, node)) !== before;
    });
    expect(await notesOn(cluster, replica)).toEqual([]);
    const aside = globSync(join(cluster.dir, "nodes", replica.name, "aside", "*", "why.json"));
    const [why = ""] = await Promise.all(aside.map((path) => readFile(path, "utf8")));
    expect(JSON.parse(why)).toMatchObject({ uuid: before, extracted: true });
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
