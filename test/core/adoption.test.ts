// The verdict of `adopt` (PROTOCOL §7a), case by case; the histories behind it are in adoption-model.test.ts.
import { describe, expect, test } from "vitest";
import { judgeAdoption, type Adoption } from "../../recipes/mysql/core/adoption.ts";
import type { NodeRecord, State } from "../../recipes/mysql/core/observation.ts";
import { gtids, HEAD, peerOf, uuid, type Name } from "./start.ts";

const CLUSTER = "c1c1c1c1-0000-4000-8000-00000000c1c1";

const NOTED: State = {
  ver: 10,
  epoch: 5,
  phase: "open",
  primary: uuid("b"),
  prevPrimary: uuid("a"),
  voters: [uuid("a"), uuid("b"), uuid("c")],
  acks: 1,
};

type More = Partial<Omit<NodeRecord, "answer">> & {
  readonly open?: boolean;
  readonly noted?: State | null;
  readonly pending?: State | null;
  readonly clusterId?: string;
  readonly silent?: boolean;
};

function node(name: Name, more: More = {}): NodeRecord {
  const {
    open = false,
    noted = NOTED,
    pending = null,
    clusterId = CLUSTER,
    silent,
    ...rest
  } = more;
  const { ageMs: _, ...peer } = peerOf(name);
  const answer = silent === true ? null : { intent: "wish", clusterId, open, noted, pending };
  return { ...peer, ...rest, answer };
}

const primary = (more: More = {}): NodeRecord =>
  node("b", { role: "primary", open: true, ...more });

function judged(
  records: readonly NodeRecord[],
  consul: { readonly state?: State | null; readonly initialize?: string | null } = {},
): Adoption {
  const { state = null, initialize = null } = consul;
  return judgeAdoption({ intent: "wish", state, initialize, records });
}

const how = (verdict: Adoption): string => (verdict.kind === "refuse" ? "refuse" : verdict.how);
const reasons = (verdict: Adoption): string => verdict.reasons.join("; ");

describe("with the open primary here", () => {
  test("it writes its own last state again: same epoch, V and k, above every version", () => {
    const verdict = judged([node("a"), primary(), node("c")]);
    expect(verdict).toMatchObject({ how: "keep", loss: null, actor: { node: "b" } });
    const { next } = verdict as Extract<Adoption, { kind: "rewrite" }>;
    expect({ ...next, ver: 0 }).toEqual({ ...NOTED, ver: 0 });
    expect(next.ver).toBeGreaterThan(10);
  });

  test("fewer than q voters may be missing: one of three", () => {
    expect(how(judged([node("a"), primary()]))).toBe("keep");
    expect(how(judged([primary()]))).toBe("loss");
    // N = 3, k = 2: one promise elects.
    const noted = { ...NOTED, acks: 2 };
    expect(how(judged([node("a", { noted }), primary({ noted })]))).toBe("loss");
  });

  test("alone it needs nobody: only its own promise could elect another", () => {
    const noted = { ...NOTED, voters: [uuid("b")], acks: 0 };
    expect(how(judged([primary({ noted })]))).toBe("keep");
  });

  test("a change in doubt is written carefully", () => {
    const pending = { ...NOTED, ver: 11, voters: [...NOTED.voters, uuid("d")], acks: 2 };
    const verdict = judged([node("a"), primary({ pending }), node("c"), node("d")]);
    expect(verdict).toMatchObject({ how: "keep", next: { acks: 1, voters: pending.voters } });
  });

  test("whoever promised a newer epoch would not follow it: then it is an election, which it wins", () => {
    const verdict = judged([node("a"), primary(), node("c", { promised: 6, seenEpoch: 6 })]);
    expect(verdict).toMatchObject({ how: "elect", actor: { node: "b" }, next: { acks: 0 } });
  });

  test("a second open one is never passed over", () => {
    const verdict = judged([primary(), node("a", { open: true }), node("c")]);
    expect(how(verdict)).toBe("loss");
    expect(reasons(verdict)).toContain("a is an open primary, too");
  });
});

