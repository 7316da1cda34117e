// A real cluster in a temporary directory, driven through the real CLI only, and the verdict that each story ends in.
// Whatever happens, its processes are ended by pid and its datadirs deleted; after a failure the logs stay.
import { existsSync, globSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mysql from "mysql2/promise";
import { LedgerRun, type LedgerOptions } from "../../recipes/mysql/drills/ledger-run.ts";
import { createLedgerTable, judge, type Account } from "../../recipes/mysql/drills/ledger-rows.ts";
import type { Verdict } from "../../recipes/mysql/drills/verdict.ts";
import { monotonicNow } from "../../recipes/mysql/drills/ledger.ts";
import { markerUuidOf } from "../../recipes/mysql/mysqld/marker.ts";
import { connectStore, isEtcdUrl, storeAt } from "../../src/store.ts";
import { isAlive, killAll, processesOf, signal } from "./processes.ts";
import { StateWatch } from "./reigns.ts";
import { LIMIT_MS, until } from "./until.ts";
import { autopilot, Up, type Answer, type ReadyLine, type UpOptions } from "./up.ts";

export type NodeStatus = {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly pid: number | null;
  readonly mysqldPid: number | null;
  readonly role: string;
  readonly epoch: number;
  readonly state: string;
  readonly writable: boolean;
  readonly voter: boolean;
  readonly executed: string;
  readonly says: string;
};

export type Status = {
  readonly cluster: string;
  readonly epoch: number;
  readonly phase: string;
  readonly primary: string | null;
  readonly paused: boolean;
  readonly alone: boolean;
  readonly voters: readonly string[];
  readonly acks: number;
  readonly nodes: readonly NodeStatus[];
  readonly events: readonly Record<string, unknown>[];
};

export type ClusterOptions = Partial<
  Pick<UpOptions, "nodes" | "consul" | "env" | "objects" | "restoreFrom">
>;

/** `up` gives each node ten ports: mysqld's first, its agent's HTTP two above. */
const AGENT_PORT = 2;

/** A voter set of three with one acknowledgement: the default, and what "whole" means below. */
const WHOLE = { voters: 3, acks: 1 };

export class Cluster implements AsyncDisposable {
  readonly dir: string;
  readonly basePort: number;
  readonly options: ClusterOptions;
  /** All that ran in this directory, the last one is the present one. */
  readonly ups: Up[] = [];
  #watch: StateWatch | null = null;
  #keep = false;
  #consul = "";

  private constructor(dir: string, basePort: number, options: ClusterOptions) {
    this.dir = dir;
    this.basePort = basePort;
    this.options = options;
  }

  /** An empty directory and free ports; nothing runs yet. */
  static async prepare(options: ClusterOptions = {}): Promise<Cluster> {
    const dir = await mkdtemp(join(tmpdir(), "autopilot-cluster-"));
    // The last resort: a test run that is broken off disposes of nothing.
    process.once("exit", () => {
      for (const { pid } of processesOf(dir)) signal(pid, "SIGKILL");
    });
    return new Cluster(dir, await freeBasePort(), options);
  }

  get up(): Up {
    const up = this.ups.at(-1);
    if (up === undefined) throw new Error("nothing was started yet");
    return up;
  }

  /** `autopilot up`, without waiting for anything. */
  launch(more: Partial<UpOptions> = {}): Up {
    const { dir, basePort } = this;
    const up = new Up({ dir, basePort, nodes: 3, ...this.options, ...more });
    this.ups.push(up);
    return up;
  }

  /** `autopilot up` until it is ready. */
  async start(more: Partial<UpOptions> = {}): Promise<ReadyLine> {
    const ready = await this.launch(more).ready();
    if (this.#watch === null) this.watchState(ready.consul);
    this.#consul = ready.consul;
    await until("key `state` was read", () => this.watch.seen.length > 0);
    return ready;
  }

  /** Follows key `state`. A test that has a Consul of its own calls this before the cluster exists. */
  watchState(consul: string): void {
    this.#watch = new StateWatch(consul);
  }

  /** Forgets what `state` was: a restored Consul tells an older history again. */
  async watchAnew(): Promise<void> {
    const url = this.watch.consul;
    await this.#watch?.[Symbol.asyncDispose]();
    this.watchState(url);
    await until("key `state` was read", () => this.watch.seen.length > 0);
  }

  /** What a node's agent says itself, whatever Consul hears of it; by its record where nobody can be asked for that. */
  async ownWords(
    of: string | { readonly port: number },
  ): Promise<{ says: string; alerts: readonly string[] }> {
    const at = (typeof of === "string" ? await this.node(of) : of).port + AGENT_PORT;
    const answer = await fetch(`http://127.0.0.1:${at}/status`);
    return (await answer.json()) as { says: string; alerts: readonly string[] };
  }

  /** Consul's URL, as `up` told it. */
  get consul(): string {
    return this.#consul;
  }

  get watch(): StateWatch {
    if (this.#watch === null) throw new Error("start() was not called yet");
    return this.#watch;
  }

  /** Runs a verb against this cluster. */
  verb(...argv: readonly string[]): Promise<Answer> {
    return autopilot([...argv, "--dir", this.dir], LIMIT_MS, this.options.env);
  }

  /** Runs a verb that has to succeed. */
  async must(...argv: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.verb(...argv);
    if (code !== 0) throw new Error(`autopilot ${argv.join(" ")}: exit ${code}: ${stderr}`);
    return stdout;
  }

  async status(): Promise<Status> {
    return JSON.parse(await this.must("status", "--json")) as Status;
  }

  async node(name: string): Promise<NodeStatus> {
    const found = (await this.status()).nodes.find((node) => node.name === name);
    if (found === undefined) throw new Error(`no node ${name}`);
    return found;
  }

  /** The one writable primary, once there is one. */
  primary(): Promise<NodeStatus> {
    return until("there is one writable primary", async () => {
      const { nodes, phase, primary } = await this.status();
      // A dead node's record may still call it writable; what lives decides.
      const writable = nodes.filter((node) => node.writable && lives(node));
      const [only] = writable;
      return phase === "open" && writable.length === 1 && only?.name === primary ? only : null;
    });
  }

  /** Waits until every voter lives and serves in the present epoch, and commits wait for `acks` of them. */
  whole(wished = WHOLE): Promise<Status> {
    return until(`${wished.voters} voters and k=${wished.acks}`, async () => {
      const status = await this.status();
      const voters = status.nodes.filter((node) => node.voter && serves(node, status));
      const all = voters.length === wished.voters && status.voters.length === wished.voters;
      return status.phase === "open" && status.acks === wished.acks && all ? status : null;
    });
  }

  /** SIGKILL through the CLI, and proof that it took effect: returns when those processes are gone, and that time. */
  async kill(name: string, only?: "agent" | "mysqld"): Promise<number> {
    const { pid, mysqldPid } = await this.node(name);
    await this.must("node", "kill", name, ...(only === undefined ? [] : ["--only", only]));
    const victims = [...(only === "mysqld" ? [] : [pid]), mysqldPid].filter((pid) => pid !== null);
    if (victims.length === 0) throw new Error(`${name} has no process to kill`);
    await until(`${name} (${victims.join(", ")}) is dead`, () => !victims.some(isAlive));
    return monotonicNow();
  }

  /** The application's account and first address, as `autopilot dsn` hands it out. */
  async account(): Promise<Account> {
    const url = new URL((await this.must("dsn", "--role", "primary")).trim());
    const [user, password] = [url.username, url.password].map(decodeURIComponent);
    const tls = /ssl|tls/i.test(url.search);
    return { user: user ?? "", password: password ?? "", database: url.pathname.slice(1), tls };
  }

  /** Source uuid of this cluster's epoch markers, from Consul's own mouth. */
  async marker(): Promise<string> {
    const { cluster } = await this.status();
    const marker = markerUuidOf(await this.#read(`autopilot/${cluster}/initialize`));
    if (marker === null) throw new Error("the cluster has no id");
    return marker;
  }

  async #read(key: string): Promise<string> {
    const { consul } = this.watch;
    if (!isEtcdUrl(consul)) return (await fetch(new URL(`/v1/kv/${key}?raw`, consul))).text();
    const store = await connectStore(storeAt(consul, {}));
    const entry = await store.kv.get(key);
    store.close();
    return entry?.value ?? "";
  }

  /** The ledger's table on the primary, and a writer with the addresses of all nodes. */
  async ledger(more: Partial<LedgerOptions> = {}): Promise<LedgerRun> {
    const account = await this.account();
    await createLedgerTable(await this.primary(), account);
    const addresses = (await this.status()).nodes.map(({ host, port }) => ({ host, port }));
    const wide = { connections: 2, everyMs: 10, transferrers: 2, marker: await this.marker() };
    const run = new LedgerRun({ ...account, addresses, ...wide, ...more });
    await acknowledges(run);
    return run;
  }

  /**
   * What each story ends in: one primary; every acknowledged write on every node exactly once; all nodes hold the
   * primary's executed set and nothing besides. Nodes in `except` were set aside or stay dead.
   */
  async verdict(run: LedgerRun, except: readonly string[] = []): Promise<Verdict> {
    const ledger = await run.finish();
    const account = await this.account();
    const primary = await this.primary();
    const nodes = (await this.status()).nodes.filter(({ name }) => !except.includes(name));
    const held = await executedOf(primary, account);
    for (const node of nodes)
      await until(`${node.name} holds the primary's set`, () => contains(node, account, held));
    for (const node of nodes) {
      const set = await executedOf(node, account);
      await until(`the primary holds ${node.name}'s set`, () => contains(primary, account, set));
    }
    const open = await Promise.all(nodes.map((node) => isOpen(node, account)));
    if (open.filter(Boolean).length !== 1) throw new Error(`${open.join()}: not one primary`);
    return await judge(ledger, nodes, { account, reigns: this.watch.reigns() });
  }

  /** The test failed: disposing keeps the logs, and this prints what they end with. */
  async lastWords(): Promise<string> {
    this.#keep = true;
    const { stdout, stderr } = await this.verb("status");
    const seen = this.#watch?.seen.slice(-20).map((state) => JSON.stringify(state)) ?? [];
    const kept = `--- logs are kept in ${this.dir}`;
    return [`--- status\n${stdout}${stderr}`, ...seen, this.logs(25), kept].join("\n");
  }

  /** The last lines of everything that `up`, the agents and the servers wrote. */
  logs(lines: number): string {
    const paths = globSync(join(this.dir, "**/*.log"), { exclude: ["**/data"] });
    const tails = paths.map((path) => `--- ${path}\n${tailOf(path, lines)}`);
    const said = this.ups.map((up, i) => `--- up ${i} (${up.code}): ${up.said.slice(-3000)}`);
    return [...said, ...tails].join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch?.[Symbol.asyncDispose]();
    // First the one that could start others again.
    await killAll(this.dir);
    if (!this.#keep) await rm(this.dir, { recursive: true, force: true });
    for (const data of globSync(join(this.dir, "nodes/*/{data*,aside}")))
      await rm(data, { recursive: true, force: true });
  }

  /** Resolves when nothing of this cluster lives any more. */
  nothingLeft(): Promise<unknown> {
    return until("no process of the cluster is left", () => processesOf(this.dir).length === 0);
  }
}

/** Waits for an acknowledgement of a write that was sent from now on. */
export async function acknowledges(run: LedgerRun, since = monotonicNow()): Promise<void> {
  await until("a new write is acknowledged", () => (run.lastAcked?.sent ?? 0) > since, LIMIT_MS);
}

/** A record outlives its processes by a while: they have to be there, too. */
function serves(node: NodeStatus, { primary, epoch }: Status): boolean {
  const right = node.role === (node.name === primary ? "primary" : "replica");
  return lives(node) && right && node.epoch === epoch;
}

function lives({ pid, mysqldPid }: NodeStatus): boolean {
  return [pid, mysqldPid].every((one) => one !== null && isAlive(one));
}

type Address = { readonly host: string; readonly port: number };

async function ask(at: Address, account: Account, sql: string, values: unknown[] = []) {
  const { user, password, database, tls } = account;
  const login = { host: at.host, port: at.port, user, password, database, connectTimeout: 5000 };
  const ssl = tls ? { ssl: { rejectUnauthorized: false } } : {};
  const connection = await mysql.createConnection({ ...login, ...ssl });
  try {
    const [rows] = await connection.query(sql, values);
    return (rows as { answer: unknown }[])[0]?.answer;
  } finally {
    connection.destroy();
  }
}

export async function executedOf(at: Address, account: Account): Promise<string> {
  return String(await ask(at, account, "SELECT @@global.gtid_executed AS answer"));
}

export async function contains(at: Address, account: Account, set: string): Promise<boolean> {
  const sql = "SELECT GTID_SUBSET(?, @@global.gtid_executed) AS answer";
  return (await ask(at, account, sql, [set])) === 1;
}

async function isOpen(at: Address, account: Account): Promise<boolean> {
  return (await ask(at, account, "SELECT @@global.read_only AS answer")) === 0;
}

function tailOf(path: string, lines: number): string {
  if (!existsSync(path)) return "";
  return readFileSync(path, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
}

/** The start of 100 ports of which `up`'s are free; below the range that the kernel hands out. */
async function freeBasePort(): Promise<number> {
  // Above those of a drill. Two files run side by side: what one found free and has not taken must not be the other's.
  const lane = Number(process.env["VITEST_POOL_ID"] ?? 0) % 2;
  return until("a free range of ports", async () => {
    const base = 22_000 + (Math.floor(Math.random() * 45) * 2 + lane) * 100;
    const wanted = Array.from({ length: 100 }, (_, i) => base + i);
    const free = await Promise.all(wanted.map(isFree));
    return free.every(Boolean) ? base : null;
  });
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once("error", () => resolve(false));
  server.listen({ port, host: "127.0.0.1", exclusive: true }, () =>
    server.close(() => resolve(true)),
  );
  return promise;
}
