// One node's machine: what lies on its disk, the making of datadirs, the supervised mysqld, questions to other machines.
// The disk survives every crash of a process; `lose` takes it away. Work on it takes time and can be cut off half-way.
import { ConfigError, InvariantError, UnavailableError, invariant } from "../../src/errors.ts";
import type { Supervise, Supervised } from "../../src/runtime/supervisor.ts";
import type { PromiseFacts } from "../../recipes/mysql/core/observation.ts";
import type { Disk, Maker, NewData, Peers, Plan } from "../../recipes/mysql/machine.ts";
import { copyOf, goodWeather, newData, tear, type Data, type DiskWeather } from "./sim-data.ts";
import { SimServer, type Surroundings } from "./sim-server.ts";
import type { Life, MachineTime } from "./world.ts";

const NOTHING: PromiseFacts = { epoch: 0, ver: 0, seenEpoch: 0 };

export class Machine {
  readonly host: string;
  readonly around: Surroundings;
  readonly time: MachineTime;
  readonly weather: DiskWeather = goodWeather();
  data: Data | null = null;
  half = false;
  promise: PromiseFacts = NOTHING;
  /** The highest epoch that any disk of this machine ever held a promise of. */
  everPromised = 0;
  plan: Plan | null = null;
  bootstrap: string | null = null;
  /** Datadirs kept as evidence. */
  readonly aside: Data[] = [];
  server: SimServer | null = null;
  /** The next making of a datadir breaks off half-way. */
  breakNext = false;

  constructor(host: string, around: Surroundings) {
    this.host = host;
    this.around = around;
    const { random } = around.world;
    const rate = random.between(0.9995, 1.0005);
    this.time = { rate, origin: random.between(10_000, 1_000_000), wallOffset: 0 };
  }

  copyVolume(): Volume {
    const { promise, plan, bootstrap, data } = this;
    return { promise, plan, bootstrap, data: data === null ? null : copyOf(data) };
  }

  useVolume(volume: Volume): void {
    this.promise = volume.promise;
    this.plan = volume.plan;
    this.bootstrap = volume.bootstrap;
    this.data = volume.data;
  }

  /** What was not synced is gone. */
  losePower(): void {
    const { data, around } = this;
    if (data === null) return;
    around.world.saw("power lost");
    const torn = tear(data);
    if (torn.length === 0) return;
    around.world.saw("relay log torn");
    around.witness.torn(data.uuid, torn);
  }

  /** Another disk, empty. */
  lose(): void {
    this.server?.kill();
    this.data = null;
    this.half = false;
    this.promise = NOTHING;
    this.plan = null;
    this.bootstrap = null;
    this.weather.full = false;
  }
}

/** A volume's snapshot. */
export type Volume = Pick<Machine, "promise" | "plan" | "bootstrap" | "data">;

export function simDisk(machine: Machine, life: Life): Disk {
  const { world } = machine.around;
  const { random } = world;
  /** Durable when it returns; a crash in between leaves the old or the new. */
  const durable = async (write: () => void): Promise<void> => {
    await world.wait(random.between(0.3, 2) + random.next() * machine.weather.slowMs, life);
    if (machine.weather.full) {
      world.saw("disk full: a promise fails");
      throw new ConfigError("AP_DATADIR_UNWRITABLE", "no space left on device");
    }
    write();
  };
  return {
    read: () => {
      const { data, half, bootstrap, promise, plan } = machine;
      const kind = data === null ? (half ? "half" : "absent") : "ready";
      const { uuid = null, serverId = null, clusterId = null } = data ?? {};
      return Promise.resolve({
        datadir: { kind, uuid, serverId, clusterId, bootstrap },
        promise,
        plan,
      });
    },
    writePromise: (next) =>
      durable(() => {
        const { epoch, ver, seenEpoch } = machine.promise;
        if (next.epoch < epoch || next.ver < ver || next.seenEpoch < seenEpoch)
          throw new InvariantError(
            "AP_BUG_INVARIANT",
            `promise ${JSON.stringify(next)} after ${JSON.stringify(machine.promise)}`,
          );
        machine.promise = next;
        machine.everPromised = Math.max(machine.everPromised, next.epoch);
      }),
    writePlan: (plan) => durable(() => void (machine.plan = plan)),
    writeBootstrap: (clusterId) => durable(() => void (machine.bootstrap = clusterId)),
    free: () => Promise.resolve(machine.weather.full ? 0 : 1e12),
    // What the logs hold is in the datadir, which is kept here without bound.
    extract: () => Promise.resolve({ place: null, gtids: "", complete: true, problems: [] }),
    room: () => Promise.resolve({ aside: [], freeBytes: 1e12, lastBytes: null }),
    removeAside: () => Promise.resolve(),
    async setAside() {
      const { data } = machine;
      if (data === null) return null;
      await durable(() => {
        invariant(machine.server === null, "AP_BUG_INVARIANT", "set aside while mysqld runs");
        machine.around.witness.setAside(data.uuid);
        machine.aside.push(data);
        machine.data = null;
      });
      return "aside";
    },
  };
}

