import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PART_BYTES_MAX, PART_BYTES_MIN, PARTS_MAX, planParts } from "../../src/core/part-plan.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

describe("the plan of an upload's parts", () => {
  test("is 16 MiB and four at a time for what is small, or of a size that nobody knows", () => {
    for (const estimate of [null, 0, 1, GIB, 100 * GIB])
      expect(planParts(estimate)).toEqual({ partBytes: 16 * MIB, inFlight: 4 });
  });

  test("takes everything up to S3's limits, grown by a third beyond its estimate", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 34_000 * GIB }), (estimate) => {
        const { partBytes } = planParts(estimate);
        expect(partBytes).toBeGreaterThanOrEqual(PART_BYTES_MIN);
        expect(partBytes).toBeLessThanOrEqual(PART_BYTES_MAX);
        expect(partBytes * PARTS_MAX).toBeGreaterThanOrEqual(estimate * 1.3);
      }),
    );
  });

  test("never asks for smaller parts for a larger source", () => {
    const size = fc.integer({ min: 0, max: 34_000 * GIB });
    fc.assert(
      fc.property(size, size, (a, b) => {
        const [less, more] = [Math.min(a, b), Math.max(a, b)];
        expect(planParts(less).partBytes).toBeLessThanOrEqual(planParts(more).partBytes);
      }),
    );
  });

  test("keeps buffers within 96 MiB as long as two parts fit, and sends at least one", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 34_000 * GIB }), (estimate) => {
        const { partBytes, inFlight } = planParts(estimate);
        expect(inFlight).toBeGreaterThanOrEqual(1);
        expect(inFlight).toBeLessThanOrEqual(4);
        if (2 * partBytes <= 96 * MIB)
          expect((inFlight + 1) * partBytes).toBeLessThanOrEqual(96 * MIB);
        else expect(inFlight).toBe(1);
      }),
    );
  });

  test("has parts of the size that is given", () => {
    expect(planParts(null, 5 * MIB)).toEqual({ partBytes: 5 * MIB, inFlight: 4 });
    expect(planParts(GIB, 40 * MIB)).toEqual({ partBytes: 40 * MIB, inFlight: 1 });
  });
});
