// A real Consul server as a child: for the tests that must not depend on our embedded agent. Its data is kept across
// stop and start, as a server's is.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { consulSpec } from "../../src/local/toolchain/consul.ts";
import { findTool } from "../../src/local/toolchain.ts";
import { until } from "./until.ts";

/** Elections of a single server in 2 s instead of 9 s; for tests that do not care how long Consul is away. */
export const FAST = "performance { raft_multiplier = 1 }";

export class Consul implements AsyncDisposable {
  readonly url: string;
  readonly #argv: readonly string[];
  #child: ChildProcess | null = null;

  private constructor(url: string, argv: readonly string[]) {
    this.url = url;
    this.#argv = argv;
  }

  /** Nothing runs yet. Uses three ports from `port` on; its data is below `dir`. `hcl`: more settings. */
  static async prepare(dir: string, port: number, hcl = ""): Promise<Consul> {
    const tool = await findTool(consulSpec, { progress: (line) => console.error(line) });
    const ports = [`-http-port=${port}`, `-server-port=${port + 1}`, `-serf-lan-port=${port + 2}`];
    const none = [
      "-dns-port=-1",
      "-serf-wan-port=-1",
      `-hcl=ports{grpc=-1} ${hcl}`,
      "-log-level=warn",
    ];
    const one = ["-server", "-bootstrap-expect=1", "-bind=127.0.0.1", "-client=127.0.0.1"];
    const data = `-data-dir=${join(dir, "real-consul")}`;
    const argv = [...tool.command("consul"), "agent", ...one, ...ports, ...none, data];
    return new Consul(`http://127.0.0.1:${port}`, argv);
  }

  /** Until it has a leader and takes writes. */
  async start(): Promise<void> {
    const argv = ["--pdeathsig", "KILL", ...this.#argv];
    this.#child = spawn("setpriv", argv, { stdio: "ignore" });
    await until("Consul has a leader", async () => {
      const answer = await fetch(`${this.url}/v1/status/leader`);
      return answer.ok && (await answer.text()).includes(":");
    });
    await until("Consul takes a write", async () => {
      const answer = await fetch(`${this.url}/v1/kv/test/alive`, { method: "PUT", body: "1" });
      return answer.ok || answer.status === 403; // with ACLs an anonymous write is refused, by a leader
    });
  }

  /** SIGKILL: a restart that had no chance to say good-bye. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  /** The session that holds this key, or null. */
  async holder(key: string): Promise<string | null> {
    const answer = await fetch(`${this.url}/v1/kv/${key}`);
    if (!answer.ok) return null;
    return ((await answer.json()) as { Session?: string }[])[0]?.Session ?? null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
