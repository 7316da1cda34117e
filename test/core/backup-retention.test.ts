// Which backups stay: each rule by an example, and all of them as laws over any catalogue.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dayOf, monthOf, weekOf } from "../../recipes/mysql/core/backup/calendar.ts";
import {
  DEFAULT_RETENTION,
  planRetention,
  retentionProblem,
  type Kept,
  type Retention,
} from "../../recipes/mysql/core/backup/retention.ts";

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 20, 12);
const NONE: Retention = { last: 0, daily: 0, weekly: 0, monthly: 0, window: 0 };

function backup(id: string, daysAgo: number, more: Partial<Kept> = {}): Kept {
  return { id, at: NOW - daysAgo * DAY, parent: null, verified: null, hold: null, ...more };
}

/** One a day. */
const daily = (count: number): readonly Kept[] =>
  Array.from({ length: count }, (_, i) => backup(`d${String(i).padStart(3, "0")}`, i));

function kept(backups: readonly Kept[], retention: Partial<Retention>): readonly string[] {
  return planRetention(backups, { ...NONE, ...retention }, NOW).keep.map(({ id }) => id);
}

describe("the calendar of UTC", () => {
  test("agrees with the machine's on every day of 400 years", () => {
    for (let day = -30_000; day < 120_000; day += 1) {
      const date = new Date(day * DAY + 5);
      expect(dayOf(date.getTime())).toBe(day);
      // From one month to the next it grows by one.
      const month = date.getUTCFullYear() * 12 + date.getUTCMonth();
      if (monthOf(date.getTime()) - monthOf(0) !== month - 1970 * 12)
        throw new Error(`${date.toISOString()} is in the wrong month`);
      const monday = date.getUTCDay() === 1;
      if ((weekOf(date.getTime()) !== weekOf(date.getTime() - DAY)) !== monday)
        throw new Error(`${date.toISOString()} is in the wrong week`);
    }
  });
});

