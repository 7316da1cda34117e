// Runs the ledger writer as a child process and keeps what it reports. The handle ends the child with it, and the child
// ends by itself when our end of its stdin closes, so no writer outlives its drill.
import { spawn, type ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { InvariantError } from "../../../src/index.ts";
import { monotonicNow, type Ledger, type Write, type WriterConfig } from "./ledger.ts";
import type { Seen, Stall, WriterLine, WrongSum } from "./ledger.ts";
import { writeLog, type WriteLog } from "./ledger-log.ts";
import type { Account, Address } from "./ledger-rows.ts";

/** What a drill chooses; the rest has the defaults of ARCHITECTURE.md. */
export type LedgerOptions = Account & {
  readonly addresses: readonly Address[];
} & Partial<Omit<WriterConfig, "run">>;

/** The writer ends within one hang limit; a machine under load gets more. */
const END_LIMIT_MS = 15_000;
const WRITER = fileURLToPath(new URL(`ledger-writer${extname(import.meta.url)}`, import.meta.url));
const DEFAULTS = {
  connections: 1,
  everyMs: 5,
  transferrers: 0,
  transferEveryMs: 20,
  readEveryMs: 100,
  connectLimitMs: 250,
  hangLimitMs: 1_000,
  localAddress: null,
  marker: null,
  file: null,
} as const;
/** Each is something wrong with the cluster or the machine; more of them say nothing new. */
const MOST_ASIDES = 10_000;

/** A writer at work. `writes` grows while it runs. */
export class LedgerRun implements AsyncDisposable {
  readonly writes: WriteLog = writeLog();
  readonly #seen: Seen[] = [];
  readonly #wrongSums: WrongSum[] = [];
  readonly #stalls: Stall[] = [];
  readonly #run: string;
  readonly #writers: readonly number[];
  readonly #transfers: readonly number[];
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;
  #began = monotonicNow();
  #ended: number | null = null;
  #said = "";
  #broken: unknown = null;

  constructor(options: LedgerOptions) {
    this.#run = crypto.randomUUID();
    const config: WriterConfig = {
      ...DEFAULTS,
      writer: freshWriter(),
      ...options,
      run: this.#run,
    };
    const { writer, connections, transferrers } = config;
    this.#writers = Array.from({ length: connections + transferrers }, (_, i) => writer + i);
    this.#transfers = this.#writers.slice(connections);
    // In a group of its own: a terminal's Ctrl-C ends the drill, which still has to judge.
    const stdio: "pipe"[] = ["pipe", "pipe", "pipe"];
    this.#child = spawn(process.execPath, [WRITER], { detached: true, stdio });
    this.#gone = once(this.#child, "close");
    this.#child.stdin?.on("error", () => undefined); // the writer died: finish() says so
    this.#child.stdin?.write(`${JSON.stringify(config)}\n`);
    this.#child.stderr?.on("data", (data) => (this.#said = `${this.#said}${data}`.slice(-2000)));
    const { stdout } = this.#child;
    if (stdout) createInterface({ input: stdout }).on("line", (line) => this.#read(line));
  }

  #read(text: string): void {
    if (this.#broken !== null) return;
    try {
      this.#take(JSON.parse(text) as WriterLine);
    } catch (error) {
      // In a listener nobody could catch it: finish() throws it, and the writer ends now.
      this.#broken = error;
      this.#child.kill("SIGKILL");
    }
  }

  #take(line: WriterLine): void {
    const asides = this.#seen.length + this.#wrongSums.length + this.#stalls.length;
    if (line.line === "begin") this.#began = line.at;
    if (line.line === "write") this.writes.append(line.write);
    if (line.line === "end") this.#ended = line.at;
    if (asides === MOST_ASIDES) return;
    if (line.line === "seen") this.#seen.push(line.seen);
    if (line.line === "sum") this.#wrongSums.push(line.sum);
    if (line.line === "stall") this.#stalls.push(line.stall);
  }

  /** The newest acknowledged write, or null. */
  get lastAcked(): Write | null {
    return this.writes.lastAcked();
  }

  /** The ledger up to now; the writer goes on, and `writes` with it. */
  soFar(): Ledger {
    return {
      run: this.#run,
      writers: this.#writers,
      transfers: this.#transfers,
      began: this.#began,
      ended: monotonicNow(),
      writes: this.writes,
      seen: this.#seen,
      wrongSums: this.#wrongSums,
      stalls: this.#stalls,
    };
  }

  /** Ends the writer after its outstanding statements. Throws when it died before: then its ledger proves nothing. */
  async finish(): Promise<Ledger> {
    this.#child.stdin?.end("stop\n");
    const limit = setTimeout(() => this.#child.kill("SIGKILL"), END_LIMIT_MS);
    await this.#gone;
    clearTimeout(limit);
    if (this.#broken !== null) throw this.#broken;
    if (this.#ended === null)
      throw new InvariantError("AP_BUG_INVARIANT", `the ledger writer died: ${this.#said}`);
    return { ...this.soFar(), ended: this.#ended };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#gone;
  }
}

/** Writers count on from it, so the low digits are left to them; fits INT UNSIGNED. */
function freshWriter(): number {
  return randomInt(1, 40_000_000) * 100;
}
