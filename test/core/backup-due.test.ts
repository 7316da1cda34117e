// When and where a backup is due, and when a running one is given up.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  chooseNode,
  delayOf,
  giveUp,
  notBefore,
  taskDue,
  type BackupWish,
  type DueFacts,
  type LastBackup,
} from "../../recipes/mysql/core/backup/due.ts";
import type { Peer, State } from "../../recipes/mysql/core/records.ts";

const MIN = 60_000;
const NOW = 1_000_000_000;

const state: State = {
  ver: 7,
  epoch: 5,
  phase: "open",
  primary: "a",
  prevPrimary: null,
  voters: ["a", "b", "c"],
  acks: 1,
};
const last: LastBackup = {
  id: "20261120T030000Z-mysql-2-0001",
  gtid: "",
  binlog: null,
  node: "mysql-2",
  startedAt: "2026-11-20T03:00:00Z",
  finishedAt: "2026-11-20T03:01:00Z",
  rawBytes: 1,
  storedBytes: 1,
  verified: null,
};
const calm: DueFacts = {
  now: NOW,
  state,
  paused: false,
  last,
  failed: null,
  wishes: [],
  scheduledAt: NOW + MIN,
  verifyAt: null,
  delayMs: 0,
};
const wish = (more: Partial<BackupWish> = {}): BackupWish => ({
  id: "w1",
  verb: "backup",
  node: null,
  incremental: false,
  backup: null,
  by: "anna",
  at: "2026-11-20T10:00:00Z",
  outcome: null,
  ...more,
});
const peer = (uuid: string, more: Partial<Peer> = {}): Peer =>
  ({
    uuid,
    node: `node-${uuid}`,
    role: uuid === "a" ? "primary" : "replica",
    epoch: 5,
    lagSeconds: 0,
    ageMs: 100,
    mysqldPid: 1,
    stopping: false,
    needsRebuild: false,
    diskFull: false,
    ...more,
  }) as Peer;
const peers = [peer("a"), peer("b"), peer("c")];
const none = { wish: null };
const chosen = (of: readonly Peer[], more: Partial<Parameters<typeof chooseNode>[1]> = {}) =>
  chooseNode(none, { state, failed: null, peers: of, aloneForMs: MIN, ...more }).uuid;

describe("a backup is due", () => {
  test("at the schedule's moment, after this cluster's own delay, not before", () => {
    expect(taskDue(calm)).toBeNull();
    const at = { ...calm, scheduledAt: NOW };
    expect(taskDue(at)).toMatchObject({ kind: "backup", why: "the schedule" });
    expect(taskDue({ ...at, delayMs: 1 })).toBeNull();
    expect(taskDue({ ...at, delayMs: 1, now: NOW + 1 })).toMatchObject({ kind: "backup" });
  });

  test("right after a cluster has begun; but what the store has is looked up before", () => {
    expect(taskDue({ ...calm, last: null })).toMatchObject({ kind: "survey" });
    const empty = { ...last, id: null };
    expect(taskDue({ ...calm, last: empty })).toMatchObject({ kind: "backup" });
  });

  test("at a person's wish at once, the oldest first, also while paused or after failures", () => {
    const failed = { failures: 9, at: NOW, uuid: "b", node: "b", why: "" };
    const older = wish({ id: "w0", at: "2026-11-20T09:00:00Z", verb: "verify", backup: "X" });
    const f = { ...calm, paused: true, failed, wishes: [wish(), older] };
    expect(taskDue(f)).toMatchObject({ kind: "verify", backup: "X", wish: { id: "w0" } });
  });

  test("at a node's own wish, which waits as a schedule does", () => {
    const f = { ...calm, wishes: [wish({ auto: true, by: "1 GiB of binlog" })] };
    const later = { ...last, startedAt: "2026-11-20T10:00:01Z" };
    expect(taskDue({ ...f, last: later })).toBeNull();
    expect(taskDue(f)).toMatchObject({ kind: "backup", why: "1 GiB of binlog" });
    const failed = { failures: 1, at: NOW, uuid: "b", node: "b", why: "" };
    expect(taskDue({ ...f, failed })).toBeNull();
    expect(taskDue({ ...f, paused: true })).toBeNull();
  });

  test("never twice for one wish: an answered one is nobody's any more", () => {
    const outcome = { ok: true, says: "", id: "X" };
    expect(taskDue({ ...calm, wishes: [wish({ outcome })] })).toBeNull();
  });

  test("never without an open primary: nobody could say what is acknowledged", () => {
    const due = { ...calm, scheduledAt: NOW, wishes: [wish()] };
    expect(taskDue({ ...due, state: { ...state, phase: "electing" } })).toBeNull();
    expect(taskDue({ ...due, state: null })).toBeNull();
  });

  test("not by itself while the cluster is paused", () => {
    expect(taskDue({ ...calm, scheduledAt: NOW, paused: true })).toBeNull();
  });

  test("again after a failure, later each time, an hour at most", () => {
    const failed = (failures: number) => ({ failures, at: NOW, uuid: "b", node: "b", why: "" });
    const due = { ...calm, scheduledAt: NOW };
    expect(taskDue({ ...due, failed: failed(1), now: NOW + MIN - 1 })).toBeNull();
    expect(taskDue({ ...due, failed: failed(1), now: NOW + MIN })).not.toBeNull();
    expect(taskDue({ ...due, failed: failed(2), now: NOW + 2 * MIN - 1 })).toBeNull();
    fc.assert(
      fc.property(fc.nat(100_000), (failures) => {
        const pause = notBefore(failed(failures + 1)) - NOW;
        expect(pause).toBeGreaterThanOrEqual(MIN);
        expect(pause).toBeLessThanOrEqual(60 * MIN);
      }),
    );
  });
});

