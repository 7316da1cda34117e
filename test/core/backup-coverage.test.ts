// What an archive covers, against a history of which everything is known; where archiving goes on, and what may be purged.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  accountOf,
  lostToArchive,
  mergeable,
  purgeUpTo,
  settled,
  recoverableWindows,
  startIn,
  uncovered,
  wasReset,
} from "../../recipes/mysql/core/backup/coverage.ts";
import { archivedSet, timelineOf } from "../../recipes/mysql/core/backup/segment.ts";
import {
  contains,
  equal,
  formatGtidSet,
  gtidSet,
  subtract,
  union,
} from "../../recipes/mysql/core/gtid.ts";
import { backupOf, history, segmentOf, setOfStamps, uuidOf } from "./archived-history.ts";

const stamp = (gtid: string, at: number) => ({ gtid, at });
const A = uuidOf(1);
const B = uuidOf(2);
const run = (first: number, last: number, uuid = A) =>
  Array.from({ length: last - first + 1 }, (_, i) => stamp(`${uuid}:${first + i}`, first + i));
const piece = (first: number, last: number, file = "binlog.000001") =>
  segmentOf({
    epoch: 1,
    file,
    from: first * 10,
    to: last * 10 + 10,
    before: run(1, first - 1),
    stamps: run(first, last),
  });

describe("the account of an archive", () => {
  test("knows what is archived, and everything that is missing between its first and its last segment", () => {
    fc.assert(
      fc.property(history, ({ stamps, timeline, segments }) => {
        const { archived, accounted, gaps } = accountOf(timeline);
        expect(equal(archived, archivedSet(segments))).toBe(true);
        const [first, last] = [timeline[0], timeline.at(-1)];
        if (first === undefined || last === undefined) {
          expect(gaps).toEqual([]);
          return;
        }
        const until = stamps.findIndex(({ gtid }) => gtid === last.last.gtid) + 1;
        expect(equal(accounted, setOfStamps(stamps.slice(0, until)))).toBe(true);
        const before = union(archived, gtidSet(first.previous));
        expect(equal(gaps, subtract(accounted, before))).toBe(true);
      }),
    );
  });

  test("does not change when small segments become one", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 0, max: 6 }), (count, left) => {
        const small = Array.from({ length: count }, (_, i) => piece(i * 2 + 1, i * 2 + 2));
        const merged = piece(1, count * 2);
        // Deleted in part, in whatever order they are listed.
        const listed = [...small.slice(0, left), merged].toReversed();
        expect(timelineOf(listed)).toEqual([merged]);
        expect(accountOf(timelineOf(listed))).toEqual(accountOf(timelineOf(small)));
      }),
    );
  });

  test("finds transactions lost that were purged before they were archived, until a backup holds them", () => {
    const account = accountOf([piece(5, 9)]);
    expect(formatGtidSet(lostToArchive(gtidSet(`${A}:1-8`), account))).toBe("");
    const lost = lostToArchive(gtidSet(`${A}:1-12`), account);
    expect(formatGtidSet(lost)).toBe(`${A}:10-12`);
    expect(uncovered(lost, [backupOf("001", run(1, 11))])).toEqual(lost);
    expect(uncovered(lost, [backupOf("001", run(1, 11)), backupOf("002", run(1, 12))])).toEqual([]);
    // Nothing is archived yet: what came before is a backup's.
    expect(lostToArchive(gtidSet(`${A}:1-8`), accountOf([]))).toEqual([]);
  });
});

describe("archiving goes on", () => {
  const logs = [
    { file: "binlog.000001", head: "0", previous: gtidSet("") },
    { file: "binlog.000002", head: "0", previous: gtidSet(`${A}:1-10`) },
    { file: "binlog.000003", head: "0", previous: gtidSet(`${A}:1-20`) },
  ];

  test("in the newest file before which everything is accounted for, behind what is archived of it", () => {
    const segments = [piece(1, 10), piece(11, 15, "binlog.000002")];
    expect(startIn(logs, A, segments, accountOf(segments))).toEqual({
      file: "binlog.000002",
      after: { to: 160, state: gtidSet(`${A}:1-15`) },
    });
  });

  test("on another server by GTID, whatever its files are called", () => {
    const segments = [piece(1, 10), piece(11, 22, "binlog.000007")];
    const start = startIn(logs, B, segments, accountOf(segments));
    expect(start).toEqual({ file: "binlog.000003", after: null });
  });

  test("with the first file where nothing is archived, or the archive does not reach", () => {
    expect(startIn(logs, A, [], accountOf([]))).toEqual({ file: "binlog.000001", after: null });
    const purged = logs.slice(1);
    expect(startIn(purged, A, [], accountOf([])).file).toBe("binlog.000002");
  });

  test("not where its binary logs were reset: it would give archived names to other transactions", () => {
    const own = [piece(1, 10), piece(11, 15, "binlog.000002")];
    const server = (executed: string) => ({ uuid: A, executed: gtidSet(executed) });
    expect(wasReset(server(`${A}:1-20`), logs, own)).toBe(false);
    expect(wasReset(server(`${A}:1-3`), logs, own)).toBe(true);
    // It has come as far again: the files are others.
    const others = logs.map((log) => ({ ...log, head: "1" }));
    expect(wasReset(server(`${A}:1-20`), others, own)).toBe(true);
    expect(wasReset(server(`${A}:1-20`), logs.slice(0, 1), own)).toBe(true);
    // Purged files are no reset, and another server's are nothing to us.
    expect(wasReset(server(`${A}:1-20`), others.slice(2), own)).toBe(false);
    expect(wasReset({ uuid: B, executed: gtidSet(`${A}:1-20`) }, others, own)).toBe(false);
  });
});

