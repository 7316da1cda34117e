// One node's part in an operator's wish (PROTOCOL §7a): it answers, acts where it is named and the verdict still holds, and
// tells the outcome as primary. And what a Consul that went back in time still lets happen.
import { describe, expect, test } from "vitest";
import type { Intent, State, WishAnswer } from "../../recipes/mysql/core/observation.ts";
import { recordOf } from "../../recipes/mysql/core/report.ts";
import { judgedAs } from "../../recipes/mysql/core/wish.ts";
import {
  deeds,
  gtids,
  says,
  situation,
  the,
  uuid,
  type Name,
  type Situation,
} from "./situation.ts";
import { START } from "./start.ts";

const CLUSTER = START.datadir.clusterId;
const NOTED: State = {
  ver: 10,
  epoch: 5,
  phase: "open",
  primary: uuid("a"),
  prevPrimary: null,
  voters: [uuid("a"), uuid("b"), uuid("c")],
  acks: 1,
};
const promise = { epoch: 5, ver: 10, seenEpoch: 5, noted: NOTED, pending: null };
const answer = (open = false): WishAnswer => ({
  intent: "wish-1",
  clusterId: CLUSTER,
  open,
  noted: NOTED,
  pending: null,
});

const does = (s: Situation) => deeds(s.decides());
const voters = situation().withVoters("a", "b", "c");
const primary = voters.asPrimary().and({ promise });
const wiped = (s: Situation) => s.consul({ state: null, leader: null, initialize: null });

function wish(s: Situation, verb: "adopt" | "failover", more: Partial<Intent> = {}): Situation {
  const plain = { to: null, serverId: null, by: "somebody", at: "", outcome: null };
  const state = s.observation.consul.state?.value ?? null;
  const judged = { judged: judgedAs(state), ver: state?.ver ?? 0, epoch: state?.epoch ?? 0 };
  const named = { ...plain, ...judged, id: "wish-1", verb, uuid: uuid("a"), ...more };
  return s.consul({ intents: [named] });
}

/** Everybody has answered, `a` too. */
function answered(s: Situation, open: boolean, names: readonly Name[] = ["b", "c"]): Situation {
  const own = { role: open ? "primary" : "fenced", answer: answer(open) } as const;
  return names.reduce(
    (told, name) => told.peer(name, { answer: answer(), seesPrimary: false }),
    s.peer("a", { ...own, seesPrimary: false }),
  );
}

const adopted = answered(wish(wiped(primary), "adopt"), true);
const closed = wiped(voters.and({ promise, primacy: null }));

describe("an answer", () => {
  const record = (s: Situation) =>
    recordOf(s.observation, s.decides(), {
      agentPort: 1,
      pid: 1,
      controlSocket: "",
      since: "",
      ver: 1,
    });

  test("names the wish, what is noted, and whether this is the open primary", () => {
    expect(record(wish(primary, "adopt"))?.answer).toEqual(answer(true));
    expect(record(primary)?.answer).toBeNull();
    expect(record(primary)).toMatchObject({ seenVer: 10, seenEpoch: 5 });
  });

  test("is none where the data cannot be read, or the wish has its outcome", () => {
    expect(record(wish(primary.and({ server: null }), "adopt"))?.answer).toBeNull();
    const outcome = { ok: true, says: "", at: "", stoodStillMs: null };
    expect(record(wish(primary, "adopt", { outcome }))?.answer).toBeNull();
  });
});

describe("the node that an `adopt` names", () => {
  test("writes its own last state again, and takes the lock from whoever holds it", () => {
    const [action] = adopted.decides();
    expect(action).toMatchObject({ do: "rewrite-state", how: "keep", index: 0, loss: null });
    const held = adopted.consul({
      leader: { index: 7, session: "session-old", value: null },
    });
    expect(does(held)).toEqual(["end-session", "rewrite-state"]);
  });

  test("waits until it has read what everybody answered, itself too", () => {
    expect(does(adopted.peer("a", { answer: null }))).toEqual(["hold"]);
    expect(does(adopted.consul({ peersAgeMs: 1_500 }))).toEqual(["hold"]);
    expect(does(adopted.consul({ session: null }))).toEqual(["hold"]);
  });

  test("says no where the state is not the judged one any more, or another node is the one", () => {
    const moved = wish(wiped(primary), "adopt", { judged: "something else" });
    expect(the("answer-intent", answered(moved, true).decides())).toMatchObject({ ok: false });
    const other = answered(wish(closed, "adopt"), false).peer("b", { answer: answer(true) });
    const notMine = other.peer("b", {
      role: "primary",
      answer: { ...answer(true), noted: { ...NOTED, primary: uuid("b") } },
    });
    const named = notMine
      .peer("a", { answer: { ...answer(), noted: null } })
      .peer("c", { answer: null });
    expect(says(named.decides())).toContain("b is the one to do it");
  });

  test("does nothing that may lose data without the operator's word", () => {
    const lossy = answered(wish(closed, "adopt"), false, []);
    expect(the("answer-intent", lossy.decides())).toMatchObject({ ok: false });
    const accepted = answered(wish(closed, "adopt", { accept: true }), false, []);
    expect(the("rewrite-state", accepted.decides())).toMatchObject({ how: "loss" });
  });

  test("does not keep a reign that ended since it answered", () => {
    const ended = adopted.and({ primacy: null });
    expect(the("answer-intent", ended.decides())).toMatchObject({ ok: false });
  });

  test("is left alone by a wish that names nobody, or another", () => {
    for (const named of [null, uuid("b")])
      expect(does(answered(wish(wiped(primary), "adopt", { uuid: named }), true))).toEqual([
        "hold",
      ]);
  });
});

