// What a recipe is to the framework: a value. The framework never imports one; run.ts loads it by name.
// One reconcile triple (observe, decide, execute) does all the work; everything else here feeds it or shows it.
import type { ZodType } from "zod";
import type { Clock, Directory, Kv, Lease, Leaser, Service } from "./ports.ts";
import type { Lab } from "./lab.ts";
import type { Log } from "./log.ts";
import type { Supervise } from "./runtime/supervisor.ts";
import type { Tool, ToolSpec } from "./local/toolchain.ts";

/** Who this node is, from the framework's part of the configuration. */
export type NodeIdentity = {
  readonly name: string;
  readonly cluster: string;
  /** Directory of this node: datadir, promise file, logs, sockets live below it. */
  readonly dir: string;
  /** Address that other nodes reach this one at. */
  readonly host: string;
  /** Port of the agent's own HTTP endpoints. */
  readonly httpPort: number;
  readonly controlSocket: string;
};

/** The real things that a recipe works with. */
export type RecipeContext<C> = {
  readonly config: C;
  readonly node: NodeIdentity;
  readonly clock: Clock;
  readonly kv: Kv;
  readonly leaser: Leaser;
  readonly directory: Directory;
  readonly lease: Lease;
  readonly log: Log;
  readonly supervise: Supervise;
  /** One per `tools` entry of the recipe, by name. */
  readonly tools: ReadonlyMap<string, Tool>;
  /** Something happened: tick soon. Events never act, they only wake the loop. */
  readonly wake: () => void;
  /** Something worth telling people happened (`autopilot events`); `what` is one sentence. */
  readonly announce: (
    type: string,
    what: string,
    facts?: Readonly<Record<string, unknown>>,
  ) => void;
  /** Runs the configured hook `name` with its deadline; resolves also when there is none. Failure is logged, never fatal. */
  readonly hook: (name: string, env: Readonly<Record<string, string>>) => Promise<void>;
};

/** The honest sentence of one tick, with the keys that every log line carries. */
export type Report = {
  readonly says: string;
  readonly role: string;
  readonly epoch: number;
};

/** A running recipe on one node. */
export interface Reconciler<
  O,
  A extends { readonly do: string; readonly why?: string },
> extends AsyncDisposable {
  /** Reads only. Must be bounded in time (≤ 3 s) and must not throw for a part that cannot be read: that part is null. */
  observe(): Promise<O>;
  /** Pure. */
  decide(observation: O): readonly A[];
  /** Writes only. The first failure ends the tick. */
  execute(action: A): Promise<void>;
  report(observation: O, actions: readonly A[]): Report;
  /** How long the loop may sleep when nothing wakes it, ms. */
  idleMs(observation: O, actions: readonly A[]): number;
  /** SIGTERM or SIGINT came: from now on the observation says so. Called again for each further signal. */
  requestStop(): void;
  /** True once everything that the stop needed is done: the loop ends. */
  stopped(): boolean;
  /** An unexpected error of ours: make this node unable to acknowledge anything, now. Never throws. */
  fence(why: string): Promise<void>;
  /** Answers of the agent's HTTP port beside /liveness, by path. Synchronous: from the last tick. */
  endpoint(path: string, query: URLSearchParams): RecipeAnswer | null;
}

/** Status, and a body that becomes JSON; with a content type, a text that is sent as it is. */
export type RecipeAnswer =
  | readonly [status: number, body: unknown]
  | readonly [status: number, text: string, contentType: string];

/** A verb that a recipe adds to the CLI. */
export type RecipeVerb = {
  readonly name: string;
  readonly summary: string;
  /** commander's syntax: "--to <node>" → help text. */
  readonly options: Readonly<Record<string, string>>;
  readonly args?: Readonly<Record<string, string>>;
  run(call: VerbCall): Promise<number>;
};

/** A verb that asks no cluster that runs: it makes clusters of its own, as drills do. */
export type LabVerb = Omit<RecipeVerb, "run"> & {
  runInLab(call: LabCall): Promise<number>;
};

/** A verb that works where no cluster runs any more, and finds one only where it needs it. */
export type StoreVerb = Omit<RecipeVerb, "run"> & {
  runAnywhere(call: StoreCall): Promise<number>;
};

