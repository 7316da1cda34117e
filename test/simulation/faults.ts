// What can happen to a cluster, as steps of a schedule: plain JSON, so that a failing one can be shrunk and kept as a
// test. A step names a node, or whoever is primary at its time. Each fault ends by itself; `heal` ends the rest.
import type { Intent } from "../../recipes/mysql/core/observation.ts";
import { write } from "../../src/consul/dev-agent/state.ts";
import { setKey } from "../../src/consul/dev-agent/keys.ts";
import { KEYS, type Cluster } from "./cluster.ts";
import type { SimNode } from "./node.ts";
import { destroySession, removeKeys } from "./sim-kv.ts";

/** "n1", "n2" …; "primary": who opened the newest epoch; "replica": the first running node that did not. */
export type Who = string;

export type Step = { readonly at: number } & (
  | { readonly do: "kill-mysqld"; readonly node: Who }
  | { readonly do: "kill-in-commit"; readonly node: Who; readonly withinMs: number }
  | {
      readonly do: "crash-at";
      readonly node: Who;
      readonly action: string;
      readonly when: "before" | "after";
    }
  | { readonly do: "kill-node" | "stop-node"; readonly node: Who; readonly ms: number }
  | { readonly do: "kill-all" | "stop-cluster" | "pause-cluster"; readonly ms: number }
  | {
      readonly do: "pause-agent" | "pause-loop" | "pause-mysqld" | "pause-node";
      readonly node: Who;
      readonly ms: number;
    }
  | { readonly do: "cut"; readonly node: Who; readonly from: Who; readonly ms: number }
  | { readonly do: "isolate"; readonly node: Who; readonly ms: number }
  | {
      readonly do: "consul";
      readonly how: "down" | "restart" | "slow" | "lossy" | "late" | "twice";
      readonly ms: number;
    }
  | { readonly do: "lose-sessions" }
  /** Back to how it was `ms` before, or to nothing. */
  | { readonly do: "restore-consul"; readonly to: "snapshot" | "nothing"; readonly ms: number }
  /** The node's disk as it was `ms` before (S29). */
  | { readonly do: "old-volume"; readonly node: Who; readonly ms: number }
  | { readonly do: "lose-disk"; readonly node: Who }
  | {
      readonly do: "disk-full" | "disk-slow" | "applier-slow";
      readonly node: Who;
      readonly ms: number;
    }
  | { readonly do: "break-provisioning" | "errant" | "purge"; readonly node: Who }
  | { readonly do: "wall-jump"; readonly node: Who; readonly ms: number }
  | { readonly do: "network-slow"; readonly by: number; readonly ms: number }
  | { readonly do: "switchover"; readonly to: Who | null }
  | { readonly do: "add-node" }
  | { readonly do: "remove-node"; readonly node: Who }
);

export function nodeOf(cluster: Cluster, who: Who): SimNode | null {
  const { nodes, judge } = cluster;
  const primary = nodes.find((n) => n.name === judge.newest?.host) ?? null;
  if (who === "primary") return primary;
  if (who === "replica") return nodes.find((n) => n !== primary && n.runs) ?? null;
  return cluster.at(who) ?? null;
}

export function happen(cluster: Cluster, step: Step): void {
  const { world } = cluster;
  if ("node" in step) {
    const node = nodeOf(cluster, step.node);
    if (node !== null) toNode(cluster, node, step);
    return;
  }
  switch (step.do) {
    case "kill-all":
      for (const node of cluster.nodes)
        kill(cluster, node, step.ms + world.random.between(0, 3_000));
      return;
    case "stop-cluster":
      return stopCluster(cluster, step.ms);
    case "pause-cluster":
      wish(cluster, KEYS.pause, "{}");
      world.after(step.ms, null, () => unwish(cluster, KEYS.pause));
      return;
    case "consul":
      return consul(cluster, step.how, step.ms);
    case "lose-sessions":
      for (const session of Array.from(cluster.consul.state.sessions.keys()))
        cluster.consul.now(() => destroySession(cluster.consul, session));
      return;
    case "restore-consul":
      return restoreConsul(cluster, step.to, step.ms);
    case "network-slow":
      cluster.net.extraMs = step.by;
      world.after(step.ms, null, () => (cluster.net.extraMs = 0));
      return;
    case "switchover":
      return switchover(cluster, step.to);
    case "add-node":
      if (cluster.nodes.length < cluster.options.nodes + 2 && !cluster.judge.consulLied)
        cluster.addNode().start();
      return;
  }
}

