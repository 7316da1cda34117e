// What the other verbs may ask of a running `up`: to start a node that does not run, or to add one.
import { UsageError } from "../errors.ts";
import type { LocalNode } from "../recipe.ts";
import type { Agents } from "./agents.ts";
import { localNode, readCluster, writeCluster, type Cluster } from "./cluster-file.ts";
import { writeNodeConfig } from "./node-config.ts";
import type { NodeStarted, OrderTakers } from "./orders.ts";
import { withNode } from "./plan.ts";
import { claimPorts } from "./ports.ts";
import type { AnyRecipe } from "../config/load-recipe.ts";

export type GrowthParts = {
  readonly dir: string;
  readonly cluster: Cluster;
  readonly recipe: AnyRecipe;
  readonly agents: Agents;
  /** Starts the agent and follows what it tells. */
  readonly begin: (node: LocalNode) => Promise<void>;
};

export function growth(parts: GrowthParts): Omit<OrderTakers, "stop"> {
  const { dir, agents, recipe, begin } = parts;
  // We are the only writer of this file.
  const current = (): Cluster => readCluster(dir) ?? parts.cluster;

  async function launch(cluster: Cluster, name: string): Promise<NodeStarted> {
    const node = localNode(dir, cluster, name);
    if (node === null) throw new UsageError("AP_NODE_UNKNOWN", `no node ${name}`);
    await claimPorts([node], []);
    writeNodeConfig(dir, cluster, node, recipe);
    await begin(node);
    return { name, pid: agents.pid(name) ?? 0 };
  }

  return {
    facts: () => ({
      pid: process.pid,
      nodes: current().nodes.map(({ name }) => ({ name, pid: agents.pid(name) })),
    }),
    async start(name) {
      if (agents.pid(name) !== null)
        throw new UsageError("AP_USAGE", `${name} runs already (pid ${agents.pid(name)})`);
      return launch(current(), name);
    },
    async add(name) {
      const grown = withNode(current(), name === "" ? null : name);
      const started = await launch(grown, grown.nodes.at(-1)?.name ?? name);
      writeCluster(dir, grown);
      return started;
    },
  };
}
