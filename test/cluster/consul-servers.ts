// Three real Consul servers on loopback, as in production: a leader can change, a quorum can be lost, all data can be lost
// or be restored from a snapshot. Nodes speak to the first one, as to the agent on their host.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { consulSpec } from "../../src/local/toolchain/consul.ts";
import { findTool } from "../../src/local/toolchain.ts";
import { FAST } from "./consul.ts";
import { until } from "./until.ts";

const PORTS = 3;

export class ConsulServers implements AsyncDisposable {
  readonly #dir: string;
  readonly #port: number;
  readonly #argv: readonly string[];
  readonly #children: (ChildProcess | null)[] = [null, null, null];

  private constructor(dir: string, port: number, argv: readonly string[]) {
    this.#dir = dir;
    this.#port = port;
    this.#argv = argv;
  }

  /** Uses nine ports from `port` on; the data is below `dir`. */
  static async start(dir: string, port: number): Promise<ConsulServers> {
    const tool = await findTool(consulSpec, { progress: (line) => console.error(line) });
    const servers = new ConsulServers(dir, port, tool.command("consul"));
    await servers.#startAll();
    return servers;
  }

  /** Of the first server. */
  get url(): string {
    return this.#url(0);
  }

  #url(at: number): string {
    return `http://127.0.0.1:${this.#port + at * PORTS}`;
  }

  #data(at: number): string {
    return join(this.#dir, `consul-server-${at}`);
  }

  #spawn(at: number): void {
    const http = this.#port + at * PORTS;
    const join = this.#children.map(
      (_, i) => `-retry-join=127.0.0.1:${this.#port + i * PORTS + 2}`,
    );
    const hcl = `ports{grpc=-1} limits{http_max_conns_per_client=1000} ${FAST}`;
    const role = "agent -server -bootstrap-expect=3 -bind=127.0.0.1 -client=127.0.0.1";
    const ports = `-http-port=${http} -server-port=${http + 1} -serf-lan-port=${http + 2}`;
    const rest = `-node=server-${at} -dns-port=-1 -serf-wan-port=-1 -retry-interval=1s -log-level=warn`;
    const words = `${role} ${ports} ${rest}`.split(" ");
    const argv = [...words, `-data-dir=${this.#data(at)}`, `-hcl=${hcl}`, ...join];
    const child = spawn("setpriv", ["--pdeathsig", "KILL", ...this.#argv, ...argv], {
      stdio: "ignore",
    });
    this.#children[at] = child;
  }

  async #startAll(): Promise<void> {
    for (const [at, child] of this.#children.entries()) if (child === null) this.#spawn(at);
    await this.#ready();
    // The nodes' own server does not lead: then another one's end is a change of leader and nothing else.
    if ((await this.leader()) === 0) {
      await this.#kill(0);
      await until("another server leads", async () => (await this.leader(1)) !== 0);
      this.#spawn(0);
      await this.#ready();
    }
  }

  #ready(): Promise<unknown> {
    return until("Consul takes a write", async () => {
      const answer = await fetch(`${this.url}/v1/kv/test/alive`, { method: "PUT", body: "1" });
      return answer.ok;
    });
  }

  /** Which server leads, as server `seenBy` says. Throws when there is none. */
  async leader(seenBy = 0): Promise<number> {
    const answer = await fetch(`${this.#url(seenBy)}/v1/status/leader`);
    const port = Number(/:(\d+)"/.exec(await answer.text())?.[1]);
    if (!(port > 0)) throw new Error("no leader");
    return (port - 1 - this.#port) / PORTS;
  }

  pause(at: number): void {
    this.#children[at]?.kill("SIGSTOP");
  }

  resume(at: number): void {
    this.#children[at]?.kill("SIGCONT");
  }

  async #kill(at: number): Promise<void> {
    const child = this.#children[at] ?? null;
    this.#children[at] = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  /** A crash of the nodes' own server, and its start with its data. */
  async restart(): Promise<void> {
    await this.#kill(0);
    this.#spawn(0);
    await this.#ready();
  }

  /** All data is lost. */
  async wipe(): Promise<void> {
    for (const at of this.#children.keys()) {
      await this.#kill(at);
      await rm(this.#data(at), { recursive: true, force: true });
    }
    await this.#startAll();
  }

  /** `consul snapshot save`. */
  async save(): Promise<Buffer> {
    const answer = await fetch(`${this.url}/v1/snapshot`);
    if (!answer.ok) throw new Error(`snapshot: Consul answers ${answer.status}`);
    return Buffer.from(await answer.arrayBuffer());
  }

  /** `consul snapshot restore`. */
  async restore(snapshot: Buffer): Promise<void> {
    const body = new Uint8Array(snapshot);
    const answer = await fetch(`${this.url}/v1/snapshot`, { method: "PUT", body });
    if (!answer.ok) throw new Error(`restore: Consul answers ${answer.status}`);
    await this.#ready();
  }

  /** The value of a key; null: there is none. */
  async value(key: string): Promise<string | null> {
    const answer = await fetch(`${this.url}/v1/kv/${key}?raw`);
    return answer.ok ? answer.text() : null;
  }

  /** The session that holds this key, or null. */
  async holder(key: string): Promise<string | null> {
    const answer = await fetch(`${this.url}/v1/kv/${key}`);
    if (!answer.ok) return null;
    return ((await answer.json()) as { Session?: string }[])[0]?.Session ?? null;
  }

  async destroySession(session: string): Promise<void> {
    await fetch(`${this.url}/v1/session/destroy/${session}`, { method: "PUT" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const at of this.#children.keys()) await this.#kill(at);
  }
}
