// Election and promotion by this node (PROTOCOL §4 steps 0–8).
import { describe, expect, test } from "vitest";
import { beCandidate, endGhost, tryElection } from "../../recipes/mysql/core/electing.ts";
import { PROMISES_WITHIN_MS } from "../../recipes/mysql/core/policy.ts";
import {
  deeds,
  gtids,
  HEAD,
  NOW,
  says,
  situation,
  the,
  uuid,
  type Situation,
} from "./situation.ts";

const tries = (s: Situation) => tryElection(s.observation) ?? [];
const candidate = (s: Situation) => beCandidate(s.observation) ?? [];

describe("an election is started", () => {
  const lost = situation().withVoters("a", "b", "c").afterLosing("b");

  test("from the state that was read, at its index", () => {
    const elect = the("elect", tries(lost));
    expect(elect.from).toEqual(lost.observation.consul.state?.value);
    expect(elect.index).toBe(500);
  });

  test("not while somebody holds the lock", () => {
    expect(deeds(tries(lost.lockHeldBy("c")))).toEqual(["hold"]);
    expect(says(tries(lost.lockHeldBy("c")))).toContain("waiting for c");
  });

  test("also where nobody ever held it", () => {
    expect(deeds(tries(lost.consul({ leader: null })))).toEqual(["elect"]);
  });

  test("also with the lock in hand, where the epoch could not be raised with it", () => {
    expect(deeds(tries(lost.lockHeldBy("a")))).toEqual(["elect"]);
  });

  test("not by a node that may not; a lock in its hand is given back", () => {
    const paused = lost.consul({ paused: true });
    expect(deeds(tries(paused))).toEqual(["hold"]);
    expect(the("release-lock", tries(paused.lockHeldBy("a")))).toMatchObject({
      prefer: null,
      gaveUp: true,
    });
  });

  test("not without a session, nor without a state", () => {
    expect(deeds(tries(lost.consul({ session: null })))).toEqual(["hold"]);
    expect(tries(lost.consul({ state: null }))).toEqual([]);
  });

  test("not while a better node has its head start", () => {
    const better = lost.peer("c", { priority: 1 });
    expect(deeds(tries(better.lockFree(149)))).toEqual(["hold"]);
    expect(deeds(tries(better.lockFree(150)))).toEqual(["elect"]);
  });

  test("not while it backs off from one that came to nothing", () => {
    const gaveUp = (ms: number) => lost.and({ gaveUp: { at: NOW - ms, times: 1 } });
    expect(deeds(tries(gaveUp(499)))).toEqual(["hold"]);
    expect(deeds(tries(gaveUp(500)))).toEqual(["elect"]);
  });
});