export type StoreCall = Omit<VerbCall, "cluster" | "kv" | "directory" | "leaser" | "dir"> & {
  /** What --cluster says, or null. */
  readonly named: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Errors: UnavailableError AP_CLUSTER_NOT_FOUND. */
  inCluster(use: (call: VerbCall) => Promise<number>): Promise<number>;
};

export type LabCall = Omit<VerbCall, "cluster" | "kv" | "directory" | "leaser" | "dir"> & {
  readonly lab: Lab;
};

/** What a verb is called with: the cluster found, and where to print. */
export type VerbCall = {
  readonly cluster: string;
  readonly kv: Kv;
  readonly directory: Directory;
  readonly leaser: Leaser;
  readonly clock: Clock;
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
  readonly args: readonly string[];
  /** Directory of the local cluster, or null where the cluster was found through Consul alone. */
  readonly dir: string | null;
  readonly json: boolean;
  readonly print: (text: string) => void;
  /** Progress for people, on stderr; nothing with --json. */
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
};

/** One node of a local cluster, as `autopilot up` lays it out. */
export type LocalNode = {
  readonly name: string;
  /** 0, 1, 2 … in the order of their making. */
  readonly index: number;
  readonly dir: string;
  /** Loopback address that the other nodes reach it at; it listens on 127.0.0.1. */
  readonly host: string;
  /** Consul as this node reaches it. */
  readonly consul: string;
  /** The first of this node's own ten ports: base + 10 · index. +2 is the agent's HTTP port. */
  readonly basePort: number;
};

/** What all nodes of a local cluster share. */
export type LocalCluster = {
  readonly dir: string;
  readonly nodes: number;
  /** Addresses of object stores: for backups, and where the first data comes from; null: none. */
  readonly objects: string | null;
  readonly restoreFrom: string | null;
};

/** What the recipe tells of a whole cluster, for `up`, `status` and their tables. */
export type ClusterView = {
  /** A primary accepts writes. */
  readonly writable: boolean;
  /** …and the wished voters are in, with the wished acknowledgements. */
  readonly ready: boolean;
  /** Names of nodes that the recipe sees, in order. */
  readonly nodes: readonly {
    readonly name: string;
    readonly host: string;
    readonly port: number;
    readonly pid: number | null;
    /** The supervised server's pid. */
    readonly serverPid: number | null;
    readonly controlSocket: string;
    readonly role: string;
    readonly state: string;
    readonly says: string;
  }[];
};

export type Recipe<C, O, A extends { readonly do: string; readonly why?: string }> = {
  readonly name: string;
  /** The recipe's own part of the configuration, below its name. A function keeps zod (10 MB) out of a running agent. */
  readonly schema: ZodType<C> | (() => Promise<ZodType<C>>);
  readonly tools: readonly ToolSpec[];
  /** Names of the hooks that it runs: others in the configuration are mistakes. */
  readonly hooks: readonly string[];
  /** Name of the supervised server in JSON output, e.g. "mysqld" → "mysqldPid". */
  readonly serverName: string;
  service(config: C, node: NodeIdentity): Service;
  start(context: RecipeContext<C>): Promise<Reconciler<O, A>>;
  readonly verbs: readonly (RecipeVerb | StoreVerb | LabVerb)[];
  /** For `autopilot up`: makes shared things of the cluster below `dir` once (secrets), idempotent. */
  prepareLocal(dir: string): Promise<void>;
  /** For `autopilot up`: the recipe's part of one node's configuration. */
  localConfig(node: LocalNode, cluster: LocalCluster): Readonly<Record<string, unknown>>;
  view(
    consul: { readonly kv: Kv; readonly directory: Directory },
    cluster: string,
    wished: { readonly nodes: number },
  ): Promise<ClusterView>;
  /** For `autopilot up`, when Consul answers and before any node starts: forgets the wish to stop of the run before. */
  beforeStart(kv: Kv, cluster: string): Promise<void>;
  /** Records the wish that the whole cluster stops in order (replies when it is recorded). */
  stopCluster(kv: Kv, cluster: string): Promise<void>;
  /** Commands to try, printed by `up` when the cluster is ready. */
  hints(view: ClusterView): readonly string[];
};
