// The checker is itself checked: on ledgers and rows with one known fault each, and on arbitrary ones without.
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  ACCOUNTS,
  legsOf,
  payloadOf,
  type Ledger,
  type Write,
} from "../../recipes/mysql/drills/ledger.ts";
import { writeLog } from "../../recipes/mysql/drills/ledger-log.ts";
import { gapsOf } from "../../recipes/mysql/drills/verdict-acks.ts";
import { atOnce, inTurns } from "../../recipes/mysql/drills/verdict-steps.ts";
import type { Balance, Row } from "../../recipes/mysql/drills/verdict-rows.ts";
import {
  openCase,
  verify,
  violationsOf,
  type NodeRows,
} from "../../recipes/mysql/drills/verdict.ts";

const RUN = "run";

/** A write by writer 1, sent 1 ms before it ended. */
function write(seq: number, ended: number, node = "a", more: Partial<Write> = {}): Write {
  const times = { sent: ended - 1, ended };
  const where = { node, port: 3307, connection: node.charCodeAt(0) };
  return { writer: 1, seq, ...times, outcome: "acked", ...where, why: null, ...more };
}

function ledgerOf(writes: readonly Write[], more: Partial<Ledger> = {}): Ledger {
  const times = { began: 0, ended: (writes.at(-1)?.ended ?? 0) + 1 };
  const nothing = { transfers: [], seen: [], wrongSums: [], stalls: [] };
  return { run: RUN, writers: [1, 2], ...times, ...nothing, writes, ...more };
}

function row(seq: number, more: Partial<Row> = {}): Row {
  const plain = { part: 0, account: null, amount: 0, server: "a", epoch: null };
  return { writer: 1, seq, ...plain, payload: payloadOf(RUN, 1, seq), ...more };
}

/** A node that holds exactly these ids, in this order. */
function holding(node: string, seqs: readonly number[]): NodeRows {
  return { node, rows: seqs.map((seq) => row(seq)), balances: null };
}

const three = ledgerOf([write(1, 5), write(2, 10), write(3, 15)]);

test("a ledger of which every node holds each write once passes", () => {
  const verdict = verify(three, [holding("a", [1, 2, 3]), holding("b", [1, 2, 3])]);
  expect(verdict).toMatchObject({ ok: true, outageMs: 5, gaps: [], twoAcking: [] });
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
  const judge = (more: Partial<Row>) =>
    verify(ledgerOf([write(1, 5)]), [{ node: "a", rows: [row(1, more)], balances: null }]);
  expect(judge({}).ok).toBe(true);
  expect(judge({ payload: payloadOf("another run", 1, 1) }).invented).toHaveLength(1);
  expect(judge({ amount: 5 }).invented).toHaveLength(1);
  expect(judge({ part: 1 }).invented).toHaveLength(1);
});

