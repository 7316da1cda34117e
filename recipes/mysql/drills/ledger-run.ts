// Runs the ledger writer as a child process and keeps what it reports. The handle ends the child with it, and the child
// ends by itself when our end of its stdin closes, so no writer outlives its drill.
import { spawn, type ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import mysql from "mysql2/promise";
import { InvariantError, UnavailableError } from "../../../src/index.ts";
import { LEDGER_DDL, LEDGER_TABLE, monotonicNow } from "./ledger.ts";
import type { Ledger, Write, WriterConfig, WriterLine } from "./ledger.ts";
import type { NodeRows, Row } from "./verdict.ts";

export type Account = Pick<WriterConfig, "user" | "password" | "database" | "tls">;
type Address = WriterConfig["addresses"][number];

/** What a drill chooses; the rest has the defaults of ARCHITECTURE.md. */
export type LedgerOptions = Account & {
  readonly addresses: readonly Address[];
  readonly writer?: number;
  readonly connections?: number;
  readonly everyMs?: number;
  readonly hangLimitMs?: number;
};

/** The writer ends within one hang limit; a machine under load gets more. */
const END_LIMIT_MS = 15_000;
const WRITER = fileURLToPath(new URL("ledger-writer.ts", import.meta.url));

/** A writer at work. `writes` grows while it runs. */
export class LedgerRun implements AsyncDisposable {
  readonly writes: Write[] = [];
  readonly #run: string;
  readonly #writers: readonly number[];
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;
  #began = monotonicNow();
  #ended: number | null = null;
  #said = "";

  constructor(options: LedgerOptions) {
    this.#run = crypto.randomUUID();
    const defaults = { writer: freshWriter(), connections: 1, everyMs: 5, connectLimitMs: 250 };
    const config: WriterConfig = { hangLimitMs: 1000, ...defaults, ...options, run: this.#run };
    this.#writers = Array.from({ length: config.connections }, (_, i) => config.writer + i);
    this.#child = spawn(process.execPath, [WRITER], { stdio: ["pipe", "pipe", "pipe"] });
    this.#gone = once(this.#child, "close");
    this.#child.stdin?.on("error", () => undefined); // the writer died: finish() says so
    this.#child.stdin?.write(`${JSON.stringify(config)}\n`);
    this.#child.stderr?.on("data", (data) => (this.#said = `${this.#said}${data}`.slice(-2000)));
    const { stdout } = this.#child;
    if (stdout) createInterface({ input: stdout }).on("line", (line) => this.#take(line));
  }

  #take(text: string): void {
    const line = JSON.parse(text) as WriterLine;
    if (line.line === "begin") this.#began = line.at;
    if (line.line === "write") this.writes.push(line.write);
    if (line.line === "end") this.#ended = line.at;
  }

  /** The newest acknowledged write, or null. */
  get lastAcked(): Write | null {
    return this.writes.findLast(({ outcome }) => outcome === "acked") ?? null;
  }

  /** The ledger up to now; the writer goes on. */
  soFar(): Ledger {
    const writes = [...this.writes];
    const ended = monotonicNow();
    return { run: this.#run, writers: this.#writers, began: this.#began, ended, writes };
  }

  /** Ends the writer after its outstanding statements. Throws when it died before: then its ledger proves nothing. */
  async finish(): Promise<Ledger> {
    this.#child.stdin?.end("stop\n");
    const limit = setTimeout(() => this.#child.kill("SIGKILL"), END_LIMIT_MS);
    await this.#gone;
    clearTimeout(limit);
    if (this.#ended === null)
      throw new InvariantError("AP_BUG_INVARIANT", `the ledger writer died: ${this.#said}`);
    return { ...this.soFar(), ended: this.#ended };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#gone;
  }
}

/** Makes the ledger's table on the primary. */
export async function createLedgerTable(primary: Address, account: Account): Promise<void> {
  await using connection = await open(primary, account);
  await connection.query(LEDGER_DDL);
}

/** The rows of the ledger's writers as this node holds them. */
export async function readRows(
  node: { readonly name: string } & Address,
  account: Account,
  ledger: Pick<Ledger, "writers">,
): Promise<NodeRows> {
  await using connection = await open(node, account);
  const which = `writer IN (${ledger.writers.join(", ")})`;
  const [rows] = await connection.query(
    `SELECT writer, seq, payload FROM ${LEDGER_TABLE} WHERE ${which} ORDER BY pk`,
  );
  return { node: node.name, rows: rows as Row[] };
}

/** Writers count on from it, so the low digits are left to them; fits INT UNSIGNED. */
function freshWriter(): number {
  return randomInt(1, 40_000_000) * 100;
}

type OpenConnection = AsyncDisposable & { query(sql: string): Promise<[unknown, unknown]> };

async function open({ host, port }: Address, account: Account): Promise<OpenConnection> {
  const { user, password, database, tls } = account;
  const ssl = tls ? { ssl: { rejectUnauthorized: false } } : {};
  try {
    const connection = await mysql.createConnection({
      host,
      port,
      user,
      password,
      database,
      ...ssl,
    });
    return {
      query: (sql) => connection.query(sql),
      [Symbol.asyncDispose]: () => connection.end(),
    };
  } catch (cause) {
    const detail = { cause };
    throw new UnavailableError("AP_MYSQLD_TIMEOUT", `connect to ${host}:${port}`, detail);
  }
}
