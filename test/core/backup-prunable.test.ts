// Which archived binary logs go with the backups that needed them: none that a backup is still gone on from with.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { prunableSegments } from "../../recipes/mysql/core/backup/prunable.ts";
import { timelineOf, type Segment } from "../../recipes/mysql/core/backup/segment.ts";
import { cutWithin, locate, plan } from "../../recipes/mysql/core/backup/target.ts";
import { backupOf, history, segmentOf, setOfStamps, uuidOf } from "./archived-history.ts";
import { contains, gtidSet } from "../../recipes/mysql/core/gtid.ts";

const [A, B] = [uuidOf(1), uuidOf(2)];
const stampsOf = (uuid: string, first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => ({
    gtid: `${uuid}:${first + i}`,
    at: (uuid === A ? 0 : 1_000) + first + i,
  }));

/** Ten transactions each: four segments of A, then two of B, its successor. */
const archive: readonly Segment[] = [1, 11, 21, 31].map((first) =>
  segmentOf({
    epoch: 1,
    file: "binlog.000001",
    from: first,
    to: first + 10,
    before: first === 1 ? [] : stampsOf(A, 1, first - 1),
    stamps: stampsOf(A, first, first + 9),
  }),
);
const successor: readonly Segment[] = [1, 11].map((first) =>
  segmentOf({
    epoch: 2,
    file: "binlog.000001",
    from: first,
    to: first + 10,
    before: [...stampsOf(A, 1, 40), ...(first === 1 ? [] : stampsOf(B, 1, 10))],
    stamps: stampsOf(B, first, first + 9),
  }),
);
const all = [...archive, ...successor];
const settledBefore = 1e6;
const firsts = (backups: readonly string[], segments = all, settled = settledBefore) =>
  prunableSegments(segments, { backups, settledBefore: settled }).map(({ first }) => first.gtid);

describe("segments of the archive", () => {
  test("go when every backup that is gone on from has all of their transactions, the oldest first", () => {
    expect(firsts([`${A}:1-35`])).toEqual([`${A}:1`, `${A}:11`]);
    expect(firsts([`${A}:1-35`, `${A}:1-25`])).toEqual([`${A}:1`]);
    expect(firsts([`${A}:1-35`], all.toReversed())).toEqual([`${A}:1`, `${A}:11`]);
    // Its end is that of a segment: the needed one after it begins there.
    expect(firsts([`${A}:1-30`])).toEqual([`${A}:1`, `${A}:11`]);
  });

  test("stay where they are the last of their server: it says how far that one's are archived", () => {
    expect(firsts([`${A}:1-40,${B}:1-20`])).toEqual([`${A}:1`, `${A}:11`, `${A}:21`, `${B}:1`]);
  });

  test("stay for a backup under way, while they are young", () => {
    const young = archive[1]?.latest ?? 0;
    expect(firsts([`${A}:1-40`], all, young)).toEqual([]);
    expect(firsts([`${A}:1-40`], all, young + 1)).toEqual([`${A}:1`]);
  });

  test("stay while nobody says what is needed, or what they are", () => {
    expect(firsts([])).toEqual([]);
    expect(firsts(["0-1-2"])).toEqual([]);
    const [one, ...others] = archive;
    const odd = { ...(one as Segment), added: "?" };
    expect(firsts([`${A}:1-40`], [odd, ...others])).not.toContain(odd.first.gtid);
  });

  test("that lie within a merged one go or stay for themselves", () => {
    const merged = { ...(archive[0] as Segment), to: 41, added: `${A}:1-40`, latest: 40 };
    expect(firsts([`${A}:1-15`], [merged, ...archive])).toEqual([`${A}:1`]);
  });
});

test("no moment after a backup that is gone on from is lost with them", () => {
  fc.assert(
    fc.property(history, fc.nat({ max: 200 }), ({ stamps, segments, timeline, backups }, after) => {
      const kept = backups.filter((_, i) => i % 2 === 0);
      const gone = prunableSegments(segments, {
        backups: kept.map(({ gtid }) => gtid),
        settledBefore,
      });
      const left = timelineOf(segments.filter((one) => !gone.includes(one)));
      for (const { gtid } of kept)
        for (const one of gone) expect(contains(gtidSet(gtid), gtidSet(one.added))).toBe(true);
      const at = 1_000 + after;
      const before = recovered(timeline, kept, at, stamps);
      const oldest = kept.toSorted((a, b) => a.gtid.length - b.gtid.length)[0];
      const state = setOfStamps(stamps.filter((stamp) => stamp.at <= at));
      if (before === null || oldest === undefined || !contains(state, gtidSet(oldest.gtid))) return;
      expect(recovered(left, kept, at, stamps)).toEqual(before);
    }),
    { numRuns: 500 },
  );
});

/** The state that a restore to this moment has; null: it is refused. */
function recovered(
  timeline: readonly Segment[],
  backups: readonly ReturnType<typeof backupOf>[],
  at: number,
  stamps: readonly { readonly gtid: string; readonly at: number }[],
) {
  const target = { to: "time", at } as const;
  if (timeline.length === 0) return null;
  const place = locate(timeline, target);
  if (!place.ok || place.whole) return null;
  const own = gtidSet(timeline[place.segment]?.added ?? "");
  const within = stamps.filter(({ gtid }) => contains(own, gtidSet(gtid)));
  const cut = cutWithin(timeline, { segment: place.segment, stamps: within, target });
  if ("ok" in cut) return null;
  const found = plan(timeline, backups, cut);
  return found.ok ? found.state : null;
}