test("an unknown write may be there once or not at all, but the same on all nodes, and never twice", () => {
  const ledger = ledgerOf([write(1, 5), write(2, 10, "a", { outcome: "unknown", why: "hang" })]);
  const judge = (...held: number[][]) =>
    verify(
      ledger,
      held.map((seqs, i) => holding(`n${i}`, seqs)),
    );
  expect(judge([1], [1])).toMatchObject({ ok: true, counts: { unknown: 1 } });
  expect(judge([1, 2], [1, 2])).toMatchObject({ ok: true, counts: { unknown: 1 } });
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
  expect(verify(ledger, [holding("a", [1])]).outageMs).toBe(5_000);
  expect(verify({ ...ledger, writes: [] }, [holding("a", [])]).outageMs).toBe(5_005);
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

/** A transfer by writer 2, and the rows of it on a node. */
const moved = (seq: number, ended: number, more: Partial<Write> = {}): Write =>
  write(seq, ended, "a", { writer: 2, ...more });
const legRows = (seq: number): readonly Row[] =>
  legsOf(2, seq).map((leg) => row(seq, { writer: 2, ...leg, payload: payloadOf(RUN, 2, seq) }));

/** Accounts that hold what these rows booked. */
function booked(rows: readonly Row[]): readonly Balance[] {
  return Array.from({ length: ACCOUNTS }, (_, account) => {
    const own = rows.filter((one) => one.account === account);
    const balance = own.reduce((sum, { amount }) => sum + amount, 0);
    return { account, balance, booked: balance };
  });
}

const transfers = ledgerOf([moved(1, 5), moved(2, 10)], { transfers: [2] });
const whole = [...legRows(1), ...legRows(2)];

test("transfers that are there whole, with balances that follow, pass", () => {
  const verdict = verify(transfers, [{ node: "a", rows: whole, balances: booked(whole) }]);
  expect(verdict).toMatchObject({ ok: true, counts: { acknowledged: 2, imbalanced: 0 } });
});

test("a transfer of which one leg is missing is torn, whatever its outcome was", () => {
  for (const outcome of ["acked", "unknown"] as const) {
    const ledger = ledgerOf([moved(1, 5), moved(2, 10, { outcome })], { transfers: [2] });
    const half = [...legRows(1), ...legRows(2).slice(1)];
    const verdict = verify(ledger, [{ node: "a", rows: half, balances: null }]);
    expect(verdict).toMatchObject({ ok: false, halved: [{ writer: 2, seq: 2, node: "a" }] });
    expect([verdict.lost, verdict.doubled, verdict.invented]).toEqual([[], [], []]);
    const none = verify(ledger, [{ node: "a", rows: legRows(1), balances: null }]);
    expect([none.ok, none.halved]).toEqual([outcome === "unknown", []]);
  }
});

test("a transfer that came twice, moved another amount or was never committed is found", () => {
  const judge = (rows: readonly Row[], ledger = transfers) =>
    verify(ledger, [{ node: "a", rows, balances: null }]);
  expect(judge([...whole, ...legRows(2)]).doubled).toMatchObject([{ seq: 2 }]);
  for (const leg of legRows(2)) expect(judge([...whole, leg]).doubled).toMatchObject([{ seq: 2 }]);
  const [first, ...rest] = whole;
  if (first === undefined) throw new Error("no rows");
  const more = judge([{ ...first, amount: first.amount - 1 }, ...rest]);
  expect(more.invented).toMatchObject([{ seq: 1 }]);
  const refused = [moved(1, 5), moved(2, 10, { outcome: "refused", why: "hang before COMMIT" })];
  expect(judge(whole, ledgerOf(refused, { transfers: [2] })).invented).toMatchObject([
    { seq: 2 },
    { seq: 2 },
  ]);
});

test("a balance that is not what was booked, a missing account and a sum that is not nothing are imbalances", () => {
  const judge = (balances: readonly Balance[]) =>
    verify(transfers, [{ node: "a", rows: whole, balances }]);
  const right = booked(whole);
  const off = right.map((one) => (one.account === 7 ? { ...one, balance: one.balance + 3 } : one));
  expect(judge(off).imbalanced.map(({ account }) => account)).toEqual([7, null]);
  const few = right.slice(0, -1);
  const last = right.at(-1);
  expect(last?.balance).toBe(0);
  expect(judge(few)).toMatchObject({ ok: false, counts: { imbalanced: 1 } });
});

test("a sum that a reader saw on the open primary must have been nothing", () => {
  const wrongSums = [{ node: "a", at: 7, total: -12 }];
  const verdict = verify({ ...transfers, wrongSums }, [
    { node: "a", rows: whole, balances: booked(whole) },
  ]);
  expect(verdict.counts.imbalanced).toBe(1);
  expect(violationsOf(verdict.counts)).toEqual(["1 transfers or balances are torn"]);
});

test("what a reader saw on the open primary must stay, though nobody acknowledged it", () => {
  const writes = [write(1, 5), write(2, 10, "a", { outcome: "unknown", why: "hang" })];
  const seen = [{ writer: 1, seq: 2, node: "a", at: 9 }];
  const judge = (ledger: Ledger, ...held: number[][]) =>
    verify(
      ledger,
      held.map((seqs, i) => holding(`n${i}`, seqs)),
    );
  expect(judge(ledgerOf(writes), [1], [1]).ok).toBe(true);
  expect(judge(ledgerOf(writes, { seen }), [1, 2], [1, 2]).ok).toBe(true);
  expect(judge(ledgerOf(writes, { seen }), [1], [1])).toMatchObject({
    ok: false,
    vanished: [{ seq: 2, node: "n0" }, { node: "n1" }],
  });
});

test("an acknowledgement of an older epoch, for a write sent after a newer one's, is two acknowledging nodes", () => {
  const writes = [write(1, 5), write(2, 10, "b"), write(3, 15, "a", { connection: 9 })];
  const judge = (epochs: readonly number[], sent = 14) => {
    const [one, two, three] = writes as [Write, Write, Write];
    const rows = [one, two, { ...three, sent }].map((of, i) =>
      row(of.seq, { server: of.node, epoch: epochs[i] ?? null }),
    );
    const ledger = ledgerOf([one, two, { ...three, sent }]);
    return verify(ledger, [{ node: "n", rows, balances: null }]);
  };
  expect(judge([1, 2, 1])).toMatchObject({ ok: false, counts: { twoAcknowledging: 1 } });
  expect(judge([1, 2, 1]).twoAcking).toMatchObject([{ write: { seq: 3 }, other: { seq: 2 } }]);
  expect(judge([1, 2, 3]).twoAcking).toEqual([]);
  // Sent before the newer epoch's first answer came: it may have been on its way.
  expect(judge([1, 2, 1], 9).twoAcking).toEqual([]);
  expect(judge([1, 2, 3]).ranges).toMatchObject([
    { server: "a", epoch: 1, acks: 1 },
    { server: "b", epoch: 2, from: 9, to: 10 },
    { server: "a", epoch: 3 },
  ]);
});

test("two servers that acknowledged in one epoch, and a row by another than the one that answered, are found", () => {
  const ledger = ledgerOf([write(1, 5), write(2, 10, "b")]);
  const judge = (second: Partial<Row>) =>
    verify(ledger, [
      { node: "n", rows: [row(1, { epoch: 4 }), row(2, second)], balances: null },
    ]).twoAcking.map(({ why }) => why);
  expect(judge({ server: "b", epoch: 4 })).toEqual(["both in epoch 4"]);
  expect(judge({ server: "a", epoch: 5 })).toEqual(["its row was written by a"]);
  expect(judge({ server: "b", epoch: 5 })).toEqual([]);
});

test("a ledger gives back what was put in, finds it by its id, and takes no more than it may", () => {
  const log = writeLog(6_000);
  const writes = Array.from({ length: 6_000 }, (_, i) =>
    write(
      i + 1,
      i,
      i % 2 === 0 ? "a" : "b",
      i % 3 === 0 ? { outcome: "unknown", why: "hang" } : {},
    ),
  );
  for (const one of writes) log.append(one);
  expect([...log]).toEqual(writes);
  expect([log.length, log.find(1, 4_711), log.find(1, 6_001), log.find(2, 1)]).toEqual([
    6_000,
    4_710,
    null,
    null,
  ]);
  expect(log.lastAcked()).toEqual(writes.findLast(({ outcome }) => outcome === "acked"));
  expect(() => log.append(write(6_001, 9))).toThrow("more than 6000 writes");
});

test("very many findings are counted, and shown by examples", () => {
  const many = ledgerOf(Array.from({ length: 3_000 }, (_, i) => write(i + 1, i)));
  const verdict = verify(many, [holding("a", [])]);
  expect([verdict.counts.lost, verdict.lost.length]).toEqual([3_000, 1_000]);
});

test("what an earlier ledger left on a node must be what it was", () => {
  const before = { writer: 9, rows: 10, sum: "1234" };
  const judge = (now: typeof before | null) => {
    const one = openCase(ledgerOf([write(1, 5)]));
    one.row("a", row(1));
    one.older("a", before, now);
    const { acknowledged: _, refused: __, unknown: ___, ...found } = atOnce(one.close(null)).counts;
    return Object.entries(found).filter(([, count]) => count > 0);
  };
  expect(judge(before)).toEqual([]);
  expect(judge({ ...before, rows: 7 })).toEqual([["lost", 3]]);
  expect(judge(null)).toEqual([["lost", 10]]);
  expect(judge({ ...before, rows: 12 })).toEqual([["doubled", 2]]);
  expect(judge({ ...before, sum: "1235" })).toEqual([["invented", 1]]);
});

test("a long ledger is judged in turns, and the verdict is the same", async () => {
  const many = ledgerOf(
    Array.from({ length: 30_000 }, (_, i) => write(i + 1, i + (i > 9 ? 500 : 0))),
  );
  const seqs = Array.from({ length: 29_999 }, (_, i) => i + 1);
  const one = openCase(many);
  for (const node of ["a", "b"]) for (const held of holding(node, seqs).rows) one.row(node, held);
  let turns = 0;
  const verdict = await inTurns(one.close(null), async () => turns++);
  expect(turns).toBeGreaterThan(30_000 / 10_000);
  expect(verdict).toEqual(verify(many, [holding("a", seqs), holding("b", seqs)]));
  expect(verdict).toMatchObject({ counts: { lost: 2 }, outageMs: 501 });
});

test("the order in which a ledger's writes were put down changes nothing", () => {
  const writes = [write(1, 5), write(2, 10, "b"), write(3, 15), write(4, 400)];
  const judge = (order: readonly Write[]) =>
    verify({ ...ledgerOf(order), ended: 401 }, [holding("a", [1, 2, 3, 4])]);
  expect(judge(writes.toReversed())).toEqual(judge(writes));
  expect(judge(writes)).toMatchObject({ outageMs: 385, counts: { twoAcknowledging: 1 } });
});
