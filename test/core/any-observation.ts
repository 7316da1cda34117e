// Random observations: a named situation in which some facts are replaced by any others, so that also what should never
// be seen together is seen together. Whatever `decide` promises, it promises for these.
import fc from "fast-check";
import type { Observation, Peer, Role } from "../../recipes/mysql/core/observation.ts";
import { gtids, MARKER, NOW, situation, uuid, type Name } from "./situation.ts";
import { STORIES } from "./stories.ts";

const NAMES: readonly Name[] = ["a", "b", "c", "d"];
const START = situation().observation;
const PEER = START.consul.peers[0];

const name = fc.constantFrom(...NAMES);
const anyUuid = name.map(uuid);
const maybeUuid = fc.option(anyUuid, { nil: null });
const epoch = fc.integer({ min: 3, max: 7 });
const ago = fc.oneof(fc.nat(6_000), fc.nat(70_000)).map((ms) => NOW - ms);
const maybeAgo = fc.option(ago, { nil: null });
const set = fc
  .record({ b: fc.nat(3), c: fc.nat(2), m: fc.integer({ min: 1, max: 6 }) })
  .map(({ b, c, m }) => gtids(`b:1-${100 + b}${c === 0 ? "" : ` c:1-${c}`} m:1-${m}`));
const voters = fc.subarray([...NAMES], { minLength: 1 }).map((names) => names.map(uuid));
const session = fc.constantFrom("session-a", "session-b", null);

const state = fc.record({
  ver: fc.integer({ min: 9, max: 12 }),
  epoch,
  phase: fc.constantFrom("electing", "promoting", "open"),
  primary: maybeUuid,
  prevPrimary: maybeUuid,
  voters,
  acks: fc.nat(3),
});

const leader = fc.record({
  index: fc.constant(499),
  session,
  value: fc.oneof(
    fc.constant(null),
    fc.record({
      held: fc.constant(true),
      uuid: anyUuid,
      node: name,
      epoch,
      host: fc.constant("x.test"),
      port: fc.constant(3306),
      agentPort: fc.constant(3308),
    }),
    fc.record({
      held: fc.constant(false),
      epoch,
      reason: fc.constant("why"),
      prefer: maybeUuid,
      closed: fc.boolean(),
      proven: fc.boolean(),
    }),
  ),
});

const role = fc.constantFrom<Role[]>("primary", "replica", "candidate", "fenced", "unknown");
const peer = fc
  .record({
    node: name,
    role,
    epoch,
    joined: epoch,
    executed: set,
    retrieved: set,
    semiSync: fc.boolean(),
    seesPrimary: fc.boolean(),
    stopping: fc.boolean(),
    stopped: fc.boolean(),
    needsRebuild: fc.boolean(),
    amnesiac: fc.boolean(),
    noFailover: fc.boolean(),
    zone: fc.constantFrom("", "z1"),
    reaches: fc.subarray([...NAMES]).map((names) => names.map(uuid)),
    diskFull: fc.boolean(),
    priority: fc.nat(2),
    lagSeconds: fc.option(fc.nat(9), { nil: null }),
    mysqldPid: fc.option(fc.constant(2), { nil: null }),
    ageMs: fc.nat(15_000),
  })
  .map((odd) => ({ ...PEER, ...odd, uuid: uuid(odd.node) }) as Peer);

const promise = fc.record({
  node: name,
  epoch,
  executed: set,
  retrieved: fc.constant(""),
  purged: fc.constant(""),
  amnesiac: fc.boolean(),
  joined: epoch,
  backlog: fc.nat(30_000),
  priority: fc.nat(2),
  noFailover: fc.boolean(),
  zone: fc.constantFrom("", "z1"),
  stopping: fc.boolean(),
  diskFull: fc.boolean(),
});

const intent = fc.record({
  id: fc.constantFrom("wish-1", "wish-2", "stop-cluster"),
  verb: fc.constantFrom("switchover", "stop-cluster", "join", "rebuild"),
  to: fc.option(name, { nil: null }),
  uuid: maybeUuid,
  serverId: fc.option(fc.integer({ min: 1, max: 4 }), { nil: null }),
  epoch,
  ver: fc.integer({ min: 9, max: 12 }),
  by: name,
  at: fc.constant(""),
  outcome: fc.constant(null),
});

