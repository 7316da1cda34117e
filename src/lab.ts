// What a drill works on: local clusters of its own, real agents and servers as `autopilot up` makes them, whose Consul
// and nodes can be killed and started again. The network between them is the drill's: each node advertises a loopback
// address on which nobody listens but whoever relays to the node itself, and asks Consul at an address of its own.
import type { Clock, Directory, Kv, Leaser } from "./ports.ts";

export type Address = { readonly host: string; readonly port: number };

/** One way through the network: what is advertised, and where the real listener is. */
export type Way = {
  /** The node it leads to, or "consul". */
  readonly to: string;
  /** The only party that uses it, where that is known: a node's own address of Consul. Null: anybody. */
  readonly from: string | null;
  readonly at: Address;
  readonly target: Address;
};

export type LabNode = {
  readonly name: string;
  readonly dir: string;
  /** Where clients and the other nodes reach the server. */
  readonly address: Address;
  /** The server's real listener, which no cut of the network reaches. */
  readonly direct: Address;
};

export type LabProcesses = { readonly agent: number | null; readonly server: number | null };

export type LabEvent = {
  readonly node: string;
  /** Wall clock, ISO 8601. */
  readonly at: string;
  readonly type: string;
  readonly what: string;
  readonly facts: Readonly<Record<string, unknown>>;
};

/** A cluster laid out in a directory of its own. Disposing ends all of its processes and deletes the directory. */
export type LabCluster = AsyncDisposable & {
  readonly name: string;
  readonly dir: string;
  readonly nodes: readonly LabNode[];
  /** All of them have to lead somewhere before `start`. */
  readonly ways: readonly Way[];
  /** The drill's own view, which no cut reaches. */
  readonly consul: { readonly kv: Kv; readonly directory: Directory; readonly leaser: Leaser };
  readonly clock: Clock;
  /** Starts Consul and the nodes; resolves when the cluster is ready. Errors: UnavailableError with what they wait for. */
  start(onEvent: (event: LabEvent) => void, signal: AbortSignal): Promise<void>;
  startConsul(): Promise<void>;
  /** SIGKILL; resolves when it is gone. Its data stay. */
  killConsul(): Promise<void>;
  consulPid(): number | null;
  startNode(name: string): Promise<void>;
  /** SIGTERM to the agent; resolves when it ended. */
  stopNode(name: string): Promise<void>;
  /** Of the node now, as the kernel tells. */
  processes(name: string): LabProcesses;
  /** "R", "S", "T" (stopped by a signal) …, "Z" (it still ends), or null: nothing of it is left. */
  processState(pid: number): string | null;
  /** Pids of all processes of the node: who a connection belongs to. */
  pidsOf(name: string): readonly number[];
  /** Leaves the directory where it is: something in it is evidence. */
  keep(): void;
};

export type Lab = {
  /** Name to version of all that a cluster is made of. Fetches what is missing. Errors: those of the toolchain. */
  versions(): Promise<Readonly<Record<string, string>>>;
  /** Nothing runs yet. `small`: each node's directory is a file system of its own of so many MiB (root only). */
  prepare(wished: {
    readonly nodes: number;
    readonly smallMiB: number | null;
  }): Promise<LabCluster>;
};
