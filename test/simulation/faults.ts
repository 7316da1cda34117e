// How each step of a schedule happens. What it did is counted where it takes effect (effects.ts).
import { forgotData, forgotPromise } from "../../recipes/mysql/core/amnesia.ts";
import { parseNode } from "../../recipes/mysql/keys.ts";
import { KEYS, type Cluster } from "./cluster.ts";
import { consulDay, deny, loseSessions, restoreConsul } from "./consul-days.ts";
import type { SimNode } from "./node.ts";
import type { Volume } from "./sim-machine.ts";
import type { DataStep, NodeStep, Step, Who } from "./steps.ts";
import { pauseCluster, rebuild, stopCluster, switchover } from "./wishes.ts";
import { drift, type Life } from "./world.ts";

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
    if (node === null) return;
    return isData(step) ? toData(cluster, node, step) : toNode(cluster, node, step);
  }
  switch (step.do) {
    case "kill-all":
      for (const node of cluster.nodes)
        kill(cluster, node, step.ms + world.random.between(0, 3_000));
      return;
    case "stop-cluster":
      return stopCluster(cluster, step.ms);
    case "pause-cluster":
      return pauseCluster(cluster, step.ms);
    case "consul":
      return consulDay(cluster, step.how, step.ms);
    case "lose-sessions":
      return loseSessions(cluster);
    case "restore-consul":
      return restoreConsul(cluster, step.to, step.ms);
    case "network-slow":
      cluster.net.extraMs = step.by;
      world.after(step.ms, null, () => (cluster.net.extraMs = 0));
      return;
    case "long-transaction":
      cluster.clients.nextHeavyMs = step.ms;
      return;
    case "switchover":
      return switchover(
        cluster,
        step.to === null ? null : (nodeOf(cluster, step.to)?.name ?? step.to),
      );
    case "add-node":
      if (cluster.nodes.length >= cluster.options.nodes + 2 || cluster.judge.consulLied) return;
      world.saw("node added");
      cluster.addNode().start();
      return;
  }
}

const DATA: ReadonlySet<string> = new Set<DataStep["do"]>([
  "lose-disk",
  "break-provisioning",
  "errant",
  "purge",
  "rebuild",
  "remove-node",
  "old-volume",
  "disk-full",
  "disk-slow",
  "applier-slow",
  "applier-error",
  "receiver-slow-to-stop",
]);

const isData = (step: NodeStep | DataStep): step is DataStep => DATA.has(step.do);

function toNode(cluster: Cluster, node: SimNode, step: NodeStep): void {
  const { world } = cluster;
  const { machine } = node.parts;
  switch (step.do) {
    case "kill-mysqld":
      if (machine.server !== null) world.saw("mysqld killed");
      return machine.server?.kill();
    case "kill-in-commit":
      machine.weather.killInCommit = step.withinMs;
      return;
    case "crash-at":
      node.breakpoint = { action: step.action, when: step.when };
      return;
    case "kill-node":
      return kill(cluster, node, step.ms);
    case "power-loss":
      kill(cluster, node, step.ms);
      return machine.losePower();
    case "stop-node":
      if (node.runs) world.saw("node stopped");
      node.stop();
      return void world.after(step.ms, null, () => node.start());
    case "pause-agent":
    case "pause-loop":
    case "pause-mysqld":
    case "pause-node":
      return pause(cluster, node, step.do, step.ms);
    case "cut": {
      const from = nodeOf(cluster, step.from)?.name ?? step.from;
      return cut(cluster, node.name, [from], step.ms, step.way);
    }
    case "isolate":
      return cut(cluster, node.name, [...cluster.others(node.name), "consul"], step.ms);
    case "deny":
      return deny(cluster, node.name, step.ms);
    case "wall-jump":
      if (node.runs) world.saw("wall clock jumped");
      machine.time.wallOffset += step.ms;
      return;
    case "clock-drift":
      if (node.runs) world.saw("clock drifted");
      drift(world, machine.time, step.rate);
      return void world.after(step.ms, null, () => drift(world, machine.time, 1));
  }
}

function toData(cluster: Cluster, node: SimNode, step: DataStep): void {
  const { world } = cluster;
  const { machine } = node.parts;
  const { weather } = machine;
  switch (step.do) {
    case "lose-disk":
      return loseDisk(cluster, node);
    case "old-volume":
      return oldVolume(cluster, node, step.ms);
    case "disk-full":
      weather.full = true;
      return void world.after(step.ms, null, () => {
        weather.full = false;
        machine.server?.diskFreed();
      });
    case "disk-slow":
      weather.slowMs = 200;
      return void world.after(step.ms, null, () => (weather.slowMs = 0));
    case "applier-slow":
      weather.applyMs = 400;
      return void world.after(step.ms, null, () => (weather.applyMs = 0));
    case "applier-error":
      weather.applierBroken = true;
      return void world.after(step.ms, null, () => {
        weather.applierBroken = false;
        machine.server?.applierMended();
      });
    case "receiver-slow-to-stop":
      weather.stopMs = 12_000;
      return void world.after(step.ms, null, () => (weather.stopMs = 0));
    case "break-provisioning":
      machine.breakNext = true;
      return;
    case "errant":
      return writeErrant(cluster, node);
    case "purge":
      if (machine.data === null) return;
      world.saw("binlog purged");
      return machine.data.purged.addAll(machine.data.executed);
    case "rebuild":
      return rebuild(cluster, node);
    case "remove-node":
      if (!mayLose(cluster, node)) return;
      world.saw("node removed");
      node.removed = true;
      return node.kill();
  }
}

