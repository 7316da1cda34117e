// What a drill does its harm to: a cluster whose processes, network, Consul and disks can be made to fail. local.ts is
// one on this machine; one of containers fits behind the same port, and scenarios know neither.
import type { Seen } from "../view.ts";
import type { State } from "../core/observation.ts";
import type { Healing, Link, Party } from "./network.ts";

export type TargetNode = {
  readonly name: string;
  /** Where clients reach it, through the network that can be cut. */
  readonly address: { readonly host: string; readonly port: number };
};

export type Who = "agent" | "mysqld";

/** One process as it was seen. */
export type Process = { readonly pid: number; readonly who: Who };

export type ProcessState = "runs" | "stopped" | "gone";

export type TargetEvent = {
  readonly node: string;
  /** ms on the drill's monotonic clock. */
  readonly at: number;
  readonly type: string;
  readonly what: string;
  readonly facts: Readonly<Record<string, unknown>>;
};

export type Account = {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly tls: boolean;
};

export type SqlRow = Readonly<Record<string, unknown>>;

export type Target = AsyncDisposable & {
  /** "local", "compose". */
  readonly kind: string;
  readonly nodes: readonly TargetNode[];
  /** The cluster as Consul has it, on a way that no cut reaches. Errors: UnavailableError. */
  see(): Promise<Seen>;
  /** Key `state` alone; null: there is none. Errors: UnavailableError. */
  state(): Promise<State | null>;
  /** Source uuid of the epoch markers (PROTOCOL §1); null: the cluster was not founded. */
  marker(): Promise<string | null>;
  /** Of the application. */
  account(): Promise<Account>;
  /**
   * As an operator who may do anything, on the node's own machine, all on one connection; the last one's rows.
   * Errors: UnavailableError.
   */
  query(node: string, ...statements: readonly string[]): Promise<readonly SqlRow[]>;
  /** Records the wish to switch over and waits for its outcome; null: to the best node. Errors: RefusedError. */
  switchover(to: string | null, signal: AbortSignal): Promise<void>;
  /** What happened on the nodes since the cluster was started. */
  events(): readonly TargetEvent[];

  /** Those that exist now, running or stopped. */
  processes(node: string): readonly Process[];
  stateOf(process: Process): ProcessState;
  /** SIGKILL, SIGSTOP, SIGCONT; a process that is gone is left alone. */
  signal(process: Process, signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
  /** Nothing happens to a node that runs. */
  startNode(node: string): Promise<void>;
  /** In good order; resolves when it stopped. */
  stopNode(node: string): Promise<void>;

  /** Cuts these links until the answer is called. */
  cut(links: readonly Link[]): (healing: Healing) => void;
  /** Loopback address that clients connect from, so that the network knows them; null: they are known otherwise. */
  readonly clientAddress: string | null;
  /** Whether a new connection that the network takes for one of `from` is met with silence: no answer, no refusal. */
  hangs(from: Party, to: Party): Promise<boolean>;

  readonly consul: {
    kill(): Promise<void>;
    start(): Promise<void>;
    running(): boolean;
  };

  /** Why the nodes' disks cannot be filled; null: they can. */
  readonly disks: string | null;
  fillDisk(node: string): Promise<void>;
  freeDisk(node: string): Promise<void>;
  /** Bytes that the node's disk still takes. */
  diskFree(node: string): Promise<number>;

  /** Where the data are that the node set aside since then, on the drill's clock; null: nowhere. */
  evidence(node: string, since: number): Promise<string | null>;
  /** Its directory is evidence: it outlives the drill. Answers where it is. */
  keep(): string;
};

/** What kind of cluster a scenario needs; those of one kind are played on one living cluster. */
export type Shape = {
  readonly nodes: number;
  /** Each node has a small disk of its own, which can be filled. */
  readonly smallDisks: boolean;
};

/** Makes the clusters, and says why it cannot make one: the scenario is skipped then, loudly. */
export type TargetMaker = {
  readonly kind: string;
  /** Null: it can. */
  refuses(shape: Shape): string | null;
  make(shape: Shape, signal: AbortSignal): Promise<Target>;
};
