// Faults that belong together: short stories with chance in their moments, around the places where the proof is thin.
// Random steps alone come to these states once in many thousand schedules.
import type { Step, Who } from "./steps.ts";
import type { Random } from "./random.ts";

type Story = (random: Random, at: number, nodes: readonly Who[]) => readonly Step[];

const soon = (random: Random, from = 0, to = 1_500): number => Math.round(random.between(from, to));

/** Two of the nodes that are not the first of the list; whoever is primary may be among them. */
function two(random: Random, nodes: readonly Who[]): readonly [Who, Who] {
  const x = random.pick(nodes);
  return [x, random.pick(nodes.filter((n) => n !== x))];
}

/** Only x can acknowledge, x goes, is removed; then the primary goes too. */
const lonelyAck: Story = (random, at, nodes) => {
  const [x, y] = two(random, nodes);
  const gone = at + soon(random, 100, 3_000);
  const end = gone + soon(random, 5_500, 12_000);
  return [
    { at, do: "cut", node: y, from: "primary", ms: end - at + soon(random) },
    { at: gone, do: "kill-node", node: x, ms: end - gone + soon(random, 0, 10_000) },
    { at: end, do: "kill-node", node: "primary", ms: 3_000 + soon(random, 0, 15_000) },
  ];
};

/** All replicas go, the primary goes on alone; they come back one after the other, and something dies as k rises. */
const aloneAndBack: Story = (random, at, nodes) => {
  const steps: Step[] = nodes.map((node) => ({
    at: at + soon(random, 0, 500),
    do: "cut",
    node,
    from: "primary",
    ms: 7_000 + soon(random, 0, 8_000),
  }));
  const action = random.pick(["commit-change", "raise-acks", "cut-all", "admit"]);
  const back = at + 6_500 + soon(random, 0, 9_000);
  steps.push(
    random.chance(0.5)
      ? {
          at: back,
          do: "crash-at",
          node: "primary",
          action,
          when: random.pick(["before", "after"]),
        }
      : { at: back, do: "kill-node", node: "primary", ms: soon(random, 500, 15_000) },
  );
  if (random.chance(0.5))
    steps.push({
      at: back - soon(random),
      do: "cut",
      node: random.pick(nodes),
      from: "primary",
      ms: 9_000,
    });
  return steps;
};

/** A tail that nobody acknowledged, a new epoch, and the old primary back as the new one goes. */
const tailComesBack: Story = (random, at, nodes) => {
  const away = soon(random, 1_500, 9_000);
  const kill = at + soon(random, 300, 2_500);
  return [
    ...nodes.map((node): Step => ({ at, do: "cut", node, from: "primary", ms: kill - at + 500 })),
    { at: kill, do: "kill-node", node: "primary", ms: away },
    {
      at: kill + away + soon(random, -500, 2_500),
      do: "kill-node",
      node: "primary",
      ms: soon(random, 300, 9_000),
    },
    {
      at: kill + away + soon(random, 0, 4_000),
      do: "isolate",
      node: random.pick(nodes),
      ms: soon(random, 500, 9_000),
    },
  ];
};

/** A hand-over in which somebody fails. */
const handOver: Story = (random, at, nodes) => {
  const action = random.pick([
    "drain",
    "hand-over",
    "release-lock",
    "elect",
    "promise",
    "publish",
    "mark",
    "open",
  ]);
  const steps: Step[] = [
    {
      at,
      do: "crash-at",
      node: random.pick([...nodes, "primary"]),
      action,
      when: random.pick(["before", "after"]),
    },
    { at: at + 100, do: "switchover", to: random.chance(0.5) ? null : random.pick(nodes) },
  ];
  if (random.chance(0.5))
    steps.push({
      at: at + soon(random, 90, 400),
      do: "cut",
      node: random.pick(nodes),
      from: "consul",
      ms: soon(random, 500, 7_000),
    });
  if (random.chance(0.3))
    steps.push({
      at: at + soon(random, 90, 300),
      do: "pause-mysqld",
      node: random.pick(nodes),
      ms: soon(random, 500, 7_000),
    });
  return steps;
};

/** A change of V or k whose answer is late or lost, and an election in the doubt. */
const doubt: Story = (random, at, nodes) => {
  const [x, y] = two(random, nodes);
  return [
    {
      at,
      do: "consul",
      how: random.pick(["late", "lossy", "twice"]),
      ms: 12_000 + soon(random, 0, 9_000),
    },
    {
      at: at + soon(random),
      do: random.pick(["kill-node", "stop-node"]),
      node: x,
      ms: 8_000 + soon(random, 0, 9_000),
    },
    {
      at: at + soon(random, 2_000, 9_000),
      do: "cut",
      node: y,
      from: "primary",
      ms: soon(random, 2_000, 9_000),
    },
    { at: at + soon(random, 6_000, 14_000), do: "lose-sessions" },
    { at: at + soon(random, 6_000, 16_000), do: "kill-mysqld", node: "primary" },
  ];
};

/** Stopped servers that go on with what they were sent, after others went on without them. */
const sleepers: Story = (random, at, nodes) =>
  [0, 1, 2].map((n) => ({
    at: at + n * soon(random, 300, 3_000),
    do: random.pick(["pause-mysqld", "pause-node", "pause-agent", "pause-loop"]),
    node: random.chance(0.6) ? "primary" : random.pick(nodes),
    ms: soon(random, 1_000, 14_000),
  }));

