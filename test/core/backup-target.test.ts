// What a restore goes to, and what it takes, against a history of which everything is known.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  cutAfter,
  cutWithin,
  latestBackupBeyond,
  locate,
  plan,
  type Cut,
  type Refusal,
  type Target,
} from "../../recipes/mysql/core/backup/target.ts";
import { timelineOf } from "../../recipes/mysql/core/backup/segment.ts";
import {
  contains,
  equal,
  formatGtidSet,
  gtidSet,
  intersect,
  union,
} from "../../recipes/mysql/core/gtid.ts";
import {
  backupOf,
  history,
  segmentOf,
  setOfStamps,
  uuidOf,
  type History,
} from "./archived-history.ts";

/** As the planner does, which reads the segment's transactions from its data. */
function resolve({ timeline, backups, stamps }: History, target: Target) {
  if (timeline.length === 0) return { ok: false as const, why: "no-archive", missing: "" };
  const place = locate(timeline, target);
  if (!place.ok) return place;
  const segment = timeline[place.segment];
  const own = stamps.filter(({ gtid }) => contains(gtidSet(segment?.added ?? ""), gtidSet(gtid)));
  const cut: Cut | Refusal =
    place.whole || target.to === "latest"
      ? cutAfter(timeline, place.segment)
      : cutWithin(timeline, { segment: place.segment, stamps: own, target });
  return "ok" in cut ? cut : plan(timeline, backups, cut);
}

/** All that was committed with or before the transaction of this number, counted from 1. */
const upTo = (told: History, count: number) => setOfStamps(told.stamps.slice(0, count));

const isRestorable = (told: History, count: number): boolean =>
  told.backups.some(({ gtid }) => {
    const [held, state] = [gtidSet(gtid), upTo(told, count)];
    const archived = told.segments.map(({ added }) => gtidSet(added)).reduce(union, []);
    return contains(state, held) && contains(union(held, archived), state);
  });

function check(told: History, found: ReturnType<typeof resolve>, count: number): void {
  if (!found.ok) return;
  const { backup, state, segments } = found;
  expect(formatGtidSet(state)).toBe(formatGtidSet(upTo(told, count)));
  expect(contains(state, gtidSet(backup.gtid))).toBe(true);
  const replayed = segments.map(({ added }) => intersect(gtidSet(added), state)).reduce(union, []);
  expect(equal(union(gtidSet(backup.gtid), replayed), state)).toBe(true);
}

describe("a plan, whatever is missing in the archive", () => {
  test("to a GTID has exactly what was committed up to it, wherever a backup and the archive reach", () => {
    fc.assert(
      fc.property(history, fc.nat({ max: 31 }), (told, number) => {
        const stamp = told.stamps[number % told.stamps.length];
        const count = (number % told.stamps.length) + 1;
        const found = resolve(told, { to: "gtid", gtid: stamp?.gtid ?? "" });
        check(told, found, count);
        const isArchived = told.segments.some(({ added }) =>
          contains(gtidSet(added), gtidSet(stamp?.gtid ?? "")),
        );
        expect(found.ok).toBe(isArchived && isRestorable(told, count));
        if (found.ok) expect(found.lastIncluded?.gtid).toBe(stamp?.gtid);
      }),
      { numRuns: 300 },
    );
  });

  test("to a time has exactly what was committed until then, or is refused", () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 990, max: 1_180 }), (told, at) => {
        const count = told.stamps.filter((stamp) => stamp.at <= at).length;
        const found = resolve(told, { to: "time", at });
        check(told, found, count);
        if (!found.ok) return;
        expect(found.lastIncluded?.at ?? 0).toBeLessThanOrEqual(at);
        expect(found.firstExcluded?.at ?? Infinity).toBeGreaterThan(at);
      }),
      { numRuns: 500 },
    );
  });

  test("to the time of an archived transaction, or between two that follow each other, is found where a backup reaches", () => {
    fc.assert(
      fc.property(history, fc.nat({ max: 31 }), (told, number) => {
        const index = number % told.stamps.length;
        const stamp = told.stamps[index];
        const isArchived = (gtid: string | undefined): boolean =>
          gtid !== undefined &&
          told.segments.some(({ added }) => contains(gtidSet(added), gtidSet(gtid)));
        // The archive's end: what came next is not known, and need not be.
        if (!isArchived(stamp?.gtid)) return;
        const isEnd = stamp?.at === told.timeline.at(-1)?.latest;
        if (!isEnd && !isArchived(told.stamps[index + 1]?.gtid)) return;
        const found = resolve(told, { to: "time", at: stamp?.at ?? 0 });
        expect(found.ok).toBe(isRestorable(told, index + 1));
      }),
      { numRuns: 300 },
    );
  });

  test("to the newest state ends with the last transaction that is archived", () => {
    fc.assert(
      fc.property(history, (told) => {
        const found = resolve(told, { to: "latest" });
        const last = told.timeline.at(-1)?.last.gtid;
        check(told, found, told.stamps.findIndex(({ gtid }) => gtid === last) + 1);
      }),
    );
  });
});