const consul = fc.record({
  reachable: fc.boolean(),
  error: fc.constantFrom(null, "away"),
  session: fc.constantFrom("session-a", "session-new", null),
  goodUntil: fc.integer({ min: NOW - 3_000, max: NOW + 5_000 }),
  initialize: fc.constantFrom(START.consul.initialize, null),
  leader: fc.option(leader, { nil: null }),
  state: fc.option(
    state.map((value) => ({ index: 500, value })),
    { nil: null, freq: 9 },
  ),
  loaded: fc.boolean(),
  promises: fc
    .array(promise, { maxLength: 4 })
    .map((all) => all.map((p) => ({ ...p, uuid: uuid(p.node) }))),
  lost: fc.array(fc.record({ uuid: anyUuid, forMs: fc.nat(2_000) }), { maxLength: 3 }),
  peers: fc.uniqueArray(peer, { selector: (p) => p.uuid, maxLength: 4 }),
  peersAgeMs: fc.constant(100),
  intents: fc.array(intent, { maxLength: 2 }),
  claims: fc.option(fc.subarray([1, 2, 3, 4, 5]), { nil: null }),
  paused: fc.boolean(),
});

const source = fc.record({
  host: fc.constant("b.test"),
  port: fc.constant(3306),
  uuid: anyUuid,
  user: fc.constant("autopilot_repl_1"),
  io: fc.constantFrom("Yes", "No", "Connecting"),
  sql: fc.constantFrom("Yes", "No"),
  ioError: fc.constant(""),
  ioErrno: fc.constantFrom(0, 1045, 1236, 3118),
  sqlError: fc.constant(""),
  sqlErrno: fc.constantFrom(0, 1062),
  lastQueued: fc.constant(""),
  lagSeconds: fc.option(fc.nat(9), { nil: null }),
});

const server = fc
  .record({
    executed: set,
    retrieved: set,
    readOnly: fc.boolean(),
    superReadOnly: fc.boolean(),
    clusterId: fc.constantFrom(START.datadir.clusterId, null),
    source: fc.option(source, { nil: null }),
    semiSync: fc.record({
      sourceEnabled: fc.boolean(),
      sourceActive: fc.boolean(),
      waitFor: fc.integer({ min: 1, max: 2 }),
      clients: fc.nat(3),
      waitSessions: fc.nat(2),
      replicaEnabled: fc.boolean(),
      replicaActive: fc.boolean(),
    }),
    dumpThreads: fc
      .uniqueArray(name, { maxLength: 3 })
      .map((names) =>
        names.map((n) => ({ uuid: uuid(n), serverId: NAMES.indexOf(n) + 1, threadId: 9 })),
      ),
    accounts: fc.constant([{ serverId: 1, locked: false }]),
  })
  .map((odd) => ({ ...START.server, ...odd }));

