// The processes of a lab's cluster: Consul, and the `up` that is the parent of the nodes.
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { CLI } from "../cli-path.ts";
import { connect, consulAt, type Consul } from "../consul/client.ts";
import { UnavailableError, messageOf } from "../errors.ts";
import type { LabEvent, LabProcesses } from "../lab.ts";
import type { Log } from "../log.ts";
import { realClock as clock } from "../runtime/clock.ts";
import { launch } from "../runtime/launch.ts";
import { makeSupervise, type Supervised } from "../runtime/supervisor.ts";
import { ask } from "./ask.ts";
import type { Cluster } from "./cluster-file.ts";
import { startEmbedded } from "./consul-choice.ts";
import type { NodeStarted, UpFacts } from "./orders.ts";
import { commandLine, isRunning, processesBelow } from "./process.ts";
import { upSocketOf } from "./socket-path.ts";

type Parts = {
  readonly dir: string;
  readonly cluster: Cluster;
  readonly serverName: string;
  readonly log: Log;
};

/** What `up --json` prints, of which only these lines matter here. */
type Line = {
  readonly event: string;
  readonly what?: string;
  readonly why?: string;
} & Partial<LabEvent>;

// Seven seconds on an idle machine; somebody else may keep this one busy.
const READY_WITHIN_MS = 240_000;
const LOOK_EVERY_MS = 25;
const ORDER_WITHIN_MS = 10_000;
const STOP_WITHIN_MS = 90_000;
const SAID_KEPT = 4_000;

export class LabRun implements AsyncDisposable {
  readonly #parts: Parts;
  readonly consul: Consul;
  readonly #agent: Supervised;
  #up: ChildProcess | null = null;
  #ready = false;
  #said = "";

  constructor(parts: Parts) {
    this.#parts = parts;
    this.consul = connect(consulAt(parts.cluster.consul.url));
    this.#agent = makeSupervise({ clock, log: parts.log })({ name: "the drill's Consul" });
  }

  async start(onEvent: (event: LabEvent) => void, signal: AbortSignal): Promise<void> {
    await this.startConsul();
    const argv = [process.execPath, CLI, "up", "--json", "--dir", this.#parts.dir];
    const started = await launch("autopilot up", {
      argv,
      allEnv: true,
      whenOrphaned: "TERM",
      output: "pipe",
    });
    if (!started.ok) throw started.error;
    this.#up = started.child;
    const { stdout, stderr } = started.child;
    stderr?.on("data", (data) => this.#hear(String(data)));
    if (stdout !== null)
      createInterface({ input: stdout }).on("line", (line) => this.#take(line, onEvent));
    await this.#until("`up` is ready", READY_WITHIN_MS, () => this.#ready || this.#ended, signal);
    if (!this.#ready) throw this.#failed("`up` ended");
  }

  #take(text: string, onEvent: (event: LabEvent) => void): void {
    const line = JSON.parse(text) as Line;
    const { event, node, at, type, what, facts = {} } = line;
    if (event === "ready") this.#ready = true;
    else if (event === "node" && node && at && type && what)
      onEvent({ node, at, type, what, facts });
    else this.#hear(`${what ?? line.why ?? event}\n`);
  }

  #hear(text: string): void {
    this.#said = (this.#said + text).slice(-SAID_KEPT);
  }

  get #ended(): boolean {
    return this.#up?.exitCode != null || this.#up?.signalCode != null;
  }

  #failed(what: string): UnavailableError {
    const hint = `read the logs below ${join(this.#parts.dir, "nodes")}`;
    return new UnavailableError("AP_UP_TIMEOUT", `${what}: ${this.#said.trim()}`, { hint });
  }

  async startConsul(): Promise<void> {
    const { signal } = new AbortController();
    await startEmbedded(this.#agent, { ...this.#parts, consul: this.consul, signal });
  }

  async killConsul(): Promise<void> {
    await this.#agent.stop({ termFirst: false, graceMs: 0 });
  }

  consulPid(): number | null {
    return this.#agent.facts().pid;
  }

  async startNode(name: string): Promise<void> {
    const body = { name };
    const question = { socket: this.#socket, timeoutMs: ORDER_WITHIN_MS };
    await ask<NodeStarted>({ ...question, method: "POST", path: "/v1/start", body });
  }

  async stopNode(name: string): Promise<void> {
    const facts = await ask<UpFacts>({
      socket: this.#socket,
      path: "/v1/cluster",
      timeoutMs: ORDER_WITHIN_MS,
    });
    const pid = facts.nodes.find((node) => node.name === name)?.pid ?? null;
    if (pid === null) return;
    process.kill(pid, "SIGTERM");
    await this.#until(`${name} stops`, STOP_WITHIN_MS, () => !isRunning(pid));
  }

  get #socket(): string {
    return upSocketOf(this.#parts.dir);
  }

  /** Of the pids that name the node's directory: the agent runs `run`, the server is a program of the server's name. */
  processes(pids: readonly number[]): LabProcesses {
    const named = new RegExp(`(^|/)${this.#parts.serverName}$`);
    const agent = pids.find((pid) => commandLine(pid).includes("run")) ?? null;
    // Its own first word may be the dynamic loader.
    const server = pids.find((pid) => commandLine(pid).some((word) => named.test(word))) ?? null;
    return { agent, server };
  }

  async #until(
    what: string,
    limitMs: number,
    look: () => boolean,
    signal?: AbortSignal,
  ): Promise<void> {
    const deadline = clock.now() + limitMs;
    while (!look()) {
      if (clock.now() > deadline)
        throw new UnavailableError("AP_OUTCOME_TIMEOUT", `${what}: not within ${limitMs / 1000} s`);
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
  }

  /** SIGKILL to all of them, at once: nothing of this cluster is worth an orderly end. */
  killAll(): void {
    for (const pid of [...processesBelow(this.#parts.dir), this.#up?.pid]) {
      try {
        if (pid !== undefined && !this.#isOver(pid)) process.kill(pid, "SIGKILL");
      } catch (error) {
        const why = messageOf(error);
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") this.#parts.log.warn(why);
      }
    }
  }

  #isOver(pid: number): boolean {
    return pid === process.pid || (pid === this.#up?.pid && this.#ended);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = this.#up === null || this.#ended ? null : once(this.#up, "exit");
    // The parent first: it starts nothing again, but it would tell of each death.
    this.killAll();
    await gone;
    await this.#until("all processes end", STOP_WITHIN_MS, () => {
      const left = processesBelow(this.#parts.dir).filter((pid) => pid !== process.pid);
      if (left.length > 0) this.killAll();
      return left.length === 0;
    });
    await this.#agent[Symbol.asyncDispose]();
    this.consul.close();
  }
}