const at = (gtid: string, time: number) => ({ gtid, at: time });
const [a, b] = [uuidOf(1), uuidOf(2)];

describe("a plan", () => {
  const before = [at(`${a}:1`, 10)];
  const own = [at(`${a}:2`, 20), at(`${a}:3`, 30), at(`${a}:4`, 40)];
  const first = segmentOf({ epoch: 1, file: "b.000001", from: 4, to: 7, before, stamps: own });

  test("leaves out a branch that was given up, but goes to its moments where they are named", () => {
    // Epoch 2 began behind a:2: somebody accepted the loss of the rest.
    const fork = [...before, at(`${a}:2`, 20)];
    const after = [at(`${b}:1`, 50)];
    const second = segmentOf({
      epoch: 2,
      file: "b.000001",
      from: 4,
      to: 5,
      before: fork,
      stamps: after,
    });
    const told = {
      stamps: [...before, ...own, ...after],
      segments: [first, second],
      timeline: timelineOf([second, first]),
      backups: [backupOf("001", before)],
    };
    const newest = resolve(told, { to: "latest" });
    expect(newest.ok && formatGtidSet(newest.state)).toBe(`${a}:1-2,${b}:1`);
    const then = resolve(told, { to: "gtid", gtid: `${a}:3` });
    expect(then.ok && formatGtidSet(then.state)).toBe(`${a}:1-3`);
  });

  test("takes the newest backup that holds nothing beyond the target", () => {
    const all = [...before, ...own];
    const backups = [1, 2, 4].map((many) => backupOf(`00${many}`, all.slice(0, many)));
    const told = { stamps: all, segments: [first], timeline: [first], backups };
    const found = resolve(told, { to: "gtid", gtid: `${a}:3` });
    expect(found.ok && found.backup.id).toBe("002");
    const last = resolve(told, { to: "latest" });
    expect(last.ok && [last.backup.id, last.segments]).toEqual(["004", []]);
  });

  test("stops before the first transaction that is later, also where the clock was set back", () => {
    const stamps = [at(`${a}:2`, 20), at(`${a}:3`, 90), at(`${a}:4`, 40)];
    const jumped = segmentOf({ epoch: 1, file: "b.000001", from: 4, to: 7, before, stamps });
    const told = {
      stamps: [...before, ...stamps],
      segments: [jumped],
      timeline: [jumped],
      backups: [backupOf("001", before)],
    };
    const found = resolve(told, { to: "time", at: 50 });
    expect(found.ok && found.lastIncluded?.gtid).toBe(`${a}:2`);
    expect(found.ok && found.firstExcluded?.gtid).toBe(`${a}:3`);
  });

  test("says why not", () => {
    const told = {
      stamps: [...before, ...own],
      segments: [first],
      timeline: [first],
      backups: [backupOf("001", [...before, ...own.slice(0, 1)])],
    };
    const why = (target: Target, backups = told.backups) => {
      const found = resolve({ ...told, backups }, target);
      return found.ok ? null : found.why;
    };
    expect(why({ to: "time", at: 19 })).toBe("too-early");
    expect(why({ to: "time", at: 20 })).toBeNull();
    expect(why({ to: "time", at: 40 })).toBeNull();
    expect(why({ to: "time", at: 41 })).toBe("too-late");
    expect(why({ to: "gtid", gtid: `${a}:5` })).toBe("unknown-gtid");
    expect(why({ to: "latest" }, [])).toBe("no-backup");
    const later = segmentOf({
      epoch: 1,
      file: "b.000001",
      from: 9,
      to: 10,
      before: [...told.stamps, at(`${a}:5`, 50)],
      stamps: [at(`${a}:6`, 60)],
    });
    const all = [...told.stamps, at(`${a}:5`, 50), at(`${a}:6`, 60)];
    const holed = { ...told, stamps: all, timeline: [first, later], segments: [first, later] };
    expect(resolve(holed, { to: "latest" })).toEqual({
      ok: false,
      why: "gap",
      missing: `${a}:5`,
    });
    // Whether the missing one was committed by then is not known.
    expect(resolve(holed, { to: "time", at: 55 })).toMatchObject({ ok: false, why: "gap" });
    // Nor where a backup has it.
    const backups = [backupOf("002", [...told.stamps, at(`${a}:5`, 50)])];
    const between = resolve({ ...holed, backups }, { to: "time", at: 45 });
    expect(between).toMatchObject({ ok: false, why: "gap", missing: `${a}:5` });
    expect(resolve({ ...holed, backups }, { to: "latest" }).ok).toBe(true);
  });

  test("prefers a backup that holds more than the archive", () => {
    const [some, all] = [backupOf("001", before), backupOf("002", [...before, ...own])];
    expect(latestBackupBeyond([first], [some])).toBeNull();
    expect(latestBackupBeyond([first], [some, all])?.id).toBe("002");
    expect(latestBackupBeyond([], [all, some])?.id).toBe("002");
    expect(latestBackupBeyond([], [])).toBeNull();
  });
});
