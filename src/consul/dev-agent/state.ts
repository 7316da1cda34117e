// All that the development agent knows, as one plain value, and the two ways to change it: `write` gives every change
// its index, `drain` says what changed since the last drain. Time comes in as milliseconds on a monotonic clock.
// It never does I/O: journal.ts makes changes durable, http.ts answers and wakes.

export type Entry = {
  readonly key: string;
  readonly value: Buffer;
  readonly flags: number;
  readonly createIndex: number;
  readonly modifyIndex: number;
  /** How often the key was newly locked; a fencing token in Consul's words. */
  readonly lockIndex: number;
  readonly session: string | null;
};

export type Session = {
  readonly id: string;
  readonly name: string;
  readonly node: string;
  readonly lockDelayMs: number;
  readonly behavior: "release" | "delete";
  /** As it was given ("10s"), or "" for none. */
  readonly ttl: string;
  readonly ttlMs: number | null;
  readonly nodeChecks: readonly string[] | null;
  readonly serviceChecks: readonly { readonly ID: string; readonly Namespace: string }[] | null;
  readonly createIndex: number;
  /** When its own TTL ends it, or null. Moved by each renewal. */
  deadline: number | null;
};

export type CatalogNode = {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly taggedAddresses: Readonly<Record<string, string>> | null;
  readonly meta: Readonly<Record<string, string>> | null;
  readonly createIndex: number;
  readonly modifyIndex: number;
};

export type CatalogService = {
  readonly node: string;
  readonly id: string;
  readonly name: string;
  readonly tags: readonly string[];
  readonly address: string;
  readonly port: number;
  readonly meta: Readonly<Record<string, string>> | null;
  /** Registered through this agent, so it is in agent/services too. */
  readonly local: boolean;
  readonly createIndex: number;
  readonly modifyIndex: number;
};

/** A check that the agent runs by itself. */
export type Probe = {
  readonly kind: "http" | "tcp";
  /** An URL, or "host:port". */
  readonly target: string;
  readonly method: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
};

export type CheckStatus = "passing" | "warning" | "critical";

export type Check = {
  readonly node: string;
  readonly id: string;
  readonly name: string;
  readonly status: CheckStatus;
  readonly notes: string;
  readonly output: string;
  readonly serviceId: string;
  readonly serviceName: string;
  readonly serviceTags: readonly string[];
  /** Null for a check that nobody has to pass. */
  readonly ttlMs: number | null;
  readonly probe?: Probe | null;
  /** Its service is removed after being critical for so long; null: never. */
  readonly dropAfterMs?: number | null;
  /** Since when it is critical, where that matters; null: it is not. */
  readonly criticalSince?: number | null;
  readonly local: boolean;
  readonly createIndex: number;
  readonly modifyIndex: number;
  /** When it turns critical by itself, or null. */
  deadline: number | null;
};

export type State = {
  /** The last index given; like Raft's, it also counts writes that changed nothing. */
  index: number;
  readonly kv: Map<string, Entry>;
  /** Deleted keys and the index of their deletion: a prefix's index must not slide back. */
  readonly graves: Map<string, number>;
  kvIndex: number;
  readonly sessions: Map<string, Session>;
  sessionIndex: number;
  readonly nodes: Map<string, CatalogNode>;
  readonly services: Map<string, CatalogService>;
  readonly checks: Map<string, Check>;
  nodeIndex: number;
  serviceIndex: number;
  checkIndex: number;
  /** The last index of each service name that has instances. */
  readonly nameIndex: Map<string, number>;
  /** Until when a key may not be locked: the lock-delay of the session that lost it. */
  readonly lockDelays: Map<string, number>;
  /** What each key was before this write, oldest first: the way back for a failed transaction. */
  undo: { readonly key: string; readonly before: Entry | null; readonly grave: number | null }[];
  readonly topics: Set<Topic>;
};

