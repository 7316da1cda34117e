// One node: the REAL reconciler under the REAL loop on simulated ports, as one process that can be killed, stopped
// (SIGSTOP), asked to stop (SIGTERM) and started again. Its mysqld dies with it.
import type { RootLog } from "../../src/log.ts";
import type { Report } from "../../src/recipe.ts";
import type { Action } from "../../recipes/mysql/core/action.ts";
import type { Observation } from "../../recipes/mysql/core/observation.ts";
import type { Judge } from "./judge.ts";
import { makeAlarm } from "../../src/runtime/alarm.ts";
import { Loop } from "../../src/runtime/loop.ts";
import type { MysqlConfig } from "../../recipes/mysql/config.ts";
import { assemble } from "../../recipes/mysql/reconciler.ts";
import { simKv, simLeaser } from "./sim-kv.ts";
import { startSimLease } from "./sim-lease.ts";
import { Machine, SimProcess, simDisk, simMaker, simPeers, type AgentAt } from "./sim-machine.ts";
import { simMysqld } from "./sim-mysqld.ts";
import type { SimConsul } from "./sim-consul.ts";
import { UnavailableError } from "../../src/errors.ts";
import { clockOf, Life } from "./world.ts";

export type Say = (node: string, line: string) => void;

export type Breakpoint = { readonly action: string; readonly when: "before" | "after" };

export type NodeParts = {
  readonly machine: Machine;
  readonly consul: SimConsul;
  readonly config: MysqlConfig;
  readonly agentAt: AgentAt;
  readonly say: Say | null;
  readonly acted: (node: string, action: string) => void;
  readonly judge: Judge;
  /** A bug: an InvariantError, an unhandled rejection. */
  readonly bug: (node: string, error: unknown) => void;
};

export type Agent = {
  readonly main: Life;
  readonly thread: Life;
  readonly loop: Loop<never, never> | null;
  stop(): void;
};

export class SimNode {
  readonly name: string;
  readonly parts: NodeParts;
  agent: Agent | null = null;
  ticks = 0;
  /** Crash there, once. */
  breakpoint: Breakpoint | null = null;
  /** Never started again. */
  removed = false;
  /** To be started again when it has ended. */
  wanted = true;
  #tickedAt = 0;
  /** What it says of itself. */
  says = "starting";
  /** When it last said that nobody holds everything that was promised; -Infinity: never. */
  refusedAt = -Infinity;

  constructor(parts: NodeParts) {
    this.parts = parts;
    this.name = parts.machine.host;
  }

  get runs(): boolean {
    return this.agent !== null;
  }

  /** kill -9 of the agent; mysqld goes with it. */
  kill(): void {
    const { agent } = this;
    if (agent === null) return;
    this.agent = null;
    agent.main.end();
    agent.thread.end();
    this.parts.machine.server?.kill();
  }

  /** SIGSTOP of the agent's process. */
  pause(): void {
    const { world } = this.parts.consul;
    if (this.agent === null) return;
    world.pause(this.agent.main);
    world.pause(this.agent.thread);
  }

  resume(): void {
    const { world } = this.parts.consul;
    if (this.agent === null) return;
    world.resume(this.agent.main);
    world.resume(this.agent.thread);
  }

  /** SIGTERM. */
  stop(): void {
    this.wanted = false;
    this.agent?.stop();
  }

  liveness(): "alive" | "dead" | "silent" {
    const { agent } = this;
    if (agent === null) return "dead";
    if (!agent.main.runs) return "silent";
    return this.parts.consul.world.now - this.#tickedAt <= 5_000 ? "alive" : "dead";
  }

