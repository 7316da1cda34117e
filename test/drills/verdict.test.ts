// The checker is itself checked: on ledgers and rows with one known fault each, and on arbitrary ones without.
import fc from "fast-check";
import { expect, test } from "vitest";
import { payloadOf, type Ledger, type Write } from "../../recipes/mysql/drills/ledger.ts";
import { gapsOf, verify, type NodeRows } from "../../recipes/mysql/drills/verdict.ts";

const RUN = "run";

/** A write by writer 1, sent 1 ms before it ended. */
function write(seq: number, ended: number, node = "a", more: Partial<Write> = {}): Write {
  const times = { sent: ended - 1, ended };
  const where = { node, port: 3307, connection: node.charCodeAt(0) };
  return { writer: 1, seq, ...times, outcome: "acked", ...where, why: null, ...more };
}

function ledgerOf(writes: readonly Write[]): Ledger {
  return { run: RUN, writers: [1], began: 0, ended: (writes.at(-1)?.ended ?? 0) + 1, writes };
}

/** A node that holds exactly these ids, in this order. */
function holding(node: string, seqs: readonly number[]): NodeRows {
  const rows = seqs.map((seq) => ({ writer: 1, seq, payload: payloadOf(RUN, 1, seq) }));
  return { node, rows };
}

const three = ledgerOf([write(1, 5), write(2, 10), write(3, 15)]);

test("a ledger of which every node holds each write once passes", () => {
  const verdict = verify(three, [holding("a", [1, 2, 3]), holding("b", [1, 2, 3])]);
  expect(verdict).toMatchObject({ ok: true, acked: 3, outageMs: 5, gaps: [], twoAcking: [] });
});

test("an acknowledged write that one node lacks is lost there", () => {
  const verdict = verify(three, [holding("a", [1, 2, 3]), holding("b", [1, 3])]);
  expect(verdict).toMatchObject({ ok: false, lost: [{ writer: 1, seq: 2, node: "b" }] });
  expect([verdict.doubled, verdict.invented]).toEqual([[], []]);
});

test("a write that is there twice is doubled", () => {
  const verdict = verify(three, [holding("a", [1, 2, 2, 3])]);
  expect(verdict).toMatchObject({ ok: false, doubled: [{ writer: 1, seq: 2, node: "a" }] });
  expect([verdict.lost, verdict.invented]).toEqual([[], []]);
});

test("a row that nobody sent is invented", () => {
  const verdict = verify(three, [holding("a", [1, 2, 3, 4])]);
  expect(verdict).toMatchObject({ ok: false, invented: [{ writer: 1, seq: 4, node: "a" }] });
  expect([verdict.lost, verdict.doubled]).toEqual([[], []]);
});

test("a refused write that is there all the same is invented", () => {
  const ledger = ledgerOf([write(1, 5), write(2, 10, "a", { outcome: "refused" })]);
  expect(verify(ledger, [holding("a", [1, 2])]).invented).toEqual([
    { writer: 1, seq: 2, node: "a" },
  ]);
  expect(verify(ledger, [holding("a", [1])]).ok).toBe(true);
});

test("a row with another content than was sent is invented", () => {
  const rows = [{ writer: 1, seq: 1, payload: payloadOf("another run", 1, 1) }];
  expect(verify(ledgerOf([write(1, 5)]), [{ node: "a", rows }]).invented).toHaveLength(1);
});

test("an unknown write may be there once or not at all, but the same on all nodes, and never twice", () => {
  const ledger = ledgerOf([write(1, 5), write(2, 10, "a", { outcome: "unknown", why: "hang" })]);
  const judge = (...held: number[][]) =>
    verify(
      ledger,
      held.map((seqs, i) => holding(`n${i}`, seqs)),
    );
  expect(judge([1], [1])).toMatchObject({ ok: true, unknown: 1 });
  expect(judge([1, 2], [1, 2])).toMatchObject({ ok: true, unknown: 1 });
  expect(judge([1, 2, 2], [1, 2])).toMatchObject({ ok: false, doubled: [{ seq: 2, node: "n0" }] });
  expect(judge([1, 2], [1])).toMatchObject({ ok: false, diverged: [{ seq: 2, node: "n1" }] });
});

test("a verdict without any node's rows is no success", () => {
  expect(verify(three, []).ok).toBe(false);
});

