// The probe sees through stores that say yes to everything, and cleans up after itself whatever it finds.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { parseAddress, type S3Address } from "../../src/objects/address.ts";
import { probe, refusals } from "../../src/objects/probe.ts";
import { openS3 } from "../../src/objects/s3.ts";
import { failure, quickClock } from "../contract/objects-fixture.ts";
import { startFaultyWay } from "./faulty-way.ts";
import { BUCKET, KEY_ID, SECRET, startStandIn, type Manners, type StandIn } from "./stand-in.ts";

let standIn: StandIn;
beforeAll(async () => {
  process.env["AWS_ACCESS_KEY_ID"] = KEY_ID;
  process.env["AWS_SECRET_ACCESS_KEY"] = SECRET;
  standIn = await startStandIn();
});
afterAll(() => standIn[Symbol.asyncDispose]());
afterEach(() => {
  standIn.manners = {};
  standIn.objects.clear();
});

const options = { listed: 30, partBytes: 64 * 1024 };

function open(url = standIn.url) {
  const address = parseAddress(`s3://${BUCKET}?endpoint=${url}`, {}) as S3Address;
  return openS3(address, { clock: quickClock, tries: 2, lookFirst: false });
}

async function found(manners: Manners) {
  standIn.manners = manners;
  await using store = open();
  return probe(store, options);
}

describe("the probe", () => {
  test("finds nothing wrong with a store that keeps its promises", async () => {
    const findings = await found({});
    expect(findings.filter(({ ok }) => ok !== true)).toEqual([]);
  });

  test("refuses a store that ignores conditions on put", async () => {
    for (const [manners, ability] of [
      [{ ignoreNoneMatch: true }, "If-None-Match on put"],
      [{ ignoreMatch: true }, "If-Match on put"],
    ] as const) {
      const reasons = refusals(await found(manners));
      expect(reasons).toHaveLength(1);
      expect(reasons[0]).toMatch(new RegExp(`^${ability}: ignored`));
    }
  });

  test("says that a store ignores them on completing, which autopilot can live with", async () => {
    const findings = await found({ ignoreNoneMatchOnComplete: true });
    expect(refusals(findings)).toEqual([]);
    expect(findings.find(({ ability }) => ability === "If-None-Match on complete")).toMatchObject({
      ok: false,
      needed: false,
    });
  });

  test("reads lists of more than a page", async () => {
    expect(refusals(await found({ page: 7 }))).toEqual([]);
  });

  test("ends at once with the reason where nothing can be written", async () => {
    const error = await failure(found({ readOnly: true }));
    expect(error).toMatchObject({ name: "ConfigError", code: "AP_OBJECTS_READONLY" });
  });

  test("leaves nothing when it is interrupted", async () => {
    const stop = new AbortController();
    await using way = await startFaultyWay(standIn.url);
    await using store = open(way.url);
    way.choose = () => {
      if (way.seen.length === 20) stop.abort();
      return null;
    };
    const error = await failure(probe(store, { ...options, signal: stop.signal }));
    expect(error).toMatchObject({ name: "AbortError" });
    expect(way.seen.length).toBeLessThan(100);
    expect(standIn.objects.size + standIn.uploads.size).toBe(0);
  });

  test("leaves nothing, also when the store goes away in the middle", async () => {
    await found({});
    expect(standIn.objects.size + standIn.uploads.size).toBe(0);
    await using way = await startFaultyWay(standIn.url);
    await using store = open(way.url);
    let parts = 0;
    way.choose = ({ query }) =>
      query.has("partNumber") && ++parts === 2
        ? { do: "answer", status: 403, code: "AccessDenied" }
        : null;
    await failure(probe(store, options));
    expect(parts).toBeGreaterThan(1);
    expect(standIn.objects.size + standIn.uploads.size).toBe(0);
  });
});
