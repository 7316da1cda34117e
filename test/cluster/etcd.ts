// A real etcd of one member as a child. Its data is kept across stop and start, as a server's is.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { findTool } from "../../src/local/toolchain.ts";
import { connectStore, storeAt } from "../../src/store.ts";
import { etcdSpec } from "../contract/etcd-tool.ts";
import { until } from "./until.ts";

export class Etcd implements AsyncDisposable {
  readonly url: string;
  readonly #argv: readonly string[];
  #child: ChildProcess | null = null;

  private constructor(url: string, argv: readonly string[]) {
    this.url = url;
    this.#argv = argv;
  }

  /** Nothing runs yet. Uses two ports from `port` on; its data is below `dir`. */
  static async prepare(dir: string, port: number): Promise<Etcd> {
    const tool = await findTool(etcdSpec, { progress: (line) => console.error(line) });
    const client = `http://127.0.0.1:${port}`;
    const peer = `http://127.0.0.1:${port + 1}`;
    const flags = [
      `--data-dir=${join(dir, "real-etcd")}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      "--log-level=error",
    ];
    return new Etcd(`etcd://127.0.0.1:${port}`, [...tool.command("etcd"), ...flags]);
  }

  /** Until it takes writes. */
  async start(): Promise<void> {
    this.#child = spawn("setpriv", ["--pdeathsig", "KILL", ...this.#argv], { stdio: "ignore" });
    const store = await connectStore(storeAt(this.url, {}));
    await until("etcd takes a write", () =>
      store.kv.commit([{ do: "set", key: "test/alive", value: String(performance.now()) }]),
    );
    store.close();
  }

  /** SIGKILL: a restart that had no chance to say good-bye. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