describe("the node that a `failover` names", () => {
  const lost = voters.and({ promise }).afterLosing("b");
  const asked = (s: Situation, more: Partial<Intent> = {}, names: readonly Name[] = ["c"]) =>
    answered(wish(s, "failover", { epoch: 5, ...more }), false, names);

  test("elects at once, also while the cluster is paused or backs off", () => {
    expect(does(asked(lost))).toEqual(["elect"]);
    expect(does(asked(lost.consul({ paused: true })))).toEqual(["elect"]);
    expect(does(asked(lost.and({ gaveUp: { at: START.now, times: 9 } })))).toEqual(["elect"]);
    expect(does(asked(lost.lockHeldBy("b")))).toEqual(["end-session", "elect"]);
  });

  test("says why not where it may not: stopping aside, a server that is open, a primary whose transactions arrive", () => {
    const open = asked(lost.server({ superReadOnly: false }));
    expect(the("answer-intent", open.decides())).toMatchObject({ ok: false });
    const vetoed = asked(voters.and({ promise }).asReplicaOf("b"));
    expect(the("answer-intent", vetoed.decides())).toMatchObject({ ok: false });
  });

  test("leaves its election to the rules of every election", () => {
    const candidate = voters.and({ promise }).epoch(6).asCandidate("b").promisedBy("c");
    expect(does(asked(candidate))).toEqual(["take-over", "publish"]);
    const begun = lost.state({
      epoch: 6,
      ver: 11,
      phase: "electing",
      primary: null,
      prevPrimary: uuid("b"),
    });
    const rested = begun.and({ answered: 6, gaveUp: { at: START.now, times: 9 } });
    expect(does(asked(rested))).toEqual(["hold"]);
    const won = lost.state({ epoch: 6, ver: 12, phase: "promoting", primary: uuid("c") });
    expect(does(asked(won, { judged: judgedAs(NOTED) }))).not.toContain("answer-intent");
  });

  test("overrides only with the operator's word", () => {
    const off = { accept: true, off: "b" };
    expect(the("answer-intent", asked(lost, {}, []).decides())).toMatchObject({ ok: false });
    expect(the("rewrite-state", asked(lost, off, []).decides())).toMatchObject({
      how: "loss",
      next: { epoch: 6, ver: 11, voters: [uuid("a")], acks: 0 },
      index: START.consul.state?.index,
    });
    // While a person read what may be lost, an election was tried in vain.
    const tried = lost.state({
      epoch: 7,
      ver: 12,
      phase: "electing",
      primary: null,
      prevPrimary: uuid("b"),
    });
    expect(the("rewrite-state", asked(tried, off, []).decides())).toMatchObject({
      next: { epoch: 8, ver: 13 },
    });
  });
});

describe("the primary that came of it", () => {
  test("tells the outcome, of its own epoch only", () => {
    const later = primary.intent("failover", { id: "w", uuid: null, epoch: 4 });
    expect(the("answer-intent", later.decides())).toMatchObject({ intent: "w", ok: true });
    const same = primary.intent("failover", { id: "w", uuid: null, epoch: 5 });
    expect(does(same)).toEqual(["hold"]);
    expect(does(later.lockFree(10))).not.toContain("answer-intent");
  });
});

describe("under an older Consul", () => {
  test("a server that is down is started, closed: its data is what `adopt` asks for", () => {
    expect(does(closed.serverDown())).toEqual(["start-mysqld"]);
    expect(does(closed)).toEqual(["hold"]);
  });

  test("a primary's server that does not answer this look is not touched", () => {
    const silent = wiped(primary).and({ server: null });
    expect(does(silent)).toEqual(["hold"]);
    expect(does(wiped(primary).and({ fresh: true }))).toEqual(["hold"]);
  });

  test("a node that slept through the newer states knows it from another's record", () => {
    const slept = voters.asReplicaOf("b").and({ following: null });
    expect(does(slept)).toEqual(["follow"]);
    for (const more of [{ seenVer: 11 }, { seenEpoch: 6 }]) {
      expect(does(slept.peer("c", more))).toEqual(["hold"]);
      expect(says(slept.peer("c", more).decides())).toContain("AP_STATE_OLDER");
    }
  });

  test("a datadir of a bootstrap that others' data has overtaken is never registered", () => {
    const founder = situation()
      .beforeTheFounding()
      .and({ promise: { epoch: 0, ver: 0, seenEpoch: 0 } })
      .datadir({ bootstrap: CLUSTER })
      .consul({ leader: { index: 7, session: "session-a", value: null } });
    expect(does(founder)).toEqual(["register-cluster"]);
    expect(does(founder.peer("b", { executed: gtids("b:1-9") }))).toEqual(["hold"]);
  });
});
