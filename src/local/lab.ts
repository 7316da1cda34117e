// The lab of the drills (src/lab.ts): a cluster in a temporary directory whose Consul is our own child, and whose nodes
// are run by a real `autopilot up`. cluster.json names an address of each node, and of Consul for each node, on which
// nobody listens yet.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AnyRecipe } from "../config/load-recipe.ts";
import { UnavailableError } from "../errors.ts";
import type { Lab, LabCluster, LabNode, Way } from "../lab.ts";
import type { Log } from "../log.ts";
import type { LocalNode } from "../recipe.ts";
import { realClock as clock } from "../runtime/clock.ts";
import { localNodes, writeCluster, type Cluster } from "./cluster-file.ts";
import { makeNodeDir, unmountNodeDir } from "./lab-disk.ts";
import { LabRun } from "./lab-run.ts";
import { withNode } from "./plan.ts";
import { isFree } from "./ports.ts";
import { findTool } from "./toolchain.ts";
import { VERSION } from "../version.ts";
import { processesBelow, processFacts, threadsOf } from "./process.ts";

type LabParts = {
  readonly log: Log;
  readonly recipe: Pick<AnyRecipe, "name" | "serverName" | "tools">;
};

export function makeLab(parts: LabParts): Lab {
  return {
    async versions() {
      const progress = (line: string): void => parts.log.warn(line);
      const found = parts.recipe.tools.map(async (spec) => {
        const tool = await findTool(spec, { env: process.env, progress });
        return [spec.name, tool.version] as const;
      });
      const tools = Object.fromEntries(await Promise.all(found));
      return { autopilot: VERSION, node: process.versions.node, consul: "embedded", ...tools };
    },
    async prepare({ nodes, smallMiB }) {
      const dir = mkdtempSync(join(tmpdir(), "autopilot-drill-"));
      const cluster = await layOut(parts.recipe.name, nodes);
      const all = localNodes(dir, cluster);
      writeCluster(dir, cluster);
      const mounted: string[] = [];
      const leave = (keep: boolean): void => {
        for (const at of mounted.splice(0)) unmountNodeDir(at, keep);
        if (!keep) rmSync(dir, { recursive: true, force: true });
      };
      try {
        for (const node of all) {
          makeNodeDir(node.dir, smallMiB);
          if (smallMiB !== null) mounted.push(node.dir);
        }
      } catch (error) {
        leave(false);
        throw error;
      }
      return labCluster({ ...parts, dir, cluster, all, leave });
    },
  };
}

/** The ports of a node, from its base on, and of Consul: node i is at 127.0.1.i for everybody but itself. */
async function layOut(recipe: string, nodes: number): Promise<Cluster> {
  const basePort = await freeBase(nodes);
  const port = basePort + 10 * nodes;
  const consul = { embedded: false, url: `http://127.0.0.1:${port}` };
  let cluster: Cluster = { name: recipe, recipe, basePort, consul, nodes: [], upPid: null };
  while (cluster.nodes.length < nodes) cluster = withNode(cluster, null);
  const own = cluster.nodes.map((node) => {
    const host = `127.0.1.${node.index + 1}`;
    return { ...node, host, consul: `http://${host}:${port}` };
  });
  return { ...cluster, nodes: own };
}

// Below the range that the kernel hands out for outgoing connections; rounds, because others look for ports too.
const LOWEST = 12_000;
const RANGES = 100;
const ROUNDS = 50;

async function freeBase(nodes: number): Promise<number> {
  for (let round = 0; round < ROUNDS; round++) {
    const base = LOWEST + Math.floor(Math.random() * RANGES) * 100;
    const wanted = Array.from({ length: 10 * nodes + 1 }, (_, i) => base + i);
    if ((await Promise.all(wanted.map(isFree))).every(Boolean)) return base;
  }
  throw new UnavailableError("AP_PORT_IN_USE", `no free range of ports from ${LOWEST} on`);
}

type ClusterParts = LabParts & {
  readonly dir: string;
  readonly cluster: Cluster;
  readonly all: readonly LocalNode[];
  /** Once all of its processes have ended. */
  readonly leave: (keep: boolean) => void;
};

function labCluster(parts: ClusterParts): LabCluster {
  const { dir, cluster, all, leave } = parts;
  const run = new LabRun({ ...parts, serverName: parts.recipe.serverName });
  let kept = false;
  const pidsOf = (name: string): readonly number[] => {
    const node = all.find((one) => one.name === name);
    return node === undefined ? [] : processesBelow(node.dir);
  };
  const onExit = (): void => run.killAll();
  process.once("exit", onExit);
  return {
    name: cluster.name,
    dir,
    nodes: all.map(labNode),
    ways: waysOf(cluster, all),
    consul: run.consul,
    clock,
    start: (onEvent, signal) => run.start(onEvent, signal),
    startConsul: () => run.startConsul(),
    killConsul: () => run.killConsul(),
    consulPid: () => run.consulPid(),
    startNode: (name) => run.startNode(name),
    stopNode: (name) => run.stopNode(name),
    processes: (name) => run.processes(pidsOf(name)),
    processState: (pid) => processFacts(pid)?.state ?? (threadsOf(pid) > 1 ? "Z" : null),
    pidsOf,
    keep: () => (kept = true),
    async [Symbol.asyncDispose]() {
      await run[Symbol.asyncDispose]();
      process.off("exit", onExit);
      leave(kept);
    },
  };
}

function labNode({ name, dir, host, basePort }: LocalNode): LabNode {
  const direct = { host: "127.0.0.1", port: basePort };
  return { name, dir, address: { host, port: basePort }, direct };
}

/** The server's port and the agent's, at the node's own address; and Consul's at each node's. */
function waysOf(cluster: Cluster, all: readonly LocalNode[]): readonly Way[] {
  const consul = Number(new URL(cluster.consul.url).port);
  const way = (host: string, port: number) => ({
    at: { host, port },
    target: { host: "127.0.0.1", port },
  });
  return all.flatMap(({ name, host, basePort }) => [
    { to: name, from: null, ...way(host, basePort) },
    { to: name, from: null, ...way(host, basePort + 2) },
    { to: "consul", from: name, ...way(host, consul) },
  ]);
}