describe("a retention", () => {
  test("that keeps nothing, or is no number, is none", () => {
    expect(retentionProblem(DEFAULT_RETENTION)).toBeNull();
    expect(retentionProblem({ ...NONE, window: 7 * DAY })).toContain(
      "every backup would be deleted",
    );
    for (const wrong of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(retentionProblem({ ...DEFAULT_RETENTION, daily: wrong })).toContain("daily");
  });

  test("keeps the last ones", () => {
    expect(kept(daily(10), { last: 3 })).toEqual(["d000", "d001", "d002"]);
  });

  test("keeps the newest even where it is told to keep nothing", () => {
    expect(kept(daily(3), {})).toEqual(["d000"]);
  });

  test("keeps the newest of each day, of days that have one", () => {
    const twice = [...daily(3), backup("earlier", 0.3), backup("long ago", 90)];
    expect(kept(twice, { daily: 4 })).toEqual(["d000", "d001", "d002", "long ago"]);
  });

  test("keeps weeks from Monday on, and months", () => {
    // 20 November 2026 is a Friday.
    expect(kept(daily(40), { weekly: 3 })).toEqual(["d000", "d005", "d012"]);
    expect(kept(daily(90), { monthly: 3 })).toEqual(["d000", "d020", "d051"]);
  });

  test("keeps what a held one and a kept incremental rest on", () => {
    const chain = [
      backup("new", 0),
      backup("i2", 10, { parent: "i1" }),
      backup("i1", 11, { parent: "full" }),
      backup("full", 12),
      backup("other", 13),
    ];
    expect(kept(chain, { last: 1 })).toEqual(["new"]);
    const held = chain.map((one) => (one.id === "i2" ? { ...one, hold: "audit" } : one));
    expect(kept(held, { last: 1 })).toEqual(["new", "i2", "i1", "full"]);
    expect(kept(chain, { last: 2 })).toEqual(["new", "i2", "i1", "full"]);
  });

  test("keeps the newest verified one, however old", () => {
    const one = backup("proven", 300, { verified: true });
    const older = backup("proven before", 301, { verified: true });
    expect(kept([...daily(10), one, older], { last: 2 })).toEqual(["d000", "d001", "proven"]);
  });

  test("does not count those that failed their verification, and lets them go when a newer one is good", () => {
    const all = [backup("bad", 0, { verified: false }), backup("good", 1), backup("older", 2)];
    expect(kept(all, { last: 1 })).toEqual(["bad", "good"]);
    expect(kept([backup("newest", -1), ...all], { last: 1 })).toEqual(["newest"]);
    expect(kept([all[0] ?? backup("", 0)], { last: 1 })).toEqual(["bad"]);
  });

  test("does not count those whose base is missing or bad", () => {
    const orphan = backup("orphan", 0, { parent: "gone" });
    expect(kept([orphan, backup("good", 1), backup("older", 2)], { last: 1 })).toEqual([
      "orphan",
      "good",
    ]);
    const onBad = [backup("i", 0, { parent: "f" }), backup("f", 1, { verified: false })];
    expect(kept([...onBad, backup("good", 2)], { last: 1 })).toContain("good");
  });

  test("keeps the window, and the one that its first moment is recovered from", () => {
    expect(kept(daily(30), { last: 1, window: 3 * DAY })).toEqual(["d000", "d001", "d002", "d003"]);
    expect(
      kept([backup("a", 0), backup("b", 50), backup("c", 60)], { last: 1, window: DAY }),
    ).toEqual(["a", "b"]);
  });

  test("says from which ones moments are recovered: those of the window, or all", () => {
    const plan = (retention: Retention) =>
      planRetention(daily(40), retention, NOW)
        .keep.filter(({ replayed }) => replayed)
        .map(({ id }) => id);
    expect(plan({ ...NONE, last: 2, monthly: 2, window: DAY })).toEqual(["d000", "d001"]);
    expect(plan({ ...NONE, last: 2, monthly: 2 })).toEqual(["d000", "d001", "d020"]);
  });

  test("deletes what rests on something before that", () => {
    const chain = [
      backup("new", 0),
      // A clock that went back: the child seems older than its base.
      backup("i", 30, { parent: "f" }),
      backup("f", 20),
      backup("j", 10, { parent: "i" }),
    ];
    expect(planRetention(chain, { ...NONE, last: 1 }, NOW).remove).toEqual(["j", "i", "f"]);
  });
});

describe("whatever the catalogue and the retention", () => {
  const catalogue = fc
    .array(
      fc.record({
        daysAgo: fc.integer({ min: -5, max: 400 }),
        parent: fc.option(fc.nat(30)),
        verified: fc.constantFrom(null, null, true, false),
        hold: fc.constantFrom(null, null, null, "why"),
      }),
      { maxLength: 25 },
    )
    .map((all) =>
      all.map(({ daysAgo, parent, verified, hold }, i) =>
        // Some parents are missing, and some clocks went back.
        backup(`b${i}`, daysAgo, {
          parent: parent === null || parent === i ? null : `b${parent}`,
          verified,
          hold,
        }),
      ),
    );
  const count = fc.nat(4);
  const retentions = fc
    .record({ last: count, daily: count, weekly: count, monthly: count, window: fc.nat(9) })
    .map((one) => ({ ...one, window: one.window * DAY }))
    .filter((one) => retentionProblem(one) === null);

  const usable = (one: Kept, all: readonly Kept[]): boolean => {
    const seen = new Set<string>();
    for (let at: Kept | undefined = one; ;) {
      if (at === undefined || at.verified === false || seen.has(at.id)) return false;
      if (at.parent === null) return true;
      seen.add(at.id);
      const { parent }: Kept = at;
      at = all.find(({ id }) => id === parent);
    }
  };

  test("nothing that is needed goes", () => {
    fc.assert(
      fc.property(catalogue, retentions, (all, retention) => {
        const { keep, remove } = planRetention(all, retention, NOW);
        const ids = keep.map(({ id }) => id);
        // Each is kept, with a reason, or deleted.
        expect([...ids, ...remove].toSorted()).toEqual(all.map(({ id }) => id).toSorted());
        for (const { reasons } of keep) expect(reasons.length).toBeGreaterThan(0);
        const good = all.filter((one) => usable(one, all)).toSorted((a, b) => b.at - a.at);
        const gone = all.filter(({ id }) => remove.includes(id));
        for (const one of gone) {
          expect(one.hold).toBeNull();
          // Something newer, or as new, that is good stays.
          expect(good.some(({ id, at }) => ids.includes(id) && at >= one.at)).toBe(true);
        }
        for (const one of all)
          if (ids.includes(one.id) && one.parent !== null) expect(remove).not.toContain(one.parent);
        for (const [i, id] of remove.entries()) {
          const later = remove.slice(i + 1);
          for (const other of gone.filter(({ parent }) => parent === id))
            // But in a circle, which no engine makes.
            if (usable(other, all)) expect(later).not.toContain(other.id);
        }
        const verified = good.find((one) => one.verified === true);
        if (verified !== undefined)
          expect(
            good.some(
              ({ id, at, verified: v }) => v === true && at === verified.at && ids.includes(id),
            ),
          ).toBe(true);
        expect(good.filter(({ id }) => ids.includes(id)).length).toBeGreaterThanOrEqual(
          Math.min(retention.last, good.length),
        );
        const begin = NOW - retention.window;
        if (retention.window > 0 && good.some(({ at }) => at <= begin))
          expect(good.some(({ id, at }) => at <= begin && ids.includes(id))).toBe(true);
      }),
      { numRuns: 1500 },
    );
  });

  test("what was decided is decided again: a second look deletes nothing more", () => {
    fc.assert(
      fc.property(catalogue, retentions, (all, retention) => {
        const { remove } = planRetention(all, retention, NOW);
        const left = all.filter(({ id }) => !remove.includes(id));
        expect(planRetention(left, retention, NOW).remove).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