type NodeStep = Extract<Step, { readonly node: Who }>;

function toNode(cluster: Cluster, node: SimNode, step: NodeStep): void {
  const { world } = cluster;
  const { machine } = node.parts;
  switch (step.do) {
    case "kill-mysqld":
      return machine.server?.kill();
    case "kill-in-commit":
      machine.weather.killInCommit = step.withinMs;
      return;
    case "crash-at":
      node.breakpoint = { action: step.action, when: step.when };
      return;
    case "kill-node":
      return kill(cluster, node, step.ms);
    case "stop-node":
      node.stop();
      return void world.after(step.ms, null, () => node.start());
    case "pause-agent":
    case "pause-loop":
    case "pause-mysqld":
    case "pause-node":
      return pause(cluster, node, step.do, step.ms);
    case "cut":
      return cut(cluster, node.name, [nodeOf(cluster, step.from)?.name ?? step.from], step.ms);
    case "isolate":
      return cut(cluster, node.name, [...cluster.others(node.name), "consul"], step.ms);
    case "lose-disk":
      return loseDisk(cluster, node);
    case "old-volume":
      return oldVolume(cluster, node, step.ms);
    case "disk-full":
      machine.weather.full = true;
      return void world.after(step.ms, null, () => {
        machine.weather.full = false;
        machine.server?.diskFreed();
      });
    case "disk-slow":
      machine.weather.slowMs = 200;
      return void world.after(step.ms, null, () => (machine.weather.slowMs = 0));
    case "applier-slow":
      machine.weather.applyMs = 400;
      return void world.after(step.ms, null, () => (machine.weather.applyMs = 0));
    case "break-provisioning":
      machine.breakNext = true;
      return;
    case "errant":
      if (machine.server?.ready !== true) return;
      // A person's write on a voter may leave sets that nobody holds together: then a person has to choose.
      cluster.judge.excuse = "an operator wrote outside of the primary";
      machine.server.submit("errant", 0, () => {});
      return;
    case "purge":
      if (machine.data !== null) machine.data.purged.addAll(machine.data.executed);
      return;
    case "wall-jump":
      machine.time.wallOffset += step.ms;
      return;
    case "remove-node":
      if (!mayLose(cluster, node)) return;
      node.removed = true;
      return node.kill();
  }
}

function kill({ world }: Cluster, node: SimNode, ms: number): void {
  node.kill();
  world.after(ms, null, () => node.start());
}

function pause(cluster: Cluster, node: SimNode, what: string, ms: number): void {
  const { world } = cluster;
  const { agent, parts } = node;
  const { server } = parts.machine;
  if (what === "pause-loop" && agent !== null) world.pause(agent.main);
  if (what === "pause-agent" || what === "pause-node") node.pause();
  if ((what === "pause-mysqld" || what === "pause-node") && server !== null)
    world.pause(server.life);
  world.after(ms, null, () => {
    // Only what was stopped goes on: a later incarnation was never stopped.
    if (server !== null && server.life.paused) world.resume(server.life);
    if (agent !== null && node.agent === agent) node.resume();
  });
}

function cut({ world, net }: Cluster, node: string, from: readonly string[], ms: number): void {
  const pairs = from.filter((other) => other !== node);
  for (const other of pairs) net.cut(node, other);
  world.after(ms, null, () => {
    for (const other of pairs) if (net.isCut(node, other)) net.heal(node, other);
  });
}

function consul(cluster: Cluster, how: Extract<Step, { do: "consul" }>["how"], ms: number): void {
  const { world } = cluster;
  const it = cluster.consul;
  const fair = { slowMs: 0, lost: 0, late: 0, twice: 0 };
  if (how === "down" || how === "restart") {
    it.down = true;
    return void world.after(ms, null, () => {
      it.down = false;
      if (how === "restart") it.restarted();
    });
  }
  const bad = {
    slow: { ...fair, slowMs: 900 },
    lossy: { ...fair, lost: 0.3 },
    late: { ...fair, late: 0.3 },
    twice: { ...fair, twice: 0.3, slowMs: 20 },
  }[how];
  it.weather = bad;
  world.after(ms, null, () => {
    if (it.weather === bad) it.calm();
  });
}

