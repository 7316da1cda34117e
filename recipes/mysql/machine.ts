// What a node does to its own machine and says to others besides Consul: its disk, the making of datadirs and servers,
// the questions to other nodes. Small interfaces, so that whole clusters run in memory with the same executors.
import type { RoomFacts } from "./core/aside.ts";
import type { DatadirFacts, PromiseFacts } from "./core/observation.ts";

/** Identity of a datadir in the making. */
export type Plan = { readonly uuid: string; readonly serverId: number };

/** Why a datadir is given up, for people who look at it later. */
export type Story = {
  readonly why: string;
  /** Wall clock, ISO 8601. */
  readonly at: string;
  readonly node: string;
  readonly uuid: string;
  readonly epoch: number;
  /** Name of the primary then. */
  readonly primary: string;
  /** What that primary holds: everything else in this datadir is errant. */
  readonly held: string;
  /** What the running server had beyond that; null: it could not be asked. */
  readonly errant: string | null;
};

/** The transactions that others lack, extracted. */
export type Evidence = {
  /** Where they are; null: there are none, or they could not be extracted. */
  readonly place: string | null;
  readonly gtids: string;
  /** All of it lies there, or there is nothing. If not, the datadir is never deleted automatically. */
  readonly complete: boolean;
  readonly problems: readonly string[];
};

/** What lies beside and in the datadir. Every write is durable when it returns. */
export interface Disk {
  read(): Promise<{
    readonly datadir: DatadirFacts;
    readonly promise: PromiseFacts;
    /** Present until a new datadir has been settled. */
    readonly plan: Plan | null;
  }>;
  /** Errors: InvariantError when a number would decrease (I2). */
  writePromise(next: PromiseFacts): Promise<void>;
  /** null removes it. */
  writePlan(plan: Plan | null): Promise<void>;
  /** The cluster id that this node wants to found (§7 Bootstrap); null removes it. */
  writeBootstrap(clusterId: string | null): Promise<void>;
  /** Bytes that the file system of the datadir still has for us; null: it does not say. */
  free(): Promise<number | null>;
  /** Extracts what the primary lacks from the datadir of a stopped server. Errors: the signal's reason. */
  extract(story: Story, signal: AbortSignal): Promise<Evidence>;
  /**
   * Moves the datadir out of the way, with a note. Returns where it is; null: there was none. Without evidence it holds
   * nothing of anybody.
   */
  setAside(why: string, at: string, evidence: Evidence | null): Promise<string | null>;
  /** Datadirs set aside, and the space for a new one. */
  room(): Promise<RoomFacts>;
  /** Deletes datadirs that were set aside; one whose evidence is not complete, or the newest, never. */
  removeAside(names: readonly string[]): Promise<void>;
}

export type NewData = Plan & { readonly clusterId: string; readonly signal: AbortSignal };

/** Makes datadirs and starts servers on them. */
export interface Maker {
  /** A new datadir of a new cluster. It has its name only when it is complete. */
  initialize(data: NewData & { readonly report?: (says: string) => void }): Promise<void>;
  /** A datadir from the cluster's newest backup and its archived binary logs, under the new uuid. */
  restore?(data: NewData & { readonly report: (says: string) => void }): Promise<void>;
  /** A copy of a running donor, under the new uuid. */
  clone(
    data: NewData & {
      readonly donor: Address;
      readonly progress: (bytes: { readonly done: number; readonly estimate: number }) => void;
    },
  ): Promise<void>;
  /** Starts mysqld on the datadir, closed. Errors: UnavailableError when it cannot be started at all. */
  start(serverId: number): Promise<void>;
}

export type Address = { readonly host: string; readonly port: number };

/** Questions to other nodes, each with its own limit in time. */
export interface Peers {
  /** Sets of another mysqld, read now (§5). Limit 1 s. */
  sets(
    address: Address,
  ): Promise<{ readonly uuid: string; readonly executed: string; readonly purged: string }>;
  /** Returns when that mysqld has applied all of `executed`. */
  awaitSet(
    address: Address,
    wanted: { readonly executed: string; readonly limitMs: number },
  ): Promise<void>;
  /** A host that is up says that nobody listens there. Limit 0.3 s. */
  refused(address: Address): Promise<boolean>;
  /** The agent's /liveness (§3 tier 2). Limit 0.5 s. */
  alive(address: Address): Promise<boolean>;
}