  start(): void {
    this.wanted = true;
    if (this.agent !== null || this.removed) return;
    const main = new Life(`agent@${this.name}`);
    const thread = new Life(`lease@${this.name}`);
    const agent = { main, thread, loop: null, stop: () => {} };
    this.agent = agent;
    this.#run(agent).then(
      () => this.#ended(agent),
      (error: unknown) => {
        if (this.agent !== agent) return;
        this.parts.bug(this.name, error);
        this.kill();
      },
    );
  }

  /** It stopped in order: then the machine's mysqld has ended too. */
  #ended(agent: Agent): void {
    if (this.agent !== agent) return;
    if (this.parts.machine.server !== null)
      this.parts.bug(this.name, new Error("the agent ended before its mysqld"));
    this.kill();
    if (this.wanted) this.start();
  }

  async #run(agent: Agent & { stop: () => void }): Promise<void> {
    const { machine, consul, config } = this.parts;
    const { main, thread } = agent;
    const { world, net } = consul;
    const clock = clockOf(world, main, machine.time);
    const caller = { node: this.name, life: main };
    const alarm = makeAlarm(clock);
    const log = this.#log();
    const serviceId = `mysql-sim-${this.name}`;
    const onChange = alarm.wake;
    const lease = startSimLease({
      consul,
      node: this.name,
      serviceId,
      main,
      thread,
      clock,
      onChange,
    });
    const kv = simKv(consul, caller);
    const reconciler = await assemble({
      config,
      node: {
        name: this.name,
        cluster: "sim",
        dir: `/sim/${this.name}`,
        host: this.name,
        httpPort: 8500,
        controlSocket: "",
      },
      clock,
      kv,
      lease,
      leaser: simLeaser(consul, caller),
      log,
      disk: simDisk(machine, main),
      peers: simPeers(machine, main, this.parts.agentAt),
      newUuid: () => world.random.uuid(),
      wake: alarm.wake,
      announce: (type, what) => this.parts.say?.(this.name, `${type}: ${what}`),
      hook: () => Promise.resolve(),
      supervise: ({ onExit }) => new SimProcess(machine, main, onExit ?? (() => {})),
      maker: (process) => simMaker(machine, main, process as SimProcess),
      connect: async () => {
        await world.wait(net.latency() + 1, main);
        const { server } = machine;
        if (server === null || !server.ready || server.life.paused || server.stopping)
          throw new UnavailableError("AP_MYSQLD_TIMEOUT", "not ready");
        if (server.aclLocked) throw new UnavailableError("AP_MYSQLD_TIMEOUT", "login hangs");
        return simMysqld(server, main);
      },
    });
    agent.stop = () => {
      reconciler.requestStop();
      alarm.wake();
    };
    let last: Observation | null = null;
    const watched = {
      ...reconciler,
      observe: async () => {
        this.ticks += 1;
        this.#tickedAt = world.now;
        return (last = await reconciler.observe());
      },
      report: (o: Observation, actions: readonly Action[]) =>
        this.#heard(reconciler.report(o, actions)),
      execute: async (action: Action) => {
        await this.#break(action.do, "before");
        if (action.do === "publish" && last !== null) this.parts.judge.publishes(this.name, last);
        await reconciler.execute(action);
        this.parts.acted(this.name, action.do);
        await this.#break(action.do, "after");
      },
    };
    const blackBox = { record: () => {}, dump: () => null };
    const publish = (type: string, what: string) => {
      if (type === "says" || type === "setback") this.parts.say?.(this.name, `${type}: ${what}`);
    };
    const loop = new Loop({ reconciler: watched, alarm, clock, lease, log, blackBox, publish });
    await loop.run();
    await reconciler[Symbol.asyncDispose]();
    await lease[Symbol.asyncDispose]();
  }

  /** (4): whoever waits says why. */
  #heard(report: Report): Report {
    if (report.says === "") this.parts.judge.broken("(4)", `${this.name} says nothing`);
    this.says = report.says;
    if (report.says.includes("incomparable")) this.refusedAt = this.parts.consul.world.now;
    return report;
  }

  /** Never resolves when it crashes here: the dead do nothing more. */
  #break(action: string, when: Breakpoint["when"]): Promise<void> {
    const at = this.breakpoint;
    if (at === null || at.action !== action || at.when !== when) return Promise.resolve();
    this.breakpoint = null;
    const { world } = this.parts.consul;
    world.saw("agent crashed at an action");
    this.kill();
    world.after(world.random.between(500, 5_000), null, () => this.start());
    return new Promise(() => {});
  }

  #log(): RootLog {
    const { say } = this.parts;
    const quiet = (): void => {};
    const loud =
      say === null
        ? quiet
        : (msg: string, fields?: Readonly<Record<string, unknown>>) => {
            const err = fields?.["err"];
            const why = err instanceof Error ? err.message : JSON.stringify(fields?.["why"] ?? "");
            say(this.name, `${msg} ${why}`);
          };
    const log: RootLog = {
      error: loud,
      warn: loud,
      info: quiet,
      debug: quiet,
      child: () => log,
      redact: quiet,
      moment: quiet,
      clean: (text) => text,
    };
    return log;
  }
}