describe("without an open primary", () => {
  test("the last one's own disk elects it, above every epoch that anybody knows of", () => {
    const verdict = judged([node("a"), node("b"), node("c", { promised: 7, seenEpoch: 7 })]);
    expect(verdict).toMatchObject({
      how: "elect",
      actor: { node: "b" },
      next: {
        phase: "electing",
        primary: null,
        prevPrimary: uuid("b"),
        voters: [uuid("b")],
        acks: 0,
      },
    });
    const { next } = verdict as Extract<Adoption, { kind: "rewrite" }>;
    // A marker's GTID is never used twice, also where a missing node has seen some more.
    expect(next.epoch).toBeGreaterThan(100);
  });

  test("without that disk it is a matter of loss, and says whose", () => {
    const verdict = judged([node("a"), node("b", { silent: true }), node("c")]);
    expect(verdict).toMatchObject({ how: "loss", loss: { epoch: 5, missing: ["b"] } });
    expect(reasons(verdict)).toContain("b, the primary of epoch 5, has not answered");
    const { next } = verdict as Extract<Adoption, { kind: "rewrite" }>;
    // All that answered have to promise: none of them goes on serving a primary that is elsewhere.
    expect(next).toMatchObject({ voters: [uuid("a"), uuid("c")], acks: 0, prevPrimary: null });
  });

  test("a disk that promised a later epoch proves nothing unless all voters are here", () => {
    const fenced = node("b", { promised: 6 });
    expect(how(judged([node("a"), fenced]))).toBe("loss");
    expect(how(judged([node("a"), fenced, node("c")]))).toBe("elect");
  });

  test("voters that promised a later epoch are as good as missing", () => {
    const noted = { ...NOTED, voters: [...NOTED.voters, uuid("d")] };
    const two = { silent: true };
    const [b, c, d] = [node("b", { noted }), node("c", two), node("d", two)];
    expect(how(judged([node("a", { noted }), b, c, d]))).toBe("elect");
    expect(how(judged([node("a", { noted, promised: 6 }), b, c, d]))).toBe("loss");
  });

  test("a removal that may have happened lets fewer elect", () => {
    const pending = { ...NOTED, ver: 11, voters: [uuid("a"), uuid("b")] };
    expect(how(judged([node("b"), node("c")]))).toBe("elect");
    expect(how(judged([node("b", { pending }), node("c")]))).toBe("loss");
  });

  test("a last primary that has read of its successor is not the last", () => {
    const successor = { ...NOTED, ver: 12, epoch: 6, primary: uuid("c") };
    expect(how(judged([node("a"), node("b", { noted: successor })]))).toBe("loss");
  });

  test("all voters are those of the newest note, and of a change that may have followed it", () => {
    const fenced = { promised: 6 };
    const pending = { ...NOTED, ver: 11, voters: [...NOTED.voters, uuid("d")] };
    const three = [node("a"), node("b", { ...fenced, pending }), node("c")];
    expect(how(judged(three))).toBe("loss");
    expect(how(judged([...three, node("d")]))).toBe("elect");
    const newer = { ...NOTED, ver: 12, voters: [uuid("a"), uuid("b")] };
    expect(how(judged([node("a", { noted: newer }), node("b", fenced)]))).toBe("elect");
  });

  test("the last primary must hold what its replicas hold", () => {
    const ahead = { executed: gtids("b:1-120 m:1-5") };
    const verdict = judged([node("a", ahead), node("b"), node("c")]);
    expect(how(verdict)).toBe("loss");
    expect(reasons(verdict)).toContain("b lacks what a holds");
    // While it is open its record may be older than what it has sent.
    expect(how(judged([node("a", ahead), primary(), node("c")]))).toBe("keep");
  });

  test("an amnesiac is missing", () => {
    expect(how(judged([node("a"), node("b", { amnesiac: true }), node("c")]))).toBe("loss");
    const fenced = node("b", { promised: 6 });
    expect(how(judged([node("a"), fenced, node("c", { amnesiac: true })]))).toBe("loss");
    expect(how(judged([node("b", { amnesiac: true })]))).toBe("refuse");
  });

  test("a tag does not become a loss: it has to be taken away", () => {
    const verdict = judged([node("a"), node("b", { noFailover: true }), node("c")]);
    expect(verdict).toMatchObject({ kind: "refuse", accept: null });
  });

  test("what is known to be missing is named from every record there is", () => {
    const gone = node("b", { silent: true, executed: gtids("b:1-130 m:1-5") });
    const verdict = judged([node("a"), gone, node("c")]);
    expect(verdict).toMatchObject({ loss: { gtids: gtids("b:101-130") } });
  });
});

describe("whatever flag", () => {
  test("nodes of two clusters, or a Consul that names another one, are refused", () => {
    const other = "d2d2d2d2-0000-4000-8000-00000000d2d2";
    expect(how(judged([primary(), node("a", { clusterId: other })]))).toBe("refuse");
    expect(how(judged([primary(), node("a")], { initialize: other }))).toBe("refuse");
    expect(how(judged([primary(), node("a")], { initialize: CLUSTER }))).toBe("keep");
  });

  test("incomparable sets are refused: nobody holds everything", () => {
    const x = node("a", { executed: gtids(`${HEAD} x:1`), noted: null });
    const y = node("c", { executed: gtids(`${HEAD} d:1`), noted: null });
    const why = expect.stringContaining("incomparable");
    expect(judged([x, y])).toMatchObject({ kind: "refuse", accept: null, why });
  });

  test("a Consul that is not older than what anybody has seen is refused", () => {
    expect(how(judged([node("a"), primary(), node("c")], { state: NOTED }))).toBe("refuse");
    const older = { ...NOTED, ver: 9 };
    expect(how(judged([node("a"), primary(), node("c")], { state: older }))).toBe("keep");
  });

  test("nobody's answer is no answer, and one to another wish is none", () => {
    expect(how(judged([]))).toBe("refuse");
    const stale = node("a");
    const answer = stale.answer === null ? null : { ...stale.answer, intent: "another" };
    expect(how(judged([{ ...stale, answer }]))).toBe("refuse");
  });

  test("a primary in Consul of an epoch that nobody here has joined is a matter of loss", () => {
    const state = { ...NOTED, ver: 9, epoch: 6, primary: uuid("d") };
    expect(how(judged([node("a"), primary(), node("c")], { state }))).toBe("loss");
    // An election that was only begun opened nothing.
    const begun: State = { ...state, phase: "electing", primary: null };
    expect(how(judged([node("a"), primary(), node("c")], { state: begun }))).toBe("elect");
  });
});