function kill({ world }: Cluster, node: SimNode, ms: number): void {
  if (node.runs) world.saw("node killed");
  node.kill();
  world.after(ms, null, () => node.start());
}

/** A person with SUPER: on the primary it is a write like any other, elsewhere nobody else has it. */
function writeErrant(cluster: Cluster, node: SimNode): void {
  const { world, judge } = cluster;
  const { server } = node.parts.machine;
  if (server?.ready !== true) return;
  const primary = server === judge.newest && !server.readOnly;
  server.submit({ kind: "errant" }, (trx) => {
    if (trx === null) return;
    world.saw(primary ? "operator wrote on the primary" : "operator wrote on a replica");
    judge.wroteOutside ||= !primary;
  });
}

function pause(cluster: Cluster, node: SimNode, what: string, ms: number): void {
  const { world } = cluster;
  const { agent, parts } = node;
  const { server } = parts.machine;
  if (what === "pause-loop" && agent !== null) world.pause(agent.main);
  if (what === "pause-agent" || what === "pause-node") node.pause();
  if ((what === "pause-mysqld" || what === "pause-node") && server !== null)
    world.pause(server.life);
  const held = (life: Life | undefined): boolean => life !== undefined && life.held.length > 0;
  world.after(ms, null, () => {
    if (held(agent?.main)) world.saw(what === "pause-loop" ? "loop paused" : "agent paused");
    if (held(server?.life)) world.saw("mysqld paused");
    // Only what was stopped goes on: a later incarnation was never stopped.
    if (server !== null && server.life.paused) world.resume(server.life);
    if (agent !== null && node.agent === agent) node.resume();
  });
}

function cut(
  { world, net }: Cluster,
  node: string,
  from: readonly string[],
  ms: number,
  way: "to-it" | "from-it" | "both" = "both",
): void {
  const paths = from
    .filter((other) => other !== node)
    .flatMap((other) => [
      ...(way === "from-it" ? [] : [[other, node] as const]),
      ...(way === "to-it" ? [] : [[node, other] as const]),
    ]);
  for (const [a, b] of paths) net.cut(a, b);
  world.after(ms, null, () => {
    for (const [a, b] of paths) net.heal(a, b);
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
  // With nobody left who may be elected a person has to choose.
  const electable = others.some((v) =>
    cluster.nodes.some((n) => n.parts.machine.data?.uuid === v && !n.parts.config.tags.noFailover),
  );
  return whole && electable && (state.acks > 0 || !counts);
}

function loseDisk(cluster: Cluster, node: SimNode): void {
  if (!mayLose(cluster, node)) return;
  cluster.world.saw("disk lost");
  node.kill();
  node.parts.machine.lose();
  cluster.world.after(cluster.world.random.between(500, 5_000), null, () => node.start());
}

function isTold({ consul }: Cluster, { promise, data }: Volume): boolean {
  if (data === null) return false;
  const entry = consul.state.kv.get(KEYS.node(data.uuid));
  const said = entry === undefined ? null : parseNode(entry.value.toString());
  if (said === null) return false;
  const held = {
    executed: data.executed.text(),
    retrieved: data.retrieved.text(),
    purged: data.purged.text(),
  };
  return forgotPromise(promise, said) || forgotData(held, said);
}

/** Only where its record tells: it is written every 2 s, and not at all while Consul is away (PROTOCOL §2, S29). */
function oldVolume(cluster: Cluster, node: SimNode, ms: number): void {
  const { machine } = node.parts;
  const volume = machine.copyVolume();
  cluster.world.after(ms, null, () => {
    const same = machine.data !== null && machine.data.uuid === volume.data?.uuid;
    if (!same || !isTold(cluster, volume) || !mayLose(cluster, node)) return;
    const within = machine.promise.epoch === volume.promise.epoch;
    cluster.world.saw(within ? "disk restored within an epoch" : "disk restored");
    cluster.judge.wentBack(machine.data?.uuid ?? "");
    node.kill();
    machine.useVolume(volume);
    cluster.world.after(cluster.world.random.between(500, 5_000), null, () => node.start());
  });
}