test("an acknowledgement of one node between two on one connection to another is two acknowledging nodes", () => {
  const sandwich = ledgerOf([write(1, 5), write(2, 10, "b"), write(3, 15)]);
  const verdict = verify(sandwich, [holding("a", [1, 2, 3])]);
  expect(verdict.ok).toBe(false);
  expect(verdict.twoAcking).toMatchObject([{ write: { seq: 2 }, other: { seq: 3 } }]);
});

test("acknowledgements whose times touch prove nothing, and neither do two connections to a node", () => {
  const touching = ledgerOf([write(1, 5), write(2, 15, "b", { sent: 4 }), write(3, 16)]);
  expect(verify(touching, [holding("a", [1, 2, 3])]).twoAcking).toEqual([]);
  const again = ledgerOf([write(1, 5), write(2, 10, "b"), write(3, 15, "a", { connection: 3 })]);
  expect(verify(again, [holding("a", [1, 2, 3])]).twoAcking).toEqual([]);
});

test("acknowledgements that the history of primaries does not allow are two acknowledging nodes", () => {
  const back = ledgerOf([write(1, 5), write(2, 10, "b"), write(3, 15, "a", { connection: 3 })]);
  const judge = (...nodes: string[]) =>
    verify(
      back,
      [holding("a", [1, 2, 3])],
      nodes.map((node, i) => ({ epoch: i + 1, node })),
    ).twoAcking;
  expect(judge("a", "b")).toMatchObject([{ write: { seq: 3 }, other: { seq: 2 } }]);
  expect(judge("a", "b", "a")).toEqual([]);
  expect(judge("c", "a", "c", "b", "c", "a")).toEqual([]);
  expect(judge("a", "c")).toMatchObject([{ write: { seq: 2 } }]);
});

test("a late answer to a write that was sent before the next reign belongs to the old one", () => {
  const late = ledgerOf([write(1, 5), write(2, 10, "b"), write(3, 15, "a", { sent: 4 })]);
  const reigns = ["a", "b"].map((node, i) => ({ epoch: i + 1, node }));
  expect(verify(late, [holding("a", [1, 2, 3])], reigns).twoAcking).toEqual([]);
});

test("the outage is the longest time between acknowledgements, with refusals inside it", () => {
  const refused = write(2, 300, "b", { outcome: "refused" });
  const ledger = ledgerOf([write(1, 5), refused, write(3, 705, "b"), write(4, 906, "b")]);
  const verdict = verify(ledger, [holding("a", [1, 3, 4])]);
  expect(verdict.outageMs).toBe(700);
  expect(verdict.gaps).toEqual([
    { from: 5, to: 705, ms: 700 },
    { from: 705, to: 906, ms: 201 },
  ]);
});

test("a cluster that never acknowledges again has an outage until the end of the ledger", () => {
  const ledger = { ...ledgerOf([write(1, 5)]), ended: 5005 };
  expect(gapsOf(ledger, 100)).toEqual([{ from: 5, to: null, ms: 5000 }]);
  expect(gapsOf({ ...ledger, writes: [] }, 100)).toEqual([{ from: 0, to: null, ms: 5005 }]);
});

test("any ledger passes on what it acknowledged, and fails with any one row deleted, doubled or added", () => {
  const outcomes = fc.array(fc.constantFrom("acked", "refused", "unknown" as const), {
    minLength: 1,
    maxLength: 40,
  });
  fc.assert(
    fc.property(outcomes, fc.nat(), fc.boolean(), (kinds, pick, present) => {
      const writes = kinds.map((outcome, i) => write(i + 1, i * 5 + 5, "a", { outcome }));
      const ledger = ledgerOf(writes);
      const there = writes.filter(
        ({ outcome }) => outcome === "acked" || (outcome === "unknown" && present),
      );
      const seqs = there.map(({ seq }) => seq);
      const judge = (held: number[]) => verify(ledger, [holding("a", held), holding("b", seqs)]).ok;
      expect(judge(seqs)).toBe(true);
      expect(judge([...seqs, kinds.length + 1])).toBe(false);
      const one = seqs[pick % Math.max(1, seqs.length)];
      if (one === undefined) return;
      expect(judge([...seqs, one])).toBe(false);
      expect(judge(seqs.filter((seq) => seq !== one))).toBe(false);
    }),
  );
});
