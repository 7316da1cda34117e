// Where every story begins: names for uuids and GTID sets, and node `a` in a cluster of three.
import type {
  LeaderValue,
  Observation,
  Peer,
  ServerFacts,
  SourceFacts,
} from "../../recipes/mysql/core/observation.ts";

export type Name = "a" | "b" | "c" | "d" | "e";

export const NAMES: readonly Name[] = ["a", "b", "c", "d", "e"];
const CLUSTER = "c1c1c1c1-0000-4000-8000-00000000c1c1";
/** Source part of the epoch markers; `m` in `gtids`. */
export const MARKER = "eeeeeeee-0000-5000-8000-0000000000ee";
/** Source part of transactions that no primary wrote; `x` in `gtids`. */
export const STRANGER = "dddddddd-0000-4000-8000-0000000000dd";
export const NOW = 1_000_000;
export const EPOCH = 5;
export const STATE_INDEX = 500;

/** server_uuid of a node. */
export function uuid(name: Name): string {
  return `${name.repeat(8)}-0000-4000-8000-${name.repeat(12)}`;
}

/** "b:1-100 m:1-5" → MySQL's text, with names for uuids; m: the markers, x: a stranger. */
export function gtids(text: string): string {
  const named = (name: string): string =>
    name === "m" ? MARKER : name === "x" ? STRANGER : uuid(name as Name);
  const parts = text.split(" ").filter((part) => part !== "");
  return parts.map((part) => named(part.slice(0, 1)) + part.slice(1)).join(",");
}

/** What everybody holds unless told otherwise. */
export const HEAD = "b:1-100 m:1-5";

export const SOURCE: SourceFacts = {
  host: "b.test",
  port: 3306,
  uuid: uuid("b"),
  user: "autopilot_repl_1",
  io: "Yes",
  sql: "Yes",
  ioError: "",
  ioErrno: 0,
  sqlError: "",
  sqlErrno: 0,
  lastQueued: "",
  lagSeconds: 0,
};

export const SERVER: ServerFacts = {
  uuid: uuid("a"),
  serverId: 1,
  version: "9.7.4",
  executed: gtids(HEAD),
  retrieved: "",
  purged: "",
  readOnly: true,
  superReadOnly: true,
  offlineMode: false,
  clusterId: CLUSTER,
  source: null,
  semiSync: {
    sourceEnabled: false,
    sourceActive: false,
    waitFor: 1,
    clients: 0,
    waitSessions: 0,
    replicaEnabled: false,
    replicaActive: false,
  },
  dumpThreads: [],
  accounts: [],
};

export function heldBy(name: Name, epoch: number): LeaderValue {
  const at = { host: `${name}.test`, port: 3306, agentPort: 3308 };
  return { held: true, uuid: uuid(name), node: name, epoch, ...at };
}

export function peerOf(name: Name, more: Partial<Peer> = {}): Peer {
  return {
    uuid: uuid(name),
    node: name,
    serverId: NAMES.indexOf(name) + 1,
    host: `${name}.test`,
    port: 3306,
    agentPort: 3308,
    pid: 1,
    mysqldPid: 2,
    controlSocket: "",
    role: "replica",
    state: "replica",
    says: "",
    epoch: EPOCH,
    joined: EPOCH,
    executed: gtids(HEAD),
    retrieved: "",
    purged: "",
    ver: 10,
    semiSync: true,
    promised: EPOCH,
    writable: false,
    lagSeconds: 0,
    seesPrimary: true,
    reaches: [],
    diskFull: false,
    stopping: false,
    stopped: false,
    errant: "",
    needsRebuild: false,
    amnesiac: false,
    priority: 0,
    noFailover: false,
    zone: "",
    alerts: [],
    since: "2026-01-01T00:00:00Z",
    seenVer: 10,
    seenEpoch: EPOCH,
    answer: null,
    ageMs: 500,
    ...more,
  };
}

/** Node `a`, its server up and closed, in a cluster of a, b and c at epoch 5; `b` is the open primary and holds the lock. */
export const START: Observation = {
  now: NOW,
  me: {
    node: "a",
    uuid: uuid("a"),
    serverId: 1,
    host: "a.test",
    port: 3306,
    priority: 0,
    noFailover: false,
    zone: "",
    stopping: false,
    stoppingSince: null,
    amnesiac: false,
    promisedHigh: 0,
    recalled: true,
    elsewhere: null,
    held: null,
  },
  policy: {
    acks: 1,
    voters: 3,
    minAcks: 0,
    dropVoterAfterMs: 30_000,
    aloneAfterMs: 5_000,
    backOffAfter: 3,
    rejoin: "rebuild",
    keepAside: 3,
  },
  markerUuid: MARKER,
  datadir: { kind: "ready", uuid: uuid("a"), serverId: 1, bootstrap: null, clusterId: CLUSTER },
  fresh: false,
  process: {
    running: true,
    incarnation: 1,
    pid: 2,
    lastExit: null,
    restartAt: 0,
    silentSince: null,
  },
  server: SERVER,
  promise: { epoch: EPOCH, ver: 10, seenEpoch: EPOCH },
  consul: {
    reachable: true,
    error: null,
    session: "session-a",
    goodUntil: NOW + 4_000,
    initialize: CLUSTER,
    leader: { index: STATE_INDEX - 1, session: "session-b", value: heldBy("b", EPOCH) },
    state: {
      index: STATE_INDEX,
      value: {
        ver: 10,
        epoch: EPOCH,
        phase: "open",
        primary: uuid("b"),
        prevPrimary: null,
        voters: [uuid("a"), uuid("b"), uuid("c")],
        acks: 1,
      },
    },
    loaded: true,
    promises: [],
    lost: [],
    peers: [peerOf("b", { role: "primary", semiSync: false }), peerOf("c")],
    peersAgeMs: 100,
    intents: [],
    claims: null,
    paused: false,
  },
  candidateSince: null,
  progressAt: null,
  answered: EPOCH,
  primacy: null,
  change: null,
  switchover: null,
  absentSince: {},
  headBefore: "",
  following: null,
  joinAsked: null,
  heartbeat: { ackedStart: null, waitingSince: null, probeFailures: 0 },
  sight: {
    lastTransactionAt: null,
    receiverDownSince: null,
    refused: false,
    agentDeadSince: null,
    askedAt: null,
    reaches: [],
  },
  job: null,
  errant: null,
  position: null,
  room: null,
  copyBytes: null,
  droppedAt: null,
  leaderFreeSince: null,
  sawPrimary: true,
  gaveUp: null,
  provenFor: null,
  passedOver: null,
  fetching: null,
  audit: null,
  diskFree: 1e12,
  failovers: [],
};