/** Whether the protocol promises to survive this: every other voter has its disk, and at least one acknowledges. */
export function mayLose(cluster: Cluster, node: SimNode): boolean {
  const { state } = cluster.judge;
  const uuid = node.parts.machine.data?.uuid ?? null;
  if (uuid === null) return !cluster.judge.consulLied;
  // An empty node founds a new cluster in an emptied Consul: two faults at once, and a person's business.
  if (state === null || state.epoch === 0 || cluster.judge.consulLied) return false;
  const others = state.voters.filter((v) => v !== uuid);
  const whole = others.every((v) =>
    cluster.nodes.some((n) => !n.removed && n.parts.machine.data?.uuid === v),
  );
  const counts = state.voters.includes(uuid) || state.primary === uuid;
  return whole && others.length > 0 && (state.acks > 0 || !counts);
}

function loseDisk(cluster: Cluster, node: SimNode): void {
  if (!mayLose(cluster, node)) return;
  node.kill();
  node.parts.machine.lose();
  cluster.world.after(cluster.world.random.between(500, 5_000), null, () => node.start());
}

/** Only where the node has promised meanwhile: within one epoch nothing tells (PROTOCOL §9 "not modelled"). */
function oldVolume(cluster: Cluster, node: SimNode, ms: number): void {
  const { machine } = node.parts;
  const volume = machine.copyVolume();
  cluster.world.after(ms, null, () => {
    const same = machine.data !== null && machine.data.uuid === volume.data?.uuid;
    if (!same || machine.promise.epoch <= volume.promise.epoch || !mayLose(cluster, node)) return;
    node.kill();
    machine.useVolume(volume);
    cluster.world.after(cluster.world.random.between(500, 5_000), null, () => node.start());
  });
}

/** A cluster whose Consul went back in time asks for `adopt`, and an operator is not simulated. */
function restoreConsul(cluster: Cluster, to: "snapshot" | "nothing", ms: number): void {
  const { consul: it, judge, world } = cluster;
  it.snapshot();
  const { state } = judge;
  world.after(ms, null, () => {
    // Within one epoch it is not always noticed: the runbook is pause, restore, adopt (§7).
    if (to === "snapshot" && judge.state?.epoch === state?.epoch) return;
    judge.consulLied = true;
    judge.excuse = "Consul was restored: it waits for `adopt`";
    it.restore(to === "snapshot" ? "snapshot" : "empty");
  });
}

function switchover(cluster: Cluster, to: Who | null): void {
  const target = to === null ? null : (nodeOf(cluster, to)?.name ?? to);
  const id = `switchover-${cluster.world.random.uuid()}`;
  const intent: Intent = {
    id,
    verb: "switchover",
    to: target,
    uuid: null,
    serverId: null,
    epoch: cluster.judge.state?.epoch ?? 0,
    ver: 0,
    by: "operator",
    at: "",
    outcome: null,
  };
  wish(cluster, KEYS.intent(id), JSON.stringify(intent));
}

function stopCluster(cluster: Cluster, ms: number): void {
  const { world } = cluster;
  const id = "stop-cluster";
  const intent: Intent = {
    id,
    verb: "stop-cluster",
    to: null,
    uuid: null,
    serverId: null,
    epoch: 0,
    ver: 0,
    by: "operator",
    at: "",
    outcome: null,
  };
  wish(cluster, KEYS.intent(id), JSON.stringify(intent));
  world.after(ms, null, () => {
    unwish(cluster, KEYS.intent(id));
    for (const node of cluster.nodes) node.start();
  });
}

/** An operator, by way of a Consul agent that works for him. */
function wish({ consul: it }: Cluster, key: string, text: string): void {
  const { state } = it;
  const value = Buffer.from(text);
  it.now(() =>
    write(state, (index) => setKey(state, index, { key, value, flags: 0, index: 0, session: "" })),
  );
}

export function unwish({ consul: it }: Cluster, key: string): void {
  it.now(() => removeKeys(it, key));
}
