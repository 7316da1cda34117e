// A whole cluster in memory: world, network, Consul, machines with their nodes, clients and the judge, wired together.
import type { MysqlConfig } from "../../recipes/mysql/config.ts";
import { keysOf, parseNode, parseState } from "../../recipes/mysql/keys.ts";
import type { PromiseRecord } from "../../recipes/mysql/core/observation.ts";
import { Clients } from "./clients.ts";
import type { Gtids } from "./gtids.ts";
import { Judge } from "./judge.ts";
import { Network } from "./network.ts";
import { SimNode, type Say } from "./node.ts";
import { SimConsul } from "./sim-consul.ts";
import { Machine } from "./sim-machine.ts";
import { goodWeather } from "./sim-data.ts";
import type { Surroundings } from "./sim-server.ts";
import { drift, World } from "./world.ts";

export const CLUSTER = "sim";
export const KEYS = keysOf(CLUSTER);

export type Durability = MysqlConfig["durability"];
export type Tags = MysqlConfig["tags"];

export const DEFAULTS: Durability = {
  acks: 1,
  voters: 3,
  minAcks: 0,
  dropVoterAfter: 30_000,
  aloneAfter: 5_000,
  // A schedule has a dozen failovers in its two minutes: it is there to see many.
  backOffAfter: 0,
};

export type Options = {
  readonly seed: number;
  readonly nodes: number;
  readonly durability?: Partial<Durability>;
  /** By node name. */
  readonly tags?: Readonly<Record<string, Partial<Tags>>>;
  readonly say?: Say | null;
};

export class Cluster {
  readonly world: World;
  readonly net: Network;
  readonly consul: SimConsul;
  readonly judge: Judge;
  readonly clients: Clients;
  readonly nodes: SimNode[] = [];
  readonly options: Options;
  /** How often each action was done. */
  readonly acted = new Map<string, number>();
  readonly #disks = new Map<string, Machine>();

  constructor(options: Options) {
    this.options = options;
    this.world = new World(options.seed);
    this.net = new Network(this.world);
    this.consul = new SimConsul(this.world, this.net);
    this.judge = new Judge(this.world, {
      promised: (uuid) => this.#disks.get(uuid)?.everPromised ?? 0,
      serverOf: (uuid) => this.#machineOf(uuid)?.server ?? null,
      onDisk: (uuid) => this.#onDisk(uuid),
      newestRecord: () =>
        Math.max(
          0,
          ...this.consul.entries(KEYS.nodes).map((entry) => parseNode(entry.value)?.joined ?? 0),
        ),
      hasDisk: (uuid) => this.#machineOf(uuid) !== undefined,
      isOnDisk: (uuid, trx) => {
        const data = this.#machineOf(uuid)?.data ?? null;
        if (data === null) return false;
        return (
          data.executed.has(trx.uuid, trx.n) ||
          data.retrieved.has(trx.uuid, trx.n) ||
          data.tail.has(trx)
        );
      },
    });
    this.consul.onKey = (key, value) => this.#onKey(key, value);
    this.clients = new Clients(this.around(), this.judge, () => this.nodes.map((n) => n.name));
    for (let n = 0; n < options.nodes; n++) this.addNode();
  }

  around(): Surroundings {
    const { world, net, judge } = this;
    return {
      world,
      net,
      witness: judge,
      serverAt: (host) => this.at(host)?.parts.machine.server ?? null,
    };
  }

  at(host: string): SimNode | undefined {
    return this.nodes.find((node) => node.name === host);
  }

  addNode(): SimNode {
    const host = `n${this.nodes.length + 1}`;
    const machine = new Machine(host, this.around());
    const node = new SimNode({
      machine,
      consul: this.consul,
      config: configOf(this.options.durability ?? {}, this.options.tags?.[host] ?? {}),
      agentAt: (other) => this.at(other)?.liveness() ?? "dead",
      say: this.options.say ?? null,
      acted: (_, action) => this.acted.set(action, (this.acted.get(action) ?? 0) + 1),
      judge: this.judge,
      bug: (name, error) => this.judge.broken("bug", `${name}: ${describe(error)}`),
    });
    this.nodes.push(node);
    return node;
  }

  others(host: string): readonly string[] {
    return this.nodes.map((n) => n.name).filter((name) => name !== host);
  }

  /** Everything heals, everybody runs. */
  heal(): void {
    const { world, net, consul } = this;
    net.healAll();
    consul.calm();
    for (const node of this.nodes) {
      const { machine } = node.parts;
      Object.assign(machine.weather, goodWeather());
      drift(world, machine.time, 1);
      machine.breakNext = false;
      machine.server?.diskFreed();
      machine.server?.applierMended();
      if (machine.server !== null && machine.server.life.paused) world.resume(machine.server.life);
      node.breakpoint = null;
      node.resume();
      if (!node.runs) world.after(world.random.between(0, 2_000), null, () => node.start());
    }
  }

  #onDisk(uuid: string): Gtids | null {
    const machine = this.#machineOf(uuid);
    if (machine?.data == null) return null;
    const { data } = machine;
    const all = data.executed.copy();
    all.addAll(data.retrieved);
    for (const trx of data.tail) all.add(trx.uuid, trx.n);
    return all;
  }

  #machineOf(uuid: string): Machine | undefined {
    return this.nodes.map((n) => n.parts.machine).find((m) => m.data?.uuid === uuid);
  }

  #onKey(key: string, value: string | null): void {
    if (value === null) return;
    if (key === KEYS.state) {
      const state = parseState(value);
      if (state !== null) this.judge.stateWritten(state);
    } else if (key.startsWith(KEYS.allPromises)) {
      const record = JSON.parse(value) as PromiseRecord;
      const machine = this.#machineOf(record.uuid);
      if (machine !== undefined) this.#disks.set(record.uuid, machine);
      this.judge.promiseWritten(record);
    }
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` ← ${error.cause.message}` : "";
  return `${error.message}${cause}\n${error.stack ?? ""}`;
}

function configOf(durability: Partial<Durability>, tags: Partial<Tags>): MysqlConfig {
  return {
    port: 3306,
    adminPort: 3307,
    bind: "0.0.0.0",
    secrets: { admin: "", replication: "", clone: "", peer: "", app: "" },
    options: {},
    durability: { ...DEFAULTS, ...durability },
    rejoin: "rebuild",
    tags: { noFailover: false, priority: 100, zone: "", ...tags },
    keepAside: 3,
  };
}