describe("a candidate", () => {
  const running = situation().withVoters("a", "b", "c").epoch(6).asCandidate("b");
  const waiting = (s: Situation, ms: number) => s.and({ candidateSince: NOW - ms });

  test("waits for promises for 10 s, then gives up and says who is missing", () => {
    expect(deeds(candidate(waiting(running, PROMISES_WITHIN_MS - 1)))).toEqual(["hold"]);
    const gone = candidate(waiting(running, PROMISES_WITHIN_MS));
    expect(the("release-lock", gone)).toMatchObject({ prefer: null, closed: false, gaveUp: true });
    expect(says(gone)).toContain("missing: bbbbbbbb, cccccccc");
  });

  test("with enough promises takes over and then publishes, at the index of its own election", () => {
    const done = candidate(running.promisedBy("c"));
    expect(deeds(done)).toEqual(["take-over", "publish"]);
    expect(the("take-over", done)).toMatchObject({ epoch: 6, acks: 1 });
    expect(the("publish", done)).toMatchObject({ epoch: 6, index: 500 });
    expect(the("publish", done).from).toEqual(running.observation.consul.state?.value);
  });

  test("never publishes before it has promised itself", () => {
    const s = running.promisedBy("c").and({ answered: 5 });
    expect(deeds(candidate(s))).toEqual(["hold"]);
    expect(deeds(s.decides())).toEqual(["promise"]);
  });

  test("never publishes before everything that was promised is applied", () => {
    const s = running.promisedBy("c").promisedBy("a").holding("b:1-90 m:1-5", "b:91-100");
    expect(deeds(candidate(s))).toEqual(["hold"]);
    expect(says(candidate(s))).toContain(`applying ${gtids("b:91-100")}`);
  });

  test("starts an applier that stands still, and gives up with one that has an error", () => {
    const s = running.promisedBy("c").holding("b:1-90 m:1-5", "b:91-100");
    expect(deeds(candidate(s.source({ sql: "No" })))).toEqual(["start-applier"]);
    const failed = candidate(s.source({ sql: "No", sqlErrno: 1062, sqlError: "Duplicate entry" }));
    expect(the("release-lock", failed).gaveUp).toBe(true);
    expect(says(failed)).toContain("Duplicate entry");
  });

  test("gives up where its applier makes no progress for 10 s: another holder may have applied everything", () => {
    const s = running.promisedBy("c").holding("b:1-90 m:1-5", "b:91-100");
    expect(deeds(candidate(s.and({ progressAt: NOW - 9_999 })))).toEqual(["hold"]);
    expect(the("release-lock", candidate(s.and({ progressAt: NOW - 10_000 }))).gaveUp).toBe(true);
  });

  test("leaves the lock to a better one, by name", () => {
    const s = running.promisedBy("c", "b:1-101 m:1-5");
    expect(the("release-lock", candidate(s))).toMatchObject({ prefer: uuid("c"), gaveUp: false });
  });

  test("refuses incomparable sets and says what differs", () => {
    const s = running.promisedBy("a", `${HEAD} x:1`).promisedBy("c", "b:1-101 m:1-5");
    expect(deeds(candidate(s))).toEqual(["release-lock"]);
    expect(says(candidate(s))).toContain("incomparable GTID sets");
  });

  test("gives up where only ineligible nodes hold everything", () => {
    const s = running.promisedBy("c", "b:1-101 m:1-5", { noFailover: true });
    expect(the("release-lock", candidate(s))).toMatchObject({ prefer: null, gaveUp: true });
  });

  test("that stops leaves the field", () => {
    expect(deeds(candidate(running.promisedBy("c").stopping()))).toEqual(["release-lock"]);
    expect(deeds(running.promisedBy("c").stopping().decides())).toEqual(["release-lock"]);
  });

  test("is nobody who lost the lock, or whose lock is of another epoch", () => {
    expect(candidate(running.promisedBy("c").lockHeldBy("c"))).toEqual([]);
    expect(candidate(running.promisedBy("c").lockFree())).toEqual([]);
    expect(candidate(running.promisedBy("c").epoch(7))).toEqual([]);
  });

  test("is nobody once somebody is published", () => {
    expect(
      candidate(running.promisedBy("c").state({ phase: "promoting", primary: uuid("c") })),
    ).toEqual([]);
  });
});

describe("a lock of this node's life before this one", () => {
  const ghost = situation()
    .withVoters("a", "b", "c")
    .state({ primary: uuid("a") })
    .lockHeldBy("a")
    .consul({ session: "session-new" });

  test("is ended at once, because nobody else can tell that it is dead", () => {
    expect(the("end-session", ghost.decides()).session).toBe("session-a");
  });

  test.each([
    ["of this session", ghost.consul({ session: "session-a" })],
    ["of another node", ghost.lockHeldBy("b")],
    ["of a primary that lives", situation().asPrimary().consul({ session: "session-new" })],
    ["of a drained primary", situation().asPrimary("drained").consul({ session: "session-new" })],
    ["while this server is open", ghost.server({ superReadOnly: false })],
    ["that nobody holds", ghost.lockFree()],
    ["while there is no new session", ghost.consul({ session: null })],
  ])("but not one %s", (_, s) => {
    expect(endGhost(s.observation)).toBeNull();
  });
});

describe("a lock in the hand of a node whose server is down", () => {
  const fallen = situation()
    .withVoters("a", "b", "c")
    .state({ primary: uuid("a") })
    .lockHeldBy("a")
    .serverDown();

  test("is given up, so that the others need not wait for this server's start", () => {
    expect(the("release-lock", fallen.decides())).toMatchObject({ closed: true, prefer: null });
    expect(deeds(fallen.lockFree().decides())).toEqual(["start-mysqld"]);
  });

  test.each([
    ["the lock is another's", fallen.lockHeldBy("b")],
    ["Consul is away", fallen.consulAway()],
    [
      "it is the founder's, before its first epoch",
      fallen.state({ epoch: 0, ver: 10 }).and({ promise: { epoch: 0, ver: 0, seenEpoch: 0 } }),
    ],
  ])("not where %s: the server is started", (_, s) => {
    expect(deeds(s.decides())).toEqual(["start-mysqld"]);
  });

  test("not while the server runs", () => {
    const up = situation()
      .withVoters("a", "b", "c")
      .state({ primary: uuid("a") })
      .lockHeldBy("a");
    expect(deeds(up.decides())).toEqual(["elect"]);
  });
});