describe("a verification is due", () => {
  const at = { ...calm, verifyAt: NOW };
  test("of the newest backup, once, at its schedule", () => {
    expect(taskDue(at)).toMatchObject({ kind: "verify", backup: last.id });
    const verified = { id: last.id ?? "", at: "", ok: true, restoreMs: 1, rawBytes: 1 };
    expect(taskDue({ ...at, last: { ...last, verified } })).toBeNull();
    const older = { ...verified, id: "older" };
    expect(taskDue({ ...at, last: { ...last, verified: older } })).not.toBeNull();
  });

  test("after a backup that is due as well", () => {
    expect(taskDue({ ...at, scheduledAt: NOW })).toMatchObject({ kind: "backup" });
  });
});

describe("the node that does it", () => {
  test("is the in-sync replica with the least lag, and never the primary while there is one", () => {
    expect(chosen(peers)).toBe("b");
    expect(chosen([peer("a"), peer("b", { lagSeconds: 3 }), peer("c", { lagSeconds: 1 })])).toBe(
      "c",
    );
    expect(chosen([peer("a"), peer("d"), peer("c", { lagSeconds: 2 })])).toBe("c");
    expect(chosen([peer("a"), peer("d")])).toBe("d");
  });

  test("is the primary where there is no other", () => {
    expect(chosen([peer("a")])).toBe("a");
    expect(chosen([peer("a"), peer("b", { lagSeconds: 61 })])).toBe("a");
  });

  test("is not the primary at once: replicas that come copy from it, and a person need not wait", () => {
    expect(chosen([peer("a")], { aloneForMs: MIN - 1 })).toBeNull();
    const facts = { state, failed: null, peers: [peer("a")], aloneForMs: 0 };
    expect(chooseNode({ wish: wish() }, facts).uuid).toBe("a");
  });

  test.each<[string, Partial<Peer>]>([
    ["that is silent", { ageMs: 3_001 }],
    ["that stops", { stopping: true }],
    ["of another epoch", { epoch: 4 }],
    ["whose data is given up", { needsRebuild: true }],
    ["without a server", { mysqldPid: null }],
    ["with a full disk", { diskFull: true }],
    ["that does not know its lag", { lagSeconds: null }],
    ["that is provisioned", { role: "provisioning" }],
  ])("is none %s", (_, more) => {
    expect(chosen([peer("a"), peer("b", more), peer("c", { lagSeconds: 9 })])).toBe("c");
  });

  test("is another one after a failure, where there is another", () => {
    const failed = { failures: 1, at: NOW, uuid: "b", node: "b", why: "" };
    expect(chosen(peers, { failed })).toBe("c");
    expect(chosen([peer("a"), peer("b")], { failed })).toBe("b");
  });

  test("is the one that was named, or nobody", () => {
    const named = { wish: wish({ node: "node-a" }) };
    const facts = { state, failed: null, peers, aloneForMs: 0 };
    expect(chooseNode(named, facts).uuid).toBe("a");
    const gone = [peer("a", { stopping: true }), peer("b")];
    expect(chooseNode(named, { ...facts, peers: gone })).toMatchObject({ uuid: null });
  });

  test("is the same one in every node's eyes, whatever the order that they read in", () => {
    const any = fc.record({
      uuid: fc.constantFrom("a", "b", "c", "d"),
      lagSeconds: fc.option(fc.nat(90)),
      ageMs: fc.nat(5_000),
    });
    const records = fc.uniqueArray(any, { selector: ({ uuid }) => uuid });
    fc.assert(
      fc.property(records, fc.integer(), (some, turn) => {
        const seen = some.map(({ uuid, ...more }) => peer(uuid, more));
        const at = seen.length === 0 ? 0 : Math.abs(turn) % seen.length;
        expect(chosen([...seen.slice(at), ...seen.slice(0, at)])).toBe(chosen(seen));
      }),
    );
  });
});

describe("a running task", () => {
  const fine = { deadlineMs: MIN, stopping: false, lockLost: false, leads: false, others: true };
  const task = { kind: "backup", asPrimary: false, forMs: 1 } as const;

  test("goes on", () => expect(giveUp(task, fine)).toBeNull());
  test("ends with its node", () =>
    expect(giveUp(task, { ...fine, stopping: true })).not.toBeNull());
  test("ends at its deadline", () => {
    expect(giveUp({ ...task, forMs: MIN }, fine)).toBeNull();
    expect(giveUp({ ...task, forMs: MIN + 1 }, fine)).toContain("deadline");
  });
  test("ends where another node holds the lock: one at a time in the cluster", () => {
    expect(giveUp(task, { ...fine, lockLost: true })).toContain("lock");
  });
  test("leaves the disk to the clients of a node that becomes primary, where another can do it", () => {
    expect(giveUp(task, { ...fine, leads: true })).toContain("becomes primary");
    expect(giveUp(task, { ...fine, leads: true, others: false })).toBeNull();
    expect(giveUp({ ...task, asPrimary: true }, { ...fine, leads: true })).toBeNull();
  });
});

test("a cluster's own delay is always the same, and never longer than the jitter", () => {
  fc.assert(
    fc.property(fc.uuid(), fc.nat(10 * MIN), (id, jitter) => {
      const delay = delayOf(id, jitter);
      expect(delay).toBe(delayOf(id, jitter));
      expect(delay).toBeGreaterThanOrEqual(0);
      expect(delay).toBeLessThanOrEqual(jitter);
    }),
  );
  const spread = new Set(Array.from({ length: 50 }, (_, i) => delayOf(`cluster-${i}`, 10 * MIN)));
  expect(spread.size).toBeGreaterThan(45);
});
