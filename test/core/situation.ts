// A builder of observations in the domain's words: `situation().withVoters("a", "b", "c").asPrimary().absent("b", 31_000)`.
// Node `a` is always this node. A situation is a value: each word returns a new one. Words follow the story's order:
// who votes first, then what this node is, then what is odd about it.
import { COPY_ACCOUNT } from "../../recipes/mysql/core/accounts.ts";
import type { Action, Do } from "../../recipes/mysql/core/action.ts";
import { decide } from "../../recipes/mysql/core/decide.ts";
import type {
  Change,
  Intent,
  LeaderValue,
  Observation,
  Peer,
  Primacy,
  PromiseRecord,
  ServerFacts,
  SourceFacts,
  State,
} from "../../recipes/mysql/core/observation.ts";
import type { Policy } from "../../recipes/mysql/core/policy.ts";
import {
  gtids,
  HEAD,
  heldBy,
  NAMES,
  NOW,
  peerOf,
  SERVER,
  SOURCE,
  START,
  STATE_INDEX,
  uuid,
  type Name,
} from "./start.ts";

export { EPOCH, gtids, HEAD, MARKER, NOW, uuid, type Name } from "./start.ts";

/** A situation: words to tell it, and what node `a` decides in it. */
export type Situation = ReturnType<typeof telling>;

export function situation(): Situation {
  return telling(START);
}

type Part<K extends keyof Observation> = Partial<NonNullable<Observation[K]>>;