export function simMaker(machine: Machine, life: Life, process: SimProcess): Maker {
  const { world, net, serverAt } = machine.around;
  const { random } = world;
  const work = async (ms: number, { signal }: NewData, check: () => void): Promise<void> => {
    invariant(machine.data === null, "AP_BUG_INVARIANT", "a datadir is there already");
    machine.half = true;
    const steps = 5;
    for (let step = 0; step < steps; step++) {
      await world.wait(ms / steps, life);
      signal.throwIfAborted();
      check();
      if (machine.weather.full) throw failed("no space left on device");
      if (step === 3 && machine.breakNext) {
        machine.breakNext = false;
        world.saw("datadir broken off");
        throw failed("broken off");
      }
    }
  };
  return {
    async initialize(of) {
      await work(random.between(600, 1_500), of, () => {});
      machine.data = newData(of);
      machine.half = false;
    },
    async clone(of) {
      const donor = (): SimServer => {
        const found = serverAt(of.donor.host);
        if (found === null || !found.ready || net.isCut(machine.host, of.donor.host))
          throw failed("the donor is gone");
        return found;
      };
      await work(random.between(1_000, 4_000), of, () => void donor());
      const from = donor().data;
      const data = newData(of);
      data.executed.addAll(from.executed);
      data.purged.addAll(from.executed);
      for (const [id, locked] of from.accounts) data.accounts.set(id, locked);
      // The donor's own replica metadata comes along.
      data.source = from.source === null ? null : { ...from.source };
      machine.data = data;
      machine.half = false;
    },
    async start() {
      await world.wait(random.between(1, 20), life);
      process.begin();
    },
  };
}

function failed(why: string): UnavailableError {
  return new UnavailableError("AP_PROVISION_FAILED", why);
}

/** The supervised mysqld: its exit is collected by the agent, when that runs. */
export class SimProcess implements Supervised {
  readonly #machine: Machine;
  readonly #life: Life;
  readonly #onExit: NonNullable<Parameters<Supervise>[0]["onExit"]>;
  #running = false;
  #incarnation = 0;
  #lastExit: string | null = null;
  #ended: Promise<never> | Promise<Awaited<ReturnType<Supervised["exited"]>>> | null = null;

  constructor(
    machine: Machine,
    life: Life,
    onExit: NonNullable<Parameters<Supervise>[0]["onExit"]>,
  ) {
    this.#machine = machine;
    this.#life = life;
    this.#onExit = onExit;
  }

