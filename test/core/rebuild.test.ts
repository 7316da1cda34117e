// When data may be given up (PROTOCOL §7 "Rebuild"), and an operator's order to do so.
import { describe, expect, test } from "vitest";
import { notYetSafe, positionOf } from "../../recipes/mysql/core/rebuild.ts";
import { recordOf } from "../../recipes/mysql/core/report.ts";
import { deeds, gtids, MARKER, NOW, says, situation, uuid, type Situation } from "./situation.ts";

const rest = { agentPort: 1, pid: 1, controlSocket: "", since: "", ver: 1 };
const leaves = (s: Situation) => recordOf(s.observation, s.decides(), rest)?.needsRebuild;

describe("giving up data is safe", () => {
  const out = situation().withVoters("b", "c", "d").asReplicaOf("b").knowing();
  const missing = ({ observation: o }: Situation): string | null => {
    const state = o.consul.state?.value;
    if (state === undefined || o.me.uuid === null) throw new Error("this story has both");
    return notYetSafe(state, { ...o, me: o.me.uuid, peers: o.consul.peers });
  };

  test("outside of V, under a primary whose marker is committed, with its position on k other voters", () => {
    expect(missing(out)).toBeNull();
  });

  test("never for a voter, nor where nobody is published, nor for the published one", () => {
    expect(missing(situation().withVoters("a", "b", "c").asReplicaOf("b").knowing())).toContain(
      "still in V",
    );
    expect(missing(out.state({ phase: "electing", primary: null }))).not.toBeNull();
    expect(missing(out.state({ primary: uuid("a") }))).not.toBeNull();
  });

  test("not on the word of another epoch, nor with a marker that is only received", () => {
    expect(missing(out.peer("b", { epoch: 4 }))).toContain("has not reported");
    const waits = { executed: gtids("b:1-100 m:1-4"), retrieved: gtids("m:5") };
    expect(missing(out.peer("b", waits))).toContain("marker of epoch 5 is not committed");
  });

  test("with what k voters hold, executed or received", () => {
    const lack = { executed: gtids("b:1-99 m:1-5") };
    expect(missing(out.peer("c", lack))).toBeNull();
    expect(missing(out.peer("c", lack).peer("d", lack))).toContain("0 of 1");
    const received = { ...lack, retrieved: gtids("b:100") };
    expect(missing(out.peer("c", received).peer("d", lack))).toBeNull();
    expect(missing(out.acks(2).peer("c", lack))).toContain("1 of 2");
  });

  test("with an amnesiac's, once it holds all that the primary's newest record says", () => {
    const lack = { executed: gtids("b:1-99 m:1-5") };
    const forgot = out.peer("c", { amnesiac: true }).peer("d", lack);
    expect(missing(forgot)).toBeNull();
    const ahead = { executed: gtids("b:1-101 m:1-5") };
    expect(missing(forgot.peer("b", ahead))).toContain("0 of 1");
    expect(missing(out.peer("d", lack).peer("b", ahead))).toBeNull();
  });

  test("not by the primary's own copy, nor by nodes outside V", () => {
    const lack = { executed: gtids("b:1-99 m:1-5") };
    const stranger = out.peer("c", lack).peer("d", lack).peer("e");
    expect(missing(stranger)).toContain("0 of 1");
  });

  test("without asking for voters where V is the primary alone", () => {
    const alone = situation().withVoters("b").asReplicaOf("b");
    expect(missing(alone)).toBeNull();
    expect(missing(alone.peer("b", { executed: gtids("b:1-100 m:1-4") }))).not.toBeNull();
  });

  test("only by a position of this epoch", () => {
    expect(missing(out.and({ position: null }))).toContain("position is not known");
    expect(missing(out.and({ position: { epoch: 4, executed: "" } }))).not.toBeNull();
  });

  test("and the position stays what it was first in this epoch, once its marker was in it", () => {
    const { consul } = out.observation;
    const state = consul.state?.value;
    if (state === undefined) throw new Error("a situation has a state");
    const read = (executed: string, position: { epoch: number; executed: string } | null) => {
      const peers = out.peer("b", { executed: gtids(executed) }).observation.consul.peers;
      return positionOf(state, { peers, markerUuid: MARKER, position });
    };
    expect(read("b:1-100 m:1-4", null)).toBeNull();
    const first = read("b:1-101 m:1-5", null);
    expect(first).toEqual({ epoch: 5, executed: gtids("b:1-101 m:1-5") });
    expect(read("b:1-200 m:1-5", first)).toEqual(first);
    expect(read("b:1-200 m:1-5", { epoch: 4, executed: "" })?.executed).toContain(":1-200");
  });
});

