// Election and promotion by this node (PROTOCOL §4 steps 0–8).
import { describe, expect, test } from "vitest";
import { beCandidate, endGhost, freeLock, tryElection } from "../../recipes/mysql/core/electing.ts";
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
    // Nobody else can: a better one's head start would never end.
    const behind = lost.peer("c", { priority: 1 }).lockHeldBy("a").and({ leaderFreeSince: null });
    expect(deeds(tries(behind))).toEqual(["elect"]);
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
    expect(says(tries(better.lockFree(149)))).toContain("another node goes first");
    expect(deeds(tries(better.lockFree(150)))).toEqual(["elect"]);
  });

  test("later after repeated failovers, up to 30 s; at once where it was handed over", () => {
    const failed = (times: number) => lost.and({ failovers: Array<number>(times).fill(NOW) });
    expect(deeds(tries(failed(2).lockFree(0)))).toEqual(["elect"]);
    expect(deeds(tries(failed(3).lockFree(999)))).toEqual(["hold"]);
    expect(says(tries(failed(3).lockFree(999)))).toContain("3 failovers in ten minutes");
    expect(deeds(tries(failed(3).lockFree(1_000)))).toEqual(["elect"]);
    expect(deeds(tries(failed(4).lockFree(1_999)))).toEqual(["hold"]);
    expect(deeds(tries(failed(9).lockFree(29_999)))).toEqual(["hold"]);
    expect(deeds(tries(failed(9).lockFree(30_000)))).toEqual(["elect"]);
    expect(deeds(tries(failed(9).lockFree(0, { prefer: "a" })))).toEqual(["elect"]);
    expect(deeds(tries(failed(9).policy({ backOffAfter: 0 }).lockFree(0)))).toEqual(["elect"]);
  });

  test("later by a node whose disk is full", () => {
    const full = lost.and({ diskFree: 1_000_000 });
    expect(deeds(tries(full.lockFree(1_999)))).toEqual(["hold"]);
    expect(deeds(tries(full.lockFree(2_000)))).toEqual(["elect"]);
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

  describe("that lacks what only an ineligible node holds", () => {
    const more = "b:1-101 m:1-5";
    const lacking = running.promisedBy("c", more, { noFailover: true });
    const copying = (s: Situation, more: object = {}) =>
      s.and({
        progressAt: NOW - 60_000,
        fetching: { epoch: 6, from: uuid("c"), since: NOW - 100, tried: [], ...more },
      });

    test("copies it from there", () => {
      expect(the("fetch", candidate(lacking))).toMatchObject({
        epoch: 6,
        from: uuid("c"),
        host: "c.test",
      });
    });

    test("waits for it, then applies it, then takes over", () => {
      expect(says(candidate(copying(lacking)))).toContain("copying");
      const received = copying(lacking).source({ host: "c.test" }).holding(HEAD, "b:101");
      expect(says(candidate(received))).toContain("applying");
      expect(deeds(candidate(copying(lacking).holding(more)))).toEqual(["take-over", "publish"]);
    });

    test("asks another holder where nothing comes for 10 s, and gives up after the last", () => {
      const two = lacking.promisedBy("b", more, { noFailover: true });
      const late = (s: Situation) => copying(s, { since: NOW - 10_000 });
      expect(deeds(candidate(copying(two, { since: NOW - 9_999 })))).toEqual(["hold"]);
      expect(the("fetch", candidate(late(two))).from).toBe(uuid("b"));
      expect(deeds(candidate(late(lacking)))).toEqual(["release-lock"]);
      const tried = copying(two, { since: NOW - 10_000, from: uuid("b"), tried: [uuid("c")] });
      expect(deeds(candidate(tried))).toEqual(["release-lock"]);
    });

    test("asks anew in a new epoch", () => {
      expect(deeds(candidate(copying(lacking, { epoch: 5 })))).toEqual(["fetch"]);
    });

    test("does not copy what the holder has purged, nor mix its own tail in: it gives up", () => {
      const purged = { noFailover: true, purged: gtids("b:1-101") } as const;
      const gone = running.promisedBy("c", more, purged);
      expect(the("release-lock", candidate(gone))).toMatchObject({ prefer: null, gaveUp: true });
      expect(says(candidate(gone))).toContain("no eligible node holds everything");
      const tail = `${HEAD} a:1`;
      const own = running
        .holding(tail)
        .promisedBy("a", tail)
        .promisedBy("c", "b:1-101 m:1-6", { noFailover: true });
      expect(the("release-lock", candidate(own))).toMatchObject({ prefer: null, gaveUp: true });
    });

    test("leaves it to a better one that may copy it", () => {
      const better = running
        .promisedBy("c", HEAD, { priority: 1 })
        .promisedBy("b", more, { noFailover: true });
      expect(the("release-lock", candidate(better))).toMatchObject({ prefer: uuid("c") });
    });

    test("gives up where nobody may be elected at all", () => {
      const s = running
        .promisedBy("a", HEAD, { noFailover: true })
        .promisedBy("c", more, { noFailover: true });
      expect(the("release-lock", candidate(s))).toMatchObject({ prefer: null, gaveUp: true });
    });
  });

  test("judges only with its own promise among those that it sees", () => {
    const s = running.promisedBy("b").promisedBy("c");
    expect(deeds(candidate(s))).toEqual(["take-over", "publish"]);
    const rest = s.observation.consul.promises.filter((p) => p.uuid !== uuid("a"));
    expect(deeds(candidate(s.consul({ promises: rest })))).toEqual(["hold"]);
  });

  test("goes on itself where the better one was offered it and did not take it", () => {
    const better = running.promisedBy("c", HEAD, { priority: 1 });
    expect(the("release-lock", candidate(better)).prefer).toBe(uuid("c"));
    const again = better.and({ passedOver: uuid("c") });
    expect(deeds(candidate(again))).toEqual(["take-over", "publish"]);
    const only = again.promisedBy("a", HEAD, { noFailover: true });
    expect(the("release-lock", candidate(only)).prefer).toBe(uuid("c"));
  });

  test("leaves the election to one that has room on its disk, or stands where the last primary stood", () => {
    const full = running.promisedBy("a", HEAD, { diskFull: true }).promisedBy("c");
    expect(the("release-lock", candidate(full)).prefer).toBe(uuid("c"));
    const nobody = full.promisedBy("c", HEAD, { diskFull: true });
    expect(deeds(candidate(nobody))).toEqual(["take-over", "publish"]);
    const zoned = running.peer("b", { zone: "z1" }).promisedBy("c", HEAD, { zone: "z1" });
    expect(the("release-lock", candidate(zoned)).prefer).toBe(uuid("c"));
    const both = zoned.promisedBy("a", HEAD, { zone: "z1" });
    expect(deeds(candidate(both))).toEqual(["take-over", "publish"]);
    const unnamed = running.promisedBy("c", HEAD, { zone: "" });
    expect(deeds(candidate(unnamed))).toEqual(["take-over", "publish"]);
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
    const released = { closed: true, prefer: null, gaveUp: false };
    expect(the("release-lock", fallen.decides())).toMatchObject(released);
    const { process } = fallen.observation;
    const why = (lastExit: string | null): string =>
      says(fallen.and({ process: { ...process, lastExit } }).decides());
    expect(why("signal 9")).toContain("mysqld is down: signal 9");
    expect(why(null)).toContain("mysqld is down: not started yet");
    expect(deeds(fallen.lockFree().decides())).toEqual(["start-mysqld"]);
  });

  test.each([
    ["the lock is another's", fallen.lockHeldBy("b")],
    ["Consul is away", fallen.consulAway()],
    [
      "it is the founder's, before its first epoch",
      fallen
        .consul({ peers: [] })
        .state({ epoch: 0, ver: 10 })
        .and({ promise: { epoch: 0, ver: 0, seenEpoch: 0 } }),
    ],
  ])("not where %s: the server is started", (_, s) => {
    expect(deeds(s.decides())).toEqual(["start-mysqld"]);
  });

  test("not before the founder has read its own state", () => {
    expect(freeLock(fallen.consul({ state: null }).observation)).toBeNull();
  });

  test("not while the server runs", () => {
    const up = situation()
      .withVoters("a", "b", "c")
      .state({ primary: uuid("a") })
      .lockHeldBy("a");
    expect(deeds(up.decides())).toEqual(["elect"]);
  });
});
