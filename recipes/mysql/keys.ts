// The key layout of one cluster in Consul (PROTOCOL §1), and how each value is written and read.
// A value that does not parse counts as absent: nobody but us writes here.
import type { KvEntry } from "../../src/index.ts";
import { parseGtidSet } from "./core/gtid.ts";
import type {
  GtidFacts,
  Intent,
  LeaderValue,
  NodeRecord,
  PromiseRecord,
  State,
} from "./core/observation.ts";
import type { BackupWish, FailedBackup, LastBackup } from "./core/backup/due.ts";

export type Keys = ReturnType<typeof keysOf>;

export function keysOf(cluster: string) {
  const root = `autopilot/${cluster}`;
  return {
    root,
    leader: `${root}/leader`,
    state: `${root}/state`,
    initialize: `${root}/initialize`,
    pause: `${root}/pause`,
    nodes: `${root}/nodes/`,
    node: (uuid: string) => `${root}/nodes/${uuid}`,
    promises: (epoch: number) => `${root}/promises/${epoch}/`,
    promise: (epoch: number, uuid: string) => `${root}/promises/${epoch}/${uuid}`,
    allPromises: `${root}/promises/`,
    intents: `${root}/intents/`,
    intent: (id: string) => `${root}/intents/${id}`,
    allLost: `${root}/lost/`,
    losts: (epoch: number) => `${root}/lost/${epoch}/`,
    lost: (epoch: number, uuid: string) => `${root}/lost/${epoch}/${uuid}`,
    serverIds: `${root}/server_ids/`,
    serverId: (n: number) => `${root}/server_ids/${n}`,
    history: (epoch: number) => `${root}/history/${epoch}`,
    histories: `${root}/history/`,
    /** Everything that nodes watch of backups; what changes every second stands beside it. */
    backups: `${root}/backup/`,
    backupLock: `${root}/backup/lock`,
    backupPlan: `${root}/backup/plan`,
    backupLast: `${root}/backup/last`,
    backupFailed: `${root}/backup/failed`,
    backupWishes: `${root}/backup/intents/`,
    backupWish: (id: string) => `${root}/backup/intents/${id}`,
    backupProgress: `${root}/backup-progress`,
    backupArchive: `${root}/backup-archive`,
  } as const;
}

/** Last part of a key. */
export function leaf(entry: KvEntry): string {
  return entry.key.slice(entry.key.lastIndexOf("/") + 1);
}

/** Parses a JSON object; null when it is none. */
function objectOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null; // Not JSON: nobody but us writes here, so it counts as absent.
  }
}

type Fields = Readonly<Record<string, "string" | "number" | "boolean">>;

/** Reads our own JSON, as far as the named fields are of the right type; null otherwise. */
function reads<T>(fields: Fields): (text: string) => T | null {
  const all = Object.entries(fields);
  return (text) => {
    const value = objectOf(text);
    if (value === null) return null;
    for (const [name, type] of all) if (typeof value[name] !== type) return null;
    return value as T;
  };
}

const readState = reads<State>({ ver: "number", epoch: "number", phase: "string", acks: "number" });
const readLeader = reads<LeaderValue>({ held: "boolean", epoch: "number" });
const readNode = reads<NodeRecord>({
  uuid: "string",
  node: "string",
  serverId: "number",
  executed: "string",
  retrieved: "string",
  purged: "string",
  role: "string",
});
const readPromise = reads<PromiseRecord>({
  uuid: "string",
  epoch: "number",
  joined: "number",
  executed: "string",
  retrieved: "string",
  purged: "string",
  amnesiac: "boolean",
});
const readIntent = reads<Intent>({ id: "string", verb: "string", epoch: "number", by: "string" });

/** GTID sets that do not parse would make every node's decision throw: such a record counts as absent. */
function withSets<T extends GtidFacts>(found: T | null): T | null {
  if (found === null) return null;
  const sets = [found.executed, found.retrieved, found.purged];
  return sets.every((set) => parseGtidSet(set) !== null) ? found : null;
}

export function parseState(text: string): State | null {
  const state = readState(text);
  const voters: unknown = state?.voters;
  const named = Array.isArray(voters) && voters.every((voter) => typeof voter === "string");
  return named ? state : null;
}

export function parseLeader(text: string): LeaderValue | null {
  return readLeader(text);
}

export function parseNode(text: string): NodeRecord | null {
  const found = withSets(readNode(text));
  // An agent of before says nothing of these.
  return found === null ? null : { ...BEFORE_ANSWERS, ...found };
}

const BEFORE_ANSWERS = { seenVer: 0, seenEpoch: 0, answer: null };

export function parsePromise(text: string): PromiseRecord | null {
  return withSets(readPromise(text));
}

export function parseIntent(text: string): Intent | null {
  return readIntent(text);
}

const readLastBackup = reads<LastBackup>({
  startedAt: "string",
  finishedAt: "string",
  gtid: "string",
});

export function parseLastBackup(text: string): LastBackup | null {
  return readLastBackup(text);
}

const readFailedBackup = reads<FailedBackup>({ failures: "number", at: "number", why: "string" });

export function parseFailedBackup(text: string): FailedBackup | null {
  return readFailedBackup(text);
}

const readBackupWish = reads<BackupWish>({
  id: "string",
  verb: "string",
  by: "string",
  at: "string",
});

export function parseBackupWish(text: string): BackupWish | null {
  return readBackupWish(text);
}