describe("an operator's order", () => {
  const order = { to: "a", uuid: uuid("a") } as const;
  const voter = situation().withVoters("a", "b", "c").asReplicaOf("b").knowing();
  const ordered = voter.intent("rebuild", order);
  const out = situation().withVoters("b", "c").asReplicaOf("b").knowing();

  test("to a voter that others can do without: it says so in its record and goes on acknowledging", () => {
    expect(leaves(voter)).toBe(false);
    expect(leaves(ordered)).toBe(true);
    expect(deeds(ordered.decides())).toEqual(["hold"]);
    expect(recordOf(ordered.observation, ordered.decides(), rest)?.errant).toBe("");
  });

  test("is obeyed outside of V, by setting the datadir aside, as soon as that is safe", () => {
    const s = out.intent("rebuild", order);
    expect(s.decides()).toMatchObject([{ do: "set-aside", intent: "wish-1" }]);
    expect(deeds(s.peer("c", { executed: gtids("b:1-99 m:1-5") }).decides())).toEqual(["hold"]);
  });

  test("is obeyed where mysqld does not even start", () => {
    expect(deeds(out.intent("rebuild", order).serverDown().decides())).toEqual(["set-aside"]);
  });

  test("is about that very datadir: not of another node, nor of one that is gone, nor once answered", () => {
    for (const other of [{ to: "c", uuid: uuid("c") }, { uuid: uuid("e") }, { uuid: null }])
      expect(deeds(out.intent("rebuild", { ...order, ...other }).decides())).not.toContain(
        "set-aside",
      );
    const outcome = { ok: false, says: "", at: "", stoodStillMs: null };
    expect(deeds(out.intent("rebuild", { ...order, outcome }).decides())).toEqual(["hold"]);
  });

  const refused = (s: Situation): string => {
    const [first] = s.decides();
    if (first?.do !== "answer-intent" || first.ok) throw new Error(says(s.decides()));
    expect(leaves(s)).toBe(false);
    return first.why;
  };

  test("is refused by the primary", () => {
    const primary = situation().withVoters("a", "b", "c").asPrimary();
    expect(refused(primary.intent("rebuild", order))).toContain("switch over first");
  });

  test("is refused while paused, and without an open primary", () => {
    expect(refused(ordered.consul({ paused: true }))).toContain("paused");
    const electing = voter.state({ phase: "electing", primary: null, epoch: 6 });
    expect(refused(electing.intent("rebuild", order))).toContain("no open primary");
  });

  test("is refused by a voter without which nobody could acknowledge", () => {
    const two = situation().withVoters("a", "b").asReplicaOf("b").knowing();
    expect(refused(two.intent("rebuild", order))).toContain("would stop writes");
    const odd = [
      { ageMs: 3_001 },
      { role: "unknown" },
      { epoch: 4 },
      { needsRebuild: true },
      { amnesiac: true },
      { stopping: true },
    ] as const;
    for (const more of odd) expect(refused(ordered.peer("c", more))).toContain("0 could");
    expect(refused(ordered.acks(2))).toContain("1 could acknowledge where 2 must");
  });

  test("is not obeyed again at once where setting aside failed", () => {
    const failed = { running: false, says: "", failure: "disk", failures: 1, retryAt: NOW + 1 };
    const s = out.intent("rebuild", order).and({ job: { ...failed, name: "set-aside" } });
    expect(deeds(s.decides())).not.toContain("set-aside");
  });

  test("nothing is started beside the job that obeys it", () => {
    const job = { failure: null, failures: 0, retryAt: 0, running: true, says: "extracting" };
    const s = out.serverDown().and({ job: { ...job, name: "set-aside" } });
    expect(says(s.decides())).toBe("hold: extracting");
  });
});

describe("the outcome of an order", () => {
  const gone = { to: "a", uuid: uuid("e"), rebuild: { voter: true, kept: null } };
  const back = situation().withVoters("a", "b", "c").asReplicaOf("b").intent("rebuild", gone);

  test("is told by the new datadir when it replicates, and is a voter again where it was one", () => {
    expect(back.decides()).toMatchObject([{ do: "answer-intent", intent: "wish-1", ok: true }]);
    const waits = situation().withVoters("b", "c").asReplicaOf("b").intent("rebuild", gone);
    expect(deeds(waits.decides())).toEqual(["hold"]);
    expect(deeds(waits.policy({ voters: 2 }).decides())).toEqual(["answer-intent"]);
  });

  test("also outside V where it was no voter", () => {
    const s = situation()
      .withVoters("b", "c")
      .asReplicaOf("b")
      .intent("rebuild", { ...gone, rebuild: { voter: false, kept: null } });
    expect(deeds(s.decides())).toEqual(["answer-intent"]);
  });

  test("not before it receives and applies", () => {
    expect(deeds(back.source({ io: "Connecting" }).decides())).toEqual(["hold"]);
    expect(deeds(back.source({ sql: "No", sqlErrno: 1062 }).decides())).toEqual(["hold"]);
  });
});
