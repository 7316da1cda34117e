// kill -9 of the agent at each step of the first bootstrap: the next start makes a cluster that works.
// AUTOPILOT_CRASH_AT names the step at which an agent kills itself with SIGKILL; it is for these tests only.
import { expect } from "vitest";
import { agentsOf, killAll } from "./processes.ts";
import { expectVerdict, story } from "./story.ts";
import { until } from "./until.ts";

const STEPS = [
  "bootstrap:initialized",
  "bootstrap:registered",
  "elect:epoch",
  "elect:promised",
  "elect:published",
  "elect:marked",
  "elect:opened",
];

// One node: it is the founder for certain, so the step is reached, and its data is the only data there is.
for (const step of STEPS)
  story(
    `a founder that dies at ${step} leaves a cluster that starts`,
    { nodes: 1 },
    async (cluster) => {
      cluster.launch({ env: { AUTOPILOT_CRASH_AT: step } });
      const [agent] = await until("the agent runs", () => {
        const agents = agentsOf(cluster.dir);
        return agents.length === 1 ? agents : null;
      });
      await until(`the agent dies at ${step}`, () =>
        agentsOf(cluster.dir).every(({ pid }) => pid !== agent?.pid),
      );
      await killAll(cluster.dir);
      await cluster.start();
      await using run = await cluster.ledger();
      await expectVerdict(cluster, run);
    },
  );

story(
  "three founders of which each one that gets there dies while it publishes leave a cluster that starts",
  {},
  async (cluster) => {
    cluster.launch({ env: { AUTOPILOT_CRASH_AT: "elect:published" } });
    await until("all agents run", () => agentsOf(cluster.dir).length === 3);
    await until("one died", () => agentsOf(cluster.dir).length < 3);
    await killAll(cluster.dir);
    await cluster.start();
    await using run = await cluster.ledger();
    const { voters } = await cluster.whole();
    expect(voters).toHaveLength(3);
    await expectVerdict(cluster, run);
  },
);