describe("binary logs may be purged", () => {
  const logs = [0, 10, 20, 30].map((many, i) => ({
    file: `binlog.00000${i + 1}`,
    previous: setOfStamps(run(1, many)),
    ageMs: (4 - i) * 1_000,
  }));
  const rule = { archived: gtidSet(`${A}:1-30`), received: [gtidSet(`${A}:1-30`)], keepMs: 0 };

  test("up to the last one, when all before it is archived and received by every replica", () => {
    expect(purgeUpTo(logs, rule)).toBe("binlog.000004");
    expect(purgeUpTo(logs, { ...rule, archived: gtidSet(`${A}:1-29`) })).toBe("binlog.000003");
    expect(purgeUpTo(logs, { ...rule, archived: gtidSet(`${A}:2-30`) })).toBeNull();
    const received = [gtidSet(`${A}:1-30`), gtidSet(`${A}:1-15`)];
    expect(purgeUpTo(logs, { ...rule, received })).toBe("binlog.000002");
    expect(purgeUpTo(logs, { ...rule, keepMs: 3_000 })).toBe("binlog.000003");
    expect(purgeUpTo(logs.slice(3), rule)).toBeNull();
  });

  test("never one with a transaction that is not archived, or that a replica lacks", () => {
    const some = fc.subarray(run(1, 35).map(({ gtid }) => gtid));
    fc.assert(
      fc.property(some, some, (archived, received) => {
        const [has, got] = [gtidSet(archived.join(",")), gtidSet(received.join(","))];
        const upTo = purgeUpTo(logs, { archived: has, received: [got], keepMs: 0 });
        const gone = logs.find(({ file }) => file === upTo)?.previous ?? [];
        expect(contains(has, gone) && contains(got, gone)).toBe(true);
      }),
    );
  });
});

describe("no server need keep for the archive's sake", () => {
  test("what is in it, and what was there before it began; a gap it must", () => {
    // Restored from a backup, or pruned: 1-9 never were, or are no longer, in it.
    const account = accountOf([piece(10, 19), piece(30, 39)]);
    expect(formatGtidSet(account.archived)).toBe(`${A}:10-19:30-39`);
    expect(formatGtidSet(settled(account))).toBe(`${A}:1-19:30-39`);
  });
});

describe("the windows that can be recovered", () => {
  test("have a backup before them and no gap in them", () => {
    fc.assert(
      fc.property(history, ({ stamps, segments, timeline, backups }) => {
        const archived = archivedSet(segments);
        for (const { from, to } of recoverableWindows(timeline, backups)) {
          const inside = stamps.filter(({ at }) => at >= from.at && at <= to.at);
          expect(inside.length).toBeGreaterThan(0);
          for (const { at } of inside) {
            const state = setOfStamps(stamps.filter((one) => one.at <= at));
            const reach = backups.some(({ gtid }) => {
              const held = gtidSet(gtid);
              return contains(state, held) && contains(union(held, archived), state);
            });
            expect(reach).toBe(true);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test("begin with the backup and end with the archive", () => {
    const timeline = [piece(1, 5), piece(6, 9)];
    const [window, ...more] = recoverableWindows(timeline, [backupOf("001", run(1, 2))]);
    expect([window?.from.at, window?.to.at, more.length]).toEqual([5, 9, 0]);
    expect(recoverableWindows(timeline, [])).toEqual([]);
    const holed = [piece(1, 5), piece(8, 9), piece(10, 12)];
    const backups = [backupOf("001", []), backupOf("002", run(1, 9))];
    expect(recoverableWindows(holed, backups).map(({ from, to }) => [from.at, to.at])).toEqual([
      [1, 5],
      [9, 12],
    ]);
  });
});

test("small segments that follow each other in a file become one when there are enough", () => {
  const limits = { count: 3, smallBytes: 100 };
  const small = [piece(1, 2), piece(3, 4), piece(5, 6)];
  expect(mergeable(small, limits)).toEqual(small);
  expect(mergeable(small.slice(1), limits)).toBeNull();
  expect(mergeable([...small, piece(7, 30)], limits)).toBeNull();
  expect(mergeable([piece(1, 2), piece(4, 5), piece(6, 7)], limits)).toBeNull();
  expect(mergeable([piece(1, 2, "binlog.000009"), ...small.slice(1)], limits)).toBeNull();
});