/** One after the other, the primary at any time: what an upgrade does. */
const rollingRestart: Story = (random, at, nodes) => {
  const apart = soon(random, 3_000, 15_000);
  const how = random.pick(["stop-node", "kill-node"] as const);
  return nodes.map((node, n): Step => ({ at: at + n * apart, do: how, node, ms: apart / 2 }));
};

/** Consul cannot write for a while, and the primary fails in it or right behind it. */
const leaderless: Story = (random, at, nodes) => {
  const ms = random.chance(0.3) ? 60_000 : soon(random, 3_000, 20_000);
  return [
    { at, do: "consul", how: random.pick(["leaderless", "down", "denied", "failing"]), ms },
    {
      at: at + soon(random, 0, ms + 1_500),
      do: random.pick(["kill-mysqld", "kill-node", "pause-node"]),
      node: random.chance(0.8) ? "primary" : random.pick(nodes),
      ms: soon(random, 500, 9_000),
    },
    ...(random.chance(0.5)
      ? [{ at: at + soon(random, 0, ms), do: "isolate", node: "primary", ms: ms / 2 } as const]
      : []),
  ];
};

/** Replicas that receive and are not heard: what they hold may be more than what was acknowledged. */
const unheard: Story = (random, at, nodes) => {
  const ms = soon(random, 1_500, 9_000);
  return [
    ...nodes.map((node): Step => ({
      at: at + soon(random, 0, 300),
      do: "cut",
      node,
      from: "primary",
      way: random.chance(0.8) ? "from-it" : "to-it",
      ms,
    })),
    {
      at: at + soon(random, 300, ms),
      do: random.pick(["kill-node", "kill-mysqld", "power-loss"]),
      node: random.chance(0.7) ? "primary" : random.pick(nodes),
      ms: soon(random, 300, 9_000),
    },
  ];
};

/** The power goes while a slow disk still writes what came last. */
const powerCut: Story = (random, at, nodes) => {
  const [x, y] = two(random, nodes);
  return [
    { at, do: "disk-slow", node: x, ms: 9_000 },
    { at, do: "disk-slow", node: y, ms: 9_000 },
    { at: at + soon(random, 500, 4_000), do: "power-loss", node: x, ms: soon(random, 300, 9_000) },
    {
      at: at + soon(random, 500, 6_000),
      do: random.pick(["power-loss", "kill-node"]),
      node: random.pick(["primary", y]),
      ms: soon(random, 300, 9_000),
    },
  ];
};

/** An old copy of a disk comes back after the cluster has elected without it. */
const oldDisk: Story = (random, at, nodes) => {
  const ms = soon(random, 8_000, 16_000);
  return [
    { at, do: "old-volume", node: random.pick([...nodes, "primary"]), ms },
    { at: at + soon(random, 500, ms - 4_000), do: "kill-mysqld", node: "primary" },
    { at: at + ms + soon(random, 0, 3_000), do: "kill-mysqld", node: "primary" },
  ];
};

/** What was received takes long to apply, or is not applied, when the primary goes. */
const backlog: Story = (random, at, nodes) => [
  { at, do: "long-transaction", ms: soon(random, 2_000, 12_000) },
  ...nodes.map((node): Step => ({
    at: at + soon(random, 0, 1_000),
    do: random.pick(["applier-slow", "applier-error", "receiver-slow-to-stop"]),
    node,
    ms: soon(random, 2_000, 15_000),
  })),
  {
    at: at + soon(random, 300, 4_000),
    do: random.pick(["kill-mysqld", "kill-node", "power-loss"]),
    node: "primary",
    ms: soon(random, 300, 9_000),
  },
];

/** A person writes on a replica, and somebody fails before it is found. */
const meddler: Story = (random, at, nodes) => [
  { at, do: "errant", node: random.pick(nodes) },
  {
    at: at + soon(random, 0, 4_000),
    do: random.pick(["kill-mysqld", "kill-node", "stop-node"]),
    node: random.chance(0.6) ? "primary" : random.pick(nodes),
    ms: soon(random, 1_000, 9_000),
  },
];

/** Consul loses everything, or goes back, while the cluster lives; the old primary may have slept. */
const forgetful: Story = (random, at) => {
  const ms = soon(random, 8_000, 20_000);
  const away = soon(random, 1_000, ms);
  return [
    { at, do: "restore-consul", to: random.pick(["snapshot", "nothing"]), ms },
    { at: at + away, do: "kill-node", node: "primary", ms: soon(random, 500, ms) },
    ...(random.chance(0.5)
      ? [{ at: at + ms + soon(random), do: "kill-mysqld", node: "primary" } as const]
      : []),
  ];
};

const STORIES: readonly (readonly [story: Story, weight: number])[] = [
  [lonelyAck, 3],
  [aloneAndBack, 3],
  [tailComesBack, 3],
  [handOver, 3],
  [doubt, 3],
  [sleepers, 3],
  [rollingRestart, 2],
  [leaderless, 2],
  [unheard, 3],
  [powerCut, 2],
  [oldDisk, 2],
  [backlog, 2],
  [meddler, 1],
  [forgetful, 0.5],
];

export function storyOf(random: Random, at: number, nodes: readonly Who[]): readonly Step[] {
  let left = random.next() * STORIES.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [story, weight] of STORIES) if ((left -= weight) <= 0) return story(random, at, nodes);
  return sleepers(random, at, nodes);
}
