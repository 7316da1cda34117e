// Datadirs that a node must not take: a foreign one, one of another cluster, a half-made one on a full disk. The node
// refuses and says why, nothing is deleted, and the others go on under the ledger writer.
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { expect } from "vitest";
import { acknowledges, Cluster, type NodeStatus } from "./harness.ts";
import { sharedCluster } from "./story.ts";
import { until } from "./until.ts";

const told = sharedCluster();

/** What of a node's directory is its data and its memory of them; the rest is configuration and logs. */
const DATA = ["data", "node.json", "promise.json", "bootstrap"];

async function someReplica(cluster: Cluster): Promise<NodeStatus & { readonly dir: string }> {
  const { nodes } = await cluster.status();
  const replica = nodes.find(({ role }) => role === "replica");
  if (replica === undefined) throw new Error("no replica");
  return { ...replica, dir: join(cluster.dir, "nodes", replica.name) };
}

async function move(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from))
    if (DATA.includes(name)) await rename(join(from, name), join(to, name));
}

/** In a log, or in the node's own sentence: a full disk takes no log lines. */
async function says(cluster: Cluster, code: string): Promise<void> {
  await until(`somebody says ${code}`, async () => {
    if (cluster.logs(200).includes(code)) return true;
    return (await cluster.status()).nodes.some((node) => node.says.includes(code));
  });
}

/** A node may have ended by itself when it refused its data. */
async function stop(cluster: Cluster, name: string): Promise<void> {
  await cluster.verb("node", "stop", name);
  await until(`${name} has no mysqld`, async () => (await cluster.node(name)).mysqldPid === null);
}

told("a node with a foreign datadir refuses and leaves it as it was", async (cluster, run) => {
  const { name, dir } = await someReplica(cluster);
  await stop(cluster, name);
  await move(dir, `${dir}.kept`);
  await mkdir(join(dir, "data"));
  await writeFile(join(dir, "data", "thesis.txt"), "the only copy");
  await cluster.verb("node", "start", name);
  await says(cluster, "AP_DATADIR_FOREIGN");
  expect(await readFile(join(dir, "data", "thesis.txt"), "utf8")).toBe("the only copy");
  await acknowledges(run);
  await stop(cluster, name);
  await rm(join(dir, "data"), { recursive: true });
  await move(`${dir}.kept`, dir);
  await cluster.must("node", "start", name);
});

told(
  "a node with the data of another cluster refuses and leaves them as they were",
  async (cluster, run) => {
    const { name, dir } = await someReplica(cluster);
    await using other = await Cluster.prepare({ nodes: 1 });
    await other.start();
    await other.must("stop");
    await other.up.ended();
    const [founder = ""] = await readdir(join(other.dir, "nodes"));
    await stop(cluster, name);
    await move(dir, `${dir}.kept`);
    for (const part of DATA)
      await cp(join(other.dir, "nodes", founder, part), join(dir, part), { recursive: true }).catch(
        () => undefined, // not every part exists
      );
    const uuid = await readFile(join(dir, "data", "auto.cnf"), "utf8");
    await cluster.verb("node", "start", name);
    await says(cluster, "AP_DATADIR_OTHER_CLUSTER");
    expect(await readFile(join(dir, "data", "auto.cnf"), "utf8")).toBe(uuid);
    await acknowledges(run);
    await stop(cluster, name);
    for (const part of DATA) await rm(join(dir, part), { recursive: true, force: true });
    await move(`${dir}.kept`, dir);
    await cluster.must("node", "start", name);
  },
);

told(
  "a node whose disk is full while it is provisioned never takes the half for the whole",
  async (cluster, run) => {
    const { name, dir } = await someReplica(cluster);
    await stop(cluster, name);
    await rename(dir, `${dir}.kept`);
    await mkdir(dir);
    // A datadir takes 190 MB.
    const mounted = await execa("mount", ["-t", "tmpfs", "-o", "size=80m", "tmpfs", dir], {
      reject: false,
    });
    try {
      if (mounted.exitCode !== 0) console.error(`SKIPPED the full disk: ${mounted.stderr}`);
      for (const part of await readdir(`${dir}.kept`))
        if (!DATA.includes(part) && part !== "aside")
          await cp(join(`${dir}.kept`, part), join(dir, part), { recursive: true }).catch(
            () => undefined, // a stale socket cannot be copied, and need not be
          );
      if (mounted.exitCode === 0) {
        await cluster.verb("node", "start", name);
        await says(cluster, "AP_PROVISION_FAILED");
        expect(await readdir(dir)).not.toContain("data");
        await acknowledges(run);
        await stop(cluster, name);
      }
    } finally {
      if (mounted.exitCode === 0) await execa("umount", ["-l", dir], { reject: false });
      await rm(dir, { recursive: true, force: true });
    }
    await rename(`${dir}.kept`, dir);
    await cluster.must("node", "start", name);
  },
);