  begin(): void {
    const machine = this.#machine;
    const { world } = machine.around;
    invariant(!this.#running, "AP_BUG_INVARIANT", "mysqld is running already");
    if (machine.data === null) throw new UnavailableError("AP_SPAWN_FAILED", "no datadir");
    const startedAt = world.now;
    const incarnation = (this.#incarnation += 1);
    this.#running = true;
    const server = new SimServer(machine.host, machine.data, machine.weather, machine.around);
    machine.server = server;
    this.#ended = new Promise((resolve) => {
      server.onEnd.add(() => {
        if (machine.server === server) machine.server = null;
        world.after(world.random.between(0.3, 2), this.#life, () => {
          const afterMs = world.now - startedAt;
          const says = `ended after ${(afterMs / 1_000).toFixed(1)} s`;
          const exit = { code: null, signal: "SIGKILL", incarnation, afterMs, says };
          this.#running = false;
          this.#lastExit = says;
          this.#onExit(exit);
          resolve(exit);
        });
      });
    });
  }

  start(): never {
    throw new Error("the simulated maker begins it");
  }

  async stop({ termFirst, graceMs }: { termFirst: boolean; graceMs: number }): Promise<void> {
    if (!this.#running) return;
    const { server, around } = this.#machine;
    if (termFirst && server !== null) {
      server.terminate();
      const gone = new Promise<void>((resolve) => {
        server.onEnd.add(() => void around.world.after(1, this.#life, resolve));
      });
      await Promise.race([gone, around.world.wait(graceMs, this.#life)]);
    }
    this.kill();
    await this.#ended;
  }

  kill(): void {
    if (this.#running) this.#machine.server?.kill();
  }

  facts() {
    return {
      running: this.#running,
      incarnation: this.#incarnation,
      pid: this.#running ? this.#incarnation : null,
      lastExit: this.#lastExit,
    };
  }

  async exited() {
    return this.#running ? await this.#ended : null;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop({ termFirst: false, graceMs: 0 });
  }
}

/** Whether a host's agent answers /liveness now. */
export type AgentAt = (host: string) => "alive" | "dead" | "silent";

export function simPeers(machine: Machine, life: Life, agentAt: AgentAt): Peers {
  const { world, net, serverAt } = machine.around;
  const reach = (host: string): SimServer | null => {
    const server = serverAt(host);
    if (server === null || !server.ready || server.offline || server.full || server.aclLocked)
      return null;
    return server.life.paused || net.isCut(machine.host, host) ? null : server;
  };
  const late = async (limitMs: number): Promise<never> => {
    await world.wait(limitMs, life);
    throw new UnavailableError("AP_MYSQLD_TIMEOUT", "no answer");
  };
  return {
    async sets({ host }) {
      await world.wait(net.latency() + 0.5, life);
      const server = reach(host);
      if (server === null) return late(isClosed(machine, host) ? 1 : 1_000);
      const { uuid, executed, purged } = server.data;
      const sets = { uuid, executed: executed.text(), purged: purged.text() };
      await world.wait(net.latency(), life);
      return sets;
    },
    async awaitSet({ host }, { executed, limitMs }) {
      const over = world.now + limitMs;
      while (world.now < over) {
        const server = reach(host);
        if (server !== null && covers(server, executed)) return;
        await world.wait(20, life);
      }
      await late(0);
    },
    async refused({ host }) {
      const closed = isClosed(machine, host);
      await world.wait(closed ? net.latency() * 2 : net.isCut(machine.host, host) ? 300 : 1, life);
      return closed;
    },
    async alive({ host }) {
      const answer = net.isCut(machine.host, host) ? "silent" : agentAt(host);
      await world.wait(answer === "silent" ? 500 : net.latency() * 2, life);
      return answer === "alive";
    },
  };
}

/** The host answers, and nobody listens there. */
function isClosed({ host: mine, around }: Machine, host: string): boolean {
  return !around.net.isCut(mine, host) && around.serverAt(host) === null;
}

function covers(server: SimServer, text: string): boolean {
  return text.split(",").every((part) => {
    const [uuid = "", ...ranges] = part.split(":");
    return ranges.every((range) => {
      const [first = 0, last = first] = range.split("-").map(Number);
      for (let n = last; n >= first; n--) if (!server.data.executed.has(uuid, n)) return false;
      return true;
    });
  });
}
