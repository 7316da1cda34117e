// A bare mysqld for comparisons: the same binary as the clusters', without an agent. Dies with this process (pdeathsig)
// and with its handle.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import mysql from "mysql2/promise";
import type { Tool } from "../src/local/toolchain.ts";

const START_LIMIT_MS = 60_000;

/** What mysqld needs to find its own files when it runs from a private prefix. */
function ownFiles(tool: Tool): readonly string[] {
  const asRoot = process.getuid?.() === 0 ? ["--user=root"] : [];
  if (tool.prefix === null) return ["--no-defaults", ...asRoot];
  const usr = join(tool.prefix, "usr");
  const plugins = [`--plugin-dir=${usr}/lib/mysql/plugin`, "--secure-file-priv="];
  const messages = `--lc-messages-dir=${usr}/share/mysql`;
  return ["--no-defaults", `--basedir=${usr}`, ...plugins, messages, ...asRoot];
}

/** Makes an initialized datadir, to be copied for each server. `initSql`: one statement per line. */
export async function makeTemplate(tool: Tool, dir: string, initSql: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const init = `${dir}.sql`;
  await writeFile(init, initSql);
  const [program = "", ...args] = [...tool.command("mysqld"), ...ownFiles(tool)];
  const own = ["--initialize-insecure", `--init-file=${init}`, `--datadir=${dir}`];
  await execa(program, [...args, ...own, `--log-error=${dir}.err`]);
  await rm(join(dir, "auto.cnf"));
}

/** One server, with the machine's root account over its socket. */
export class BareMysqld implements AsyncDisposable {
  readonly port: number;
  readonly #dir: string;
  readonly #argv: readonly string[];
  #child: ChildProcess | null = null;

  constructor(tool: Tool, server: { dir: string; port: number; options: readonly string[] }) {
    const { dir, port, options } = server;
    this.port = port;
    this.#dir = dir;
    const places = [`--datadir=${dir}/data`, `--socket=${dir}/s`, `--port=${port}`];
    const quiet = ["--mysqlx=OFF", "--bind-address=127.0.0.1", `--log-error=${dir}/error.log`];
    this.#argv = [...tool.command("mysqld"), ...ownFiles(tool), ...places, ...quiet, ...options];
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  async provision(template: string): Promise<void> {
    await mkdir(this.#dir, { recursive: true });
    await cp(template, join(this.#dir, "data"), { recursive: true });
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const argv = ["--pdeathsig", "KILL", ...this.#argv];
    const child = spawn("setpriv", argv, { stdio: "ignore", detached: true });
    this.#child = child;
    for (const limit = performance.now() + START_LIMIT_MS; ; await sleep(50)) {
      if (child.exitCode !== null || performance.now() > limit)
        throw new Error(`mysqld does not start: ${await this.errorLog()}`);
      try {
        await this.sql("SELECT 1");
        return;
      } catch {
        // Not yet: bounded by the limit above.
      }
    }
  }

  /** SIGKILL, and proof that it took effect: the process is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  /** Runs one statement as root; rows as objects. */
  async sql(statement: string): Promise<readonly Record<string, unknown>[]> {
    const connection = await mysql.createConnection({ socketPath: `${this.#dir}/s`, user: "root" });
    try {
      const [rows] = await connection.query(statement);
      return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
    } finally {
      connection.destroy();
    }
  }

  /** Statements that write the table wait until the handle is disposed of (twice does nothing). */
  async lockTables(table: string): Promise<AsyncDisposable> {
    const connection = await mysql.createConnection({ socketPath: `${this.#dir}/s`, user: "root" });
    await connection.query(`LOCK TABLES ${table} READ`);
    return { [Symbol.asyncDispose]: async () => connection.destroy() };
  }

  /** The last lines of the error log. */
  async errorLog(): Promise<string> {
    const text = await readFile(join(this.#dir, "error.log"), "utf8").catch(() => "no error log");
    return text.split("\n").slice(-15).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