export type Topic = "kv" | "sessions" | "catalog";

export type Change = { readonly keys: ReadonlySet<string>; readonly topics: ReadonlySet<Topic> };

/** The name of the one node of this agent's own. */
export const NODE = "dev";
export const NODE_ADDRESS = "127.0.0.1";
/** There is no other. */
export const DATACENTER = "dc1";
const NODE_ID = "00000000-0000-4000-8000-000000000de5";

/** Graves beyond this are forgotten, oldest first; Consul forgets them after 15 minutes. */
const GRAVES_MAX = 4096;

/** An empty store at `index`, with this agent's node, its serf check and the "consul" service, as a server has them. */
export function createState(index: number): State {
  const at = index + 1;
  const state: State = {
    index: at,
    kv: new Map(),
    graves: new Map(),
    kvIndex: 0,
    sessions: new Map(),
    sessionIndex: 0,
    nodes: new Map(),
    services: new Map(),
    checks: new Map(),
    nodeIndex: at,
    serviceIndex: at,
    checkIndex: at,
    nameIndex: new Map([["consul", at]]),
    lockDelays: new Map(),
    undo: [],
    topics: new Set(),
  };
  const indexes = { createIndex: at, modifyIndex: at };
  const lan = { lan: NODE_ADDRESS, wan: NODE_ADDRESS };
  const node = { id: NODE_ID, name: NODE, address: NODE_ADDRESS, taggedAddresses: lan };
  state.nodes.set(NODE, { ...node, meta: {}, ...indexes });
  const consul = { node: NODE, id: "consul", name: "consul", tags: [], address: "", port: 8300 };
  state.services.set(idOf(NODE, "consul"), { ...consul, meta: {}, local: false, ...indexes });
  state.checks.set(idOf(NODE, "serfHealth"), {
    node: NODE,
    id: "serfHealth",
    name: "Serf Health Status",
    status: "passing",
    notes: "",
    output: "Agent alive and reachable",
    serviceId: "",
    serviceName: "",
    serviceTags: [],
    ttlMs: null,
    local: false,
    ...indexes,
    deadline: null,
  });
  return state;
}

/** The key of a service or check in its map. */
export function idOf(node: string, id: string): string {
  return `${node}\0${id}`;
}

/** Runs one write under an index of its own, as one entry of Raft's log. */
export function write<T>(state: State, apply: (index: number) => T): T {
  state.index += 1;
  return apply(state.index);
}

/** Puts or (null) deletes a key. All changes of keys go through here, so that they can be undone and journaled. */
export function putEntry(state: State, index: number, key: string, entry: Entry | null): void {
  const before = state.kv.get(key) ?? null;
  state.undo.push({ key, before, grave: state.graves.get(key) ?? null });
  if (entry === null) {
    state.kv.delete(key);
    state.graves.delete(key);
    state.graves.set(key, index);
    const oldest = state.graves.size > GRAVES_MAX ? state.graves.keys().next().value : undefined;
    if (oldest !== undefined) state.graves.delete(oldest);
  } else {
    state.kv.set(key, entry);
  }
  state.kvIndex = index;
  state.topics.add("kv");
}

/** Takes back all changes of keys since `mark` (the length of `undo` then) and the table's index with them. */
export function rollback(state: State, mark: number, kvIndex: number): void {
  for (const { key, before, grave } of state.undo.splice(mark).toReversed()) {
    if (before === null) state.kv.delete(key);
    else state.kv.set(key, before);
    if (grave === null) state.graves.delete(key);
    else state.graves.set(key, grave);
  }
  state.kvIndex = kvIndex;
}

/** What changed since the last call, or null. */
export function drain(state: State): Change | null {
  if (state.topics.size === 0) return null;
  const change = {
    keys: new Set(state.undo.map((step) => step.key)),
    topics: new Set(state.topics),
  };
  state.undo = [];
  state.topics.clear();
  return change;
}
