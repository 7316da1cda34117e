// One `autopilot up --json` as a child in a process group of its own, as a terminal would run it: what it prints, how it
// ends, and the other verbs of the CLI against its directory.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { LIMIT_MS, until } from "./until.ts";

/** The program under test; AUTOPILOT_TEST_CLI names another one, such as an installed package's. */
export const CLI =
  process.env["AUTOPILOT_TEST_CLI"] ?? fileURLToPath(new URL("../../src/cli.ts", import.meta.url));

export type ReadyLine = {
  readonly event: "ready";
  readonly dir: string;
  readonly consul: string;
  readonly nodes: readonly {
    readonly name: string;
    readonly host: string;
    readonly port: number;
    readonly pid: number;
    readonly mysqldPid: number;
    readonly controlSocket: string;
  }[];
};

export type UpOptions = {
  readonly dir: string;
  readonly nodes: number;
  readonly basePort: number;
  readonly consul?: string;
  /** Object store of the backups; default: none, for a test of something else. */
  readonly objects?: string;
  readonly restoreFrom?: string;
  readonly env?: Readonly<Record<string, string>>;
};

/** The environment without what would point the CLI at something else than the test's own cluster. */
export function cleanEnv(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(CONSUL_|AUTOPILOT_(?!MYSQLD|CONSUL))/.test(name),
  );
  return { ...(Object.fromEntries(kept) as Record<string, string>), ...more };
}

export class Up {
  readonly lines: Record<string, unknown>[] = [];
  /** All of stderr, and of stdout what is no JSON. */
  said = "";
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;

  constructor(options: UpOptions) {
    const { dir, nodes, basePort, consul, objects = "none", restoreFrom, env = {} } = options;
    const argv = ["up", "--nodes", String(nodes), "--dir", dir, "--base-port", String(basePort)];
    argv.push("--objects", objects);
    if (consul !== undefined) argv.push("--consul", consul);
    if (restoreFrom !== undefined) argv.push("--restore-from", restoreFrom);
    this.#child = spawn(process.execPath, [CLI, ...argv, "--json"], {
      detached: true,
      // Stories and benches have more failovers in ten minutes than a cluster in a year.
      env: cleanEnv({ AUTOPILOT_MYSQL_DURABILITY_BACK_OFF_AFTER: "0", ...env }),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#gone = once(this.#child, "exit");
    this.#child.stderr?.on("data", (data) => (this.said += String(data)));
    const { stdout } = this.#child;
    if (stdout) createInterface({ input: stdout }).on("line", (line) => this.#take(line));
  }

  #take(line: string): void {
    try {
      this.lines.push(JSON.parse(line) as Record<string, unknown>);
    } catch {
      this.said += `${line}\n`; // judged by the test that asks for JSON only
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get exited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async ready(limitMs = 2 * LIMIT_MS): Promise<ReadyLine> {
    const line = await until(
      "`up` is ready",
      () => this.exited || this.lines.findLast(({ event }) => event === "ready"),
      limitMs,
    ).catch((error: unknown) => {
      throw new Error(`not ready: ${this.said.slice(-2000)}`, { cause: error });
    });
    if (line === true) throw new Error(`\`up\` ended with ${this.code}: ${this.said.slice(-2000)}`);
    return line as unknown as ReadyLine;
  }

  get code(): number | NodeJS.Signals | null {
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  /** Ctrl-C: the signal goes to the whole foreground group. */
  signalGroup(name: NodeJS.Signals): void {
    process.kill(-this.pid, name);
  }

  /** Its exit code, or the signal that ended it. */
  async ended(limitMs = LIMIT_MS): Promise<number | NodeJS.Signals | null> {
    await until("`up` ends", () => this.exited, limitMs);
    await this.#gone;
    return this.code;
  }
}

export type Answer = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs another verb of the CLI to its end. A verb that hangs is ended, and answers with code -1. */
export async function autopilot(
  argv: readonly string[],
  limitMs = LIMIT_MS,
  more: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const argv0 = [CLI, ...argv];
  const limits = { reject: false, timeout: limitMs } as const;
  const env = { extendEnv: false, env: cleanEnv(more) } as const;
  const result = await execa(process.execPath, argv0, { ...limits, ...env });
  return { code: result.exitCode ?? -1, stdout: result.stdout, stderr: result.stderr };
}
