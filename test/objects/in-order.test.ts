// The ordered queue: whatever order the work ends in, its results come in the order of the items, and never more of them
// are under way or waiting than its width.
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inOrder } from "../../src/objects/in-order.ts";

/** Each item takes as many turns of the event loop as the test says. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await setImmediate();
}

describe("the ordered queue", () => {
  test("gives results in order, at most `width` of them beside the one handed out", async () => {
    const delays = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 20 });
    const width = fc.integer({ min: 1, max: 6 });
    await fc.assert(
      fc.asyncProperty(delays, width, fc.integer({ min: 0, max: 3 }), async (each, wide, slow) => {
        let [started, taken, most] = [0, 0, 0];
        const work = async (delay: number): Promise<number> => {
          const number = started++;
          most = Math.max(most, started - taken);
          await turns(delay);
          return number;
        };
        const seen: number[] = [];
        for await (const number of inOrder(each, wide, work)) {
          seen.push(number);
          await turns(slow);
          taken += 1;
        }
        expect(seen).toEqual(each.map((_, i) => i));
        expect(most).toBeLessThanOrEqual(wide + 1);
        if (each.length > wide) expect(most).toBeGreaterThanOrEqual(wide);
      }),
      { numRuns: 60 },
    );
  });

  test("ends with the first failure in order, after the results before it, and all work has stopped", async () => {
    const delays = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(delays, fc.nat(), async (each, choice) => {
        const bad = choice % each.length;
        let underWay = 0;
        let next = 0;
        const work = async (delay: number, signal: AbortSignal): Promise<number> => {
          const number = next++;
          underWay += 1;
          try {
            for (let i = 0; i < delay; i++) {
              await setImmediate();
              signal.throwIfAborted();
            }
            // Later ones fail too, and sooner.
            if (number >= bad) throw new Error(`item ${number}`);
            return number;
          } finally {
            underWay -= 1;
          }
        };
        const seen: number[] = [];
        const all = (async () => {
          for await (const number of inOrder(each, 4, work)) seen.push(number);
        })();
        await expect(all).rejects.toThrow(`item ${bad}`);
        expect(seen).toEqual(each.slice(0, bad).map((_, i) => i));
        expect(underWay).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  test("stops the work when nobody wants more", async () => {
    const stopped: number[] = [];
    const work = async (item: number, signal: AbortSignal): Promise<number> => {
      if (item > 0) await new Promise((done) => signal.addEventListener("abort", done));
      if (signal.aborted) stopped.push(item);
      return item;
    };
    for await (const item of inOrder([0, 1, 2, 3, 4, 5, 6, 7], 3, work)) {
      expect(item).toBe(0);
      break;
    }
    expect(stopped).toEqual([1, 2, 3]);
  });
});
