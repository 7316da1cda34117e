// One situation of each kind, so that every rule of `decide` is met; random observations begin with one of these.
import { EPOCH, gtids, HEAD, NOW, situation, uuid, type Situation } from "./situation.ts";

const three = situation().withVoters("a", "b", "c");
const two = situation().withVoters("a", "b");
const outside = situation().withVoters("b", "c");
const blocked = { ackedStart: NOW - 20_000, waitingSince: NOW - 19_000, probeFailures: 0 };
const errant = { primary: uuid("b"), gtids: "x", why: "more than the primary" };
const position = { epoch: EPOCH, executed: gtids(HEAD) };
const founder = situation().withoutDatadir().beforeTheFounding();

/** One of each kind, so that every rule is met. */
export const STORIES: readonly Situation[] = [
  three.asPrimary(),
  three.asPrimary().absent("c", 60_000),
  three.asPrimary().absent("b", 20_000).absent("c", 20_000).and({ heartbeat: blocked }),
  three.asPrimary().intent("switchover"),
  three.asPrimary().intent("join", { uuid: uuid("d"), serverId: 4 }),
  three.asPrimary().lockFree(),
  three.asPrimary().consulAway().and({ heartbeat: blocked }),
  three.asPrimary().state({ phase: "promoting" }),
  three.asPrimary().changing("remove", { voters: [uuid("a"), uuid("b")] }),
  three.asPrimary().changing("add", { stage: "sent" }),
  two.asPrimary().acks(0).asPrimary().connected("b"),
  two.asPrimary().connected("b", "c"),
  two
    .asPrimary()
    .changing("acks-up", { acks: 1, since: NOW - 6_000 })
    .acks(0)
    .and({ heartbeat: blocked }),
  situation().withVoters("a").asPrimary(),
  three.asPrimary("published"),
  three.asPrimary("marking"),
  three.asPrimary("marked"),
  three.asPrimary("drained").and({ switchover: { id: "wish-1", to: uuid("b") } }),
  three
    .asPrimary("drained")
    .and({ switchover: { id: null, to: uuid("b") } })
    .lockFree(9_000),
  three.asPrimary().stopping(),
  three.asPrimary().serverDown(),
  three.asReplicaOf("b"),
  three.asReplicaOf("b").and({ following: null }),
  three.asReplicaOf("b").semiSync({ replicaEnabled: false }),
  three
    .asReplicaOf("b")
    .source({ io: "Connecting" })
    .sight({ agentDeadSince: NOW - 900, refused: true }),
  three
    .asReplicaOf("b")
    .sight({ agentDeadSince: NOW - 900, refused: true })
    .consul({ lost: [uuid("a"), uuid("c")].map((id) => ({ uuid: id, forMs: 900 })) })
    .peer("c", { seesPrimary: false }),
  three.asReplicaOf("b").askedToPromise(EPOCH + 1),
  three.asReplicaOf("b").serverDown(),
  three.asReplicaOf("b").stopping(),
  three.afterLosing("b"),
  three.epoch(6).asCandidate("b"),
  three.epoch(6).asCandidate("b").promisedBy("c"),
  three.epoch(6).asCandidate("b").promisedBy("b"),
  three
    .lockHeldBy("a")
    .consul({ session: "session-new" })
    .state({ primary: uuid("a") }),
  outside.asReplicaOf("b"),
  outside.asReplicaOf("b").source({ io: "Connecting", ioErrno: 3118 }),
  outside.asReplicaOf("b").and({ errant, position }),
  outside
    .asReplicaOf("b")
    .and({ position })
    .intent("rebuild", { to: "a", uuid: uuid("a") }),
  three.asReplicaOf("b").intent("rebuild", { to: "a", uuid: uuid("a") }),
  three.asReplicaOf("b").intent("rebuild", { to: "a", uuid: uuid("d") }),
  three
    .asPrimary()
    .consul({ claims: [1, 2] })
    .server({ accounts: [1, 9].map((serverId) => ({ serverId, locked: serverId === 9 })) }),
  three.asPrimary().server({ accounts: [] }),
  outside.withoutDatadir(),
  outside.withoutDatadir().and({
    room: {
      aside: ["1", "2"].map((name) => ({ name, bytes: 10, extracted: true })),
      freeBytes: 10,
      lastBytes: 15,
    },
  }),
  founder,
  founder.consul({ leader: { index: 1, session: "session-a", value: null } }),
  founder.datadir({ kind: "ready", bootstrap: "77777777-0000-4000-8000-000000007777" }),
  three.serverDown().datadir({ bootstrap: "77777777-0000-4000-8000-000000007777" }),
];