/** Facts without a story. Its GTID sets are sets: what does not parse is kept out at the edge (keys.ts, status.ts). */
const anyFacts: fc.Arbitrary<Observation> = fc
  .record({
    me: fc.record({
      uuid: fc.constant(uuid("a")),
      serverId: fc.option(fc.constant(1), { nil: null, freq: 9 }),
      noFailover: fc.boolean(),
      stopping: fc.boolean(),
      stoppingSince: maybeAgo,
      amnesiac: fc.boolean(),
      recalled: fc.constantFrom(true, true, true, false),
    }),
    policy: fc.record({
      acks: fc.nat(2),
      voters: fc.integer({ min: 1, max: 4 }),
      minAcks: fc.nat(1),
      rejoin: fc.constantFrom("rebuild", "hold"),
    }),
    markerUuid: fc.constantFrom(MARKER, null),
    datadir: fc.record({
      kind: fc.constantFrom("ready", "ready", "ready", "absent", "half", "foreign"),
      bootstrap: fc.constantFrom(
        null,
        START.datadir.clusterId,
        "77777777-0000-4000-8000-000000007777",
      ),
    }),
    fresh: fc.boolean(),
    process: fc.record({
      running: fc.boolean(),
      incarnation: fc.integer({ min: 1, max: 2 }),
      restartAt: ago,
      silentSince: maybeAgo,
    }),
    server: fc.option(server, { nil: null }),
    promise: fc.record({ epoch, ver: fc.integer({ min: 0, max: 12 }), seenEpoch: fc.nat(7) }),
    consul,
    candidateSince: maybeAgo,
    progressAt: maybeAgo,
    answered: epoch,
    primacy: fc.option(
      fc.record({
        epoch,
        incarnation: fc.constant(1),
        stage: fc.constantFrom("published", "marking", "marked", "open", "draining", "drained"),
        since: ago,
      }),
      { nil: null },
    ),
    change: fc.option(
      fc.record({
        kind: fc.constantFrom("remove", "add", "acks-up", "acks-down", "alone"),
        uuid: maybeUuid,
        voters,
        acks: fc.nat(2),
        stage: fc.constantFrom("prepared", "sent"),
        since: ago,
      }),
      { nil: null },
    ),
    switchover: fc.option(fc.record({ id: fc.constantFrom(null, "wish-1"), to: anyUuid }), {
      nil: null,
    }),
    absentSince: fc.dictionary(anyUuid, ago, { maxKeys: 3 }),
    headBefore: fc.oneof(fc.constant(""), set),
    following: fc.option(
      fc.record({ epoch, primary: anyUuid, semiSync: fc.boolean(), since: ago, known: set }),
      { nil: null },
    ),
    heartbeat: fc.record({
      ackedStart: maybeAgo,
      waitingSince: maybeAgo,
      probeFailures: fc.nat(5),
    }),
    sight: fc.record({
      lastTransactionAt: maybeAgo,
      receiverDownSince: maybeAgo,
      refused: fc.boolean(),
      agentDeadSince: maybeAgo,
      askedAt: maybeAgo,
      reaches: fc.constant([]),
    }),
    errant: fc.option(
      fc.record({ primary: anyUuid, gtids: fc.constant("x"), why: fc.constant("y") }),
      { nil: null },
    ),
    position: fc.option(fc.record({ epoch, executed: set }), { nil: null }),
    room: fc.option(
      fc.record({
        aside: fc.array(
          fc.record({ name: fc.constantFrom("1", "2"), bytes: fc.nat(9), extracted: fc.boolean() }),
          { maxLength: 4 },
        ),
        freeBytes: fc.nat(20),
        lastBytes: fc.option(fc.nat(20), { nil: null }),
      }),
      { nil: null },
    ),
    copyBytes: fc.option(fc.nat(20), { nil: null }),
    droppedAt: maybeAgo,
    leaderFreeSince: maybeAgo,
    sawPrimary: fc.boolean(),
    gaveUp: fc.option(fc.record({ at: ago, times: fc.nat(9) }), { nil: null }),
    provenFor: fc.option(epoch, { nil: null }),
    passedOver: maybeUuid,
    fetching: fc.option(
      fc.record({
        epoch,
        from: anyUuid,
        since: ago,
        tried: fc.subarray([...NAMES]).map((names) => names.map(uuid)),
      }),
      { nil: null },
    ),
    diskFree: fc.constantFrom(null, 0, 1e12),
    failovers: fc.array(ago, { maxLength: 6 }),
  })
  .map((odd) => {
    const { me, policy, datadir, process } = START;
    const mixed = {
      ...START,
      ...odd,
      me: { ...me, ...odd.me },
      policy: { ...policy, ...odd.policy },
      datadir: { ...datadir, ...odd.datadir },
      process: { ...process, ...odd.process },
    };
    // Generators know strings where the type knows words; each of them is one of the words.
    return mixed as Observation;
  });

/** Takes each field of `from` where the dice say so. */
function mixed<T extends object>(into: T, from: T, dice: ReadonlySet<string>, prefix: string): T {
  const taken = Object.entries(from).filter(([key]) => dice.has(prefix + key));
  return { ...into, ...Object.fromEntries(taken) };
}

const fields = [
  ...Object.keys(START),
  ...Object.keys(START.consul).map((key) => `consul.${key}`),
  ...Object.keys(START.server ?? {}).map((key) => `server.${key}`),
];

export const anyObservation: fc.Arbitrary<Observation> = fc
  .record({
    story: fc.constantFrom(...STORIES).map((s) => s.observation),
    facts: anyFacts,
    // Mostly a few odd facts, at times many: with all of them at once hardly any rule is ever reached.
    dice: fc.oneof(
      { weight: 3, arbitrary: fc.subarray(fields, { maxLength: 3 }) },
      { weight: 1, arbitrary: fc.subarray(fields, { maxLength: 12 }) },
    ),
  })
  .map(({ story, facts, dice }) => {
    const chosen = new Set(dice);
    const whole = mixed(story, facts, chosen, "");
    const server =
      whole.server === null || facts.server === null
        ? whole.server
        : mixed(whole.server, facts.server, chosen, "server.");
    return { ...whole, server, consul: mixed(whole.consul, facts.consul, chosen, "consul.") };
  });
