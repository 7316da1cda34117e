// A runner as a process of its own, as a container has it: its configuration in a directory of the test's, what it wrote,
// and what its binary answers when it is asked.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "../contract/until.ts";

const BINARY = fileURLToPath(new URL("../../src/containerpilot.ts", import.meta.url));

type Env = Readonly<Record<string, string>>;

/** Ours, without what would tell the runner something. */
function cleanEnv(more: Env): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(CONSUL_|ETCDCTL_|CONTAINER|AUTOPILOT_|NODE_|VITEST)/.test(name),
  );
  return { ...Object.fromEntries(own), ...more };
}

export type Ended = { readonly code: number | null; readonly signal: string | null };

export class Runner implements AsyncDisposable {
  readonly dir: string;
  readonly file: string;
  readonly socket: string;
  #child: ChildProcess | null = null;
  #ended: Promise<Ended> | null = null;
  #env: Env = {};
  output = "";

  /** `config` without the braces; DIR is the test's directory. Control socket and catalogue are added. */
  constructor(config: string, { catalogue = `discovery: "none"` } = {}) {
    this.dir = mkdtempSync(join(tmpdir(), "autopilot-runner-"));
    this.file = join(this.dir, "runner.json5");
    this.socket = join(this.dir, "control.sock");
    this.#catalogue = catalogue;
    this.write(config);
  }
  readonly #catalogue: string;

  write(config: string): void {
    const text = `{ ${this.#catalogue}, control: { socket: "${this.socket}" }, ${config} }`;
    writeFileSync(this.file, text.replaceAll("DIR", this.dir));
  }

  start(env: Env = {}, { argv = [], before = [] }: { argv?: string[]; before?: string[] } = {}) {
    this.#env = env;
    const [file, ...args] = [...before, process.execPath, BINARY, "-config", this.file];
    const child = spawn(file, [...args, ...argv], {
      env: cleanEnv(env),
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    this.#child = child;
    this.#ended = once(child, "close").then(([code, signal]) => ({ code, signal }) as Ended);
    return this;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get ended(): Promise<Ended> {
    return this.#ended ?? Promise.reject(new Error("it was not started"));
  }

  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async stop(): Promise<Ended> {
    this.kill("SIGTERM");
    return this.ended;
  }

  /** Waits until it has written this. */
  async says(what: RegExp | string, times = 1): Promise<void> {
    await until(`the runner says ${String(what)}`, () => {
      const found =
        typeof what === "string"
          ? this.output.split(what).length - 1
          : [...this.output.matchAll(new RegExp(what, "gm"))].length;
      if (found < times && this.#child?.exitCode !== null)
        throw new Error(`it ended: ${this.output}`);
      return found >= times;
    });
  }

  lines(pattern: RegExp): readonly string[] {
    return this.output.split("\n").filter((line) => pattern.test(line));
  }

  /** A file of its directory, or "". */
  read(name: string): string {
    const path = join(this.dir, name);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  /** A file of its directory, once there is something in it. */
  written(name: string): Promise<string> {
    return until(`${name} is written`, () => this.read(name) || null);
  }

  /** Runs the binary with these flags on the same configuration. */
  async ask(...argv: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const child = spawn(process.execPath, [BINARY, "-config", this.file, ...argv], {
      env: cleanEnv(this.#env),
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, stdout, stderr };
  }

  /** One request to the control socket. */
  async control(path: string, body = "", method = "POST"): Promise<[status: number, text: string]> {
    const asked = request({ socketPath: this.socket, path, method, agent: false });
    asked.end(body);
    const [response] = (await once(asked, "response")) as [
      NodeJS.ReadableStream & { statusCode: number },
    ];
    let text = "";
    for await (const chunk of response) text += String(chunk);
    return [response.statusCode, text];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null) {
      this.kill("SIGKILL");
      await this.ended;
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Whether a process is there and no zombie. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) !== "Z";
  } catch {
    return false; // gone
  }
}