function telling(o: Observation) {
  const state = (): State => {
    if (o.consul.state === null) throw new Error("this story has no state");
    return o.consul.state.value;
  };
  const and = (more: Partial<Observation>) => telling({ ...o, ...more });
  const consul = (more: Part<"consul">) => and({ consul: { ...o.consul, ...more } });
  const server = (more: Partial<ServerFacts>) =>
    and({ server: { ...(o.server ?? SERVER), ...more } });
  const inState = (more: Partial<State>) =>
    consul({ state: { index: STATE_INDEX, value: { ...state(), ...more } } });
  const peer = (name: Name, more: Partial<Peer> = {}) => {
    const known = o.consul.peers.find((p) => p.uuid === uuid(name)) ?? peerOf(name);
    const rest = o.consul.peers.filter((p) => p.uuid !== uuid(name));
    return consul({ peers: [...rest, { ...known, ...more }] });
  };
  const others = () => state().voters.filter((v) => v !== uuid("a"));
  const nameOf = (id: string): Name => NAMES.find((n) => uuid(n) === id) ?? "a";
  return {
    /** The facts, as observe.ts would give them. */
    observation: o,
    /** What node `a` does. */
    decides: (): readonly Action[] => decide(o),
    and,
    consul,
    server,
    state: inState,
    peer,
    me: (more: Part<"me">) => and({ me: { ...o.me, ...more } }),
    policy: (more: Partial<Policy>) => and({ policy: { ...o.policy, ...more } }),
    process: (more: Part<"process">) => and({ process: { ...o.process, ...more } }),
    datadir: (more: Part<"datadir">) => and({ datadir: { ...o.datadir, ...more } }),
    sight: (more: Part<"sight">) => and({ sight: { ...o.sight, ...more } }),
    heartbeat: (more: Part<"heartbeat">) => and({ heartbeat: { ...o.heartbeat, ...more } }),
    semiSync: (more: Partial<ServerFacts["semiSync"]>) =>
      server({ semiSync: { ...(o.server ?? SERVER).semiSync, ...more } }),
    source: (more: Partial<SourceFacts>) =>
      server({ source: { ...(o.server?.source ?? SOURCE), ...more } }),

    /** V, with k = 1 where there is anybody else; the other voters have fresh records. */
    withVoters(...names: readonly Name[]) {
      const now = o.consul.peers;
      const peers = names
        .filter((n) => n !== "a")
        .map((n) => now.find((p) => p.node === n) ?? peerOf(n));
      const strangers = now.filter((p) => !names.includes(p.node as Name));
      return telling({ ...o, consul: { ...o.consul, peers: [...peers, ...strangers] } }).state({
        voters: names.map(uuid),
        acks: Math.min(1, names.length - 1),
      });
    },
    acks: (k: number) => inState({ acks: k }),
    epoch: (e: number) => inState({ epoch: e }),

    /** `a` is the open primary of this epoch, armed, every other voter connected and acknowledging. */
    asPrimary(stage: Primacy["stage"] = "open") {
      const { acks, epoch } = state();
      const opened = stage === "open";
      const closed = stage === "drained" || stage === "published";
      const phase = opened || stage.startsWith("drain") ? "open" : "promoting";
      return telling({
        ...o,
        primacy: {
          epoch,
          incarnation: o.process.incarnation,
          stage,
          since: NOW - (opened ? 60_000 : 500),
        },
        headBefore: gtids(HEAD),
        heartbeat: { ackedStart: NOW - 300, waitingSince: null, probeFailures: 0 },
        consul: {
          ...o.consul,
          leader: { index: STATE_INDEX - 1, session: "session-a", value: heldBy("a", epoch) },
          peers: o.consul.peers
            .filter((p) => p.uuid !== uuid("a"))
            .map((p) => ({ ...p, role: "replica", semiSync: true })),
        },
      })
        .state({ phase, primary: uuid("a"), prevPrimary: null })
        .server({ readOnly: !opened, superReadOnly: closed })
        .semiSync({ sourceEnabled: acks > 0, sourceActive: acks > 0, waitFor: Math.max(1, acks) })
        .connected(...others().map(nameOf));
    },
    /** `a` follows the primary, in sync. */
    asReplicaOf(primary: Name) {
      const { epoch, voters } = state();
      const semiSync = voters.includes(uuid("a"));
      return telling({
        ...o,
        following: {
          epoch,
          primary: uuid(primary),
          semiSync,
          since: NOW - 60_000,
          known: o.server?.executed ?? "",
        },
        sight: { ...o.sight, lastTransactionAt: NOW - 200 },
      })
        .state({ phase: "open", primary: uuid(primary) })
        .lockHeldBy(primary)
        .peer(primary, { role: "primary", semiSync: false })
        .source({ host: `${primary}.test`, uuid: uuid(primary) })
        .semiSync({ replicaEnabled: semiSync, replicaActive: semiSync });
    },
    /** The primary was lost and the lock is free: `a` followed it, its receiver has been down since. */
    afterLosing(primary: Name, forMs = 10_000) {
      return telling(o)
        .asReplicaOf(primary)
        .source({ io: "Connecting" })
        .sight({ lastTransactionAt: NOW - forMs, receiverDownSince: NOW - forMs })
        .lockFree(forMs);
    },
    /** `a` raised the epoch, holds the lock and has promised itself; `last` was the published primary before. */
    asCandidate(last: Name | null = "b") {
      const { epoch } = state();
      return telling({
        ...o,
        candidateSince: NOW - 100,
        answered: epoch,
        promise: { ...o.promise, epoch },
        following: null,
      })
        .state({ phase: "electing", primary: null, prevPrimary: last === null ? null : uuid(last) })
        .lockHeldBy("a")
        .promisedBy("a");
    },
    /** Somebody's promise of the present epoch; by default it holds what everybody holds. */
    promisedBy(name: Name, set = HEAD, more: Partial<PromiseRecord> = {}) {
      const joined = Math.max(0, ...[...set.matchAll(/m:(?:1-)?(\d+)/g)].map((m) => Number(m[1])));
      const record: PromiseRecord = {
        uuid: uuid(name),
        node: name,
        epoch: state().epoch,
        amnesiac: false,
        joined,
        executed: gtids(set),
        retrieved: "",
        purged: "",
        backlog: 0,
        priority: 0,
        noFailover: false,
        zone: "",
        stopping: false,
        diskFull: false,
        ...more,
      };
      const rest = o.consul.promises.filter((p) => p.uuid !== record.uuid);
      return consul({ promises: [...rest, record] });
    },
    /** Candidate `of` asks for this epoch, which is not promised yet. */
    askedToPromise(epoch: number, of: Name = "c") {
      return telling(o)
        .state({ epoch, phase: "electing", primary: null, prevPrimary: state().primary })
        .consul({
          leader: { index: STATE_INDEX - 1, session: `session-${of}`, value: heldBy(of, epoch) },
        });
    },
    /** The dump threads here: all of these are connected, and those in V acknowledge. */
    connected(...names: readonly Name[]) {
      const dumpThreads = names.map((name, at) => ({
        uuid: uuid(name),
        serverId: NAMES.indexOf(name) + 1,
        threadId: 100 + at,
      }));
      const clients = names.filter((name) => state().voters.includes(uuid(name))).length;
      const sourceEnabled = o.server?.semiSync.sourceEnabled ?? false;
      const { semiSync } = o.server ?? SERVER;
      const accounts = [COPY_ACCOUNT, ...NAMES.map((_, at) => at + 1)].map((serverId) => ({
        serverId,
        locked: false,
      }));
      return server({
        dumpThreads,
        accounts,
        semiSync: { ...semiSync, clients: sourceEnabled ? clients : 0 },
      });
    },
    /** A voter that has no dump thread here for that long; its heartbeats wait when it was needed. */
    absent(name: Name, forMs: number) {
      const left = (o.server?.dumpThreads ?? []).filter((d) => d.uuid !== uuid(name));
      return telling({
        ...o,
        absentSince: { ...o.absentSince, [uuid(name)]: NOW - forMs },
      }).connected(...left.map((d) => nameOf(d.uuid)));
    },
    /** The primary's position as `a` read it first while it wants to give up its data. */
    knowing: (position = HEAD) =>
      and({ position: { epoch: state().epoch, executed: gtids(position) } }),
    /** What `a` has executed, and what it has only received. */
    holding: (executed: string, retrieved = "") =>
      server({ executed: gtids(executed), retrieved: gtids(retrieved) }),
    lockHeldBy(name: Name) {
      return telling({ ...o, leaderFreeSince: null }).consul({
        leader: {
          index: STATE_INDEX - 1,
          session: `session-${name}`,
          value: heldBy(name, state().epoch),
        },
      });
    },
    /** Nobody holds the lock. Without a `release` its session ended; with one its holder says why. */
    lockFree(forMs = 10_000, release?: { readonly prefer?: Name; readonly closed?: boolean }) {
      const value: LeaderValue | null =
        release === undefined
          ? (o.consul.leader?.value ?? null)
          : {
              held: false,
              epoch: state().epoch,
              reason: "told by the test",
              prefer: release.prefer === undefined ? null : uuid(release.prefer),
              closed: release.closed ?? false,
              proven: false,
            };
      return telling({ ...o, leaderFreeSince: NOW - forMs }).consul({
        leader: { index: STATE_INDEX - 1, session: null, value },
      });
    },
    /** Consul has not answered for so long that the belief in the session ended `forMs` ago. */
    consulAway: (forMs = 1_000) =>
      consul({ reachable: false, error: "connect ECONNREFUSED", goodUntil: NOW - forMs }),
    changing: (kind: Change["kind"], more: Partial<Change> = {}) =>
      and({
        change: {
          kind,
          uuid: null,
          voters: state().voters,
          acks: state().acks,
          stage: "prepared",
          since: NOW - 1_000,
          ...more,
        },
      }),
    intent(verb: Intent["verb"], more: Partial<Intent> = {}) {
      const wish: Intent = {
        id: `wish-${o.consul.intents.length + 1}`,
        verb,
        to: null,
        uuid: null,
        serverId: null,
        epoch: state().epoch,
        ver: state().ver,
        by: "somebody",
        at: "2026-01-01T00:00:00Z",
        outcome: null,
        ...more,
      };
      return consul({ intents: [...o.consul.intents, wish] });
    },
    /** The agent got SIGTERM that long ago. */
    stopping: (forMs = 0) => and({ me: { ...o.me, stopping: true, stoppingSince: NOW - forMs } }),
    serverDown: (lastExit = "killed by SIGKILL after 9.0 s") =>
      and({ server: null, process: { ...o.process, running: false, pid: null, lastExit } }),
    /** Not a server of anybody yet. */
    withoutDatadir: () =>
      and({
        server: null,
        process: { ...o.process, running: false, incarnation: 0, pid: null },
        datadir: { kind: "absent", uuid: null, serverId: null, bootstrap: null, clusterId: null },
        promise: { epoch: 0, ver: 0, seenEpoch: 0 },
        answered: 0,
      }),
    /** Consul as it is before a cluster was ever founded. */
    beforeTheFounding: () => consul({ initialize: null, leader: null, state: null, peers: [] }),
  };
}

/** The kinds of actions, in order: what a title can say. */
export function deeds(actions: readonly Action[]): readonly Action["do"][] {
  return actions.map((action) => action.do);
}

/** The action of that kind, which must be there. */
export function the<K extends Action["do"]>(kind: K, actions: readonly Action[]): Do<K> {
  const found = actions.find((action): action is Do<K> => action.do === kind);
  if (found === undefined) throw new Error(`no ${kind} in: ${says(actions)}`);
  return found;
}

/** All of it as one line, for failures and for what the operator reads. */
export function says(actions: readonly Action[]): string {
  return actions.map((action) => `${action.do}: ${action.why ?? ""}`).join("; ");
}
