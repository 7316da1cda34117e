// The contract on a real object store, Ceph's RGW, which verifies signatures and has its own idea of S3; and the faults
// that only a real one can answer: wrong keys, wrong buckets, a body that was changed on the way.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAddress, type S3Address } from "../../src/objects/address.ts";
import { openS3 } from "../../src/objects/s3.ts";
import { startFaultyWay, type Fault, type FaultyWay } from "../objects/faulty-way.ts";
import { CEPH_KEYS, findCeph, startCeph, type CephUnderTest } from "./ceph-server.ts";
import { bytesOf, failure, quickClock, readAll, type MeasuredStore } from "./objects-fixture.ts";
import { objectsContract } from "./objects.contract.ts";

const PART = 5 * 1024 * 1024;
const BUCKET = "real-shelf";
const found = await findCeph();

if ("why" in found) {
  // Half a gigabyte that only CI and who asks (AUTOPILOT_TEST_RGW=1) should fetch: then the same contract still runs on the
  // directory and on the stand-in, and this says loudly that no real store was asked.
  console.warn(`SKIPPED: object stores on a real Ceph RGW: ${found.why}`);
  describe.skip(`object store contract on a real Ceph RGW: skipped, ${found.why}`, () => {
    test("needs Ceph", () => undefined);
  });
} else {
  const { tool } = found;
  let ceph: CephUnderTest | undefined;
  const started = async (): Promise<CephUnderTest> => (ceph ??= await startCeph(tool, BUCKET));
  beforeAll(async () => {
    process.env["AWS_ACCESS_KEY_ID"] = CEPH_KEYS.accessKeyId;
    process.env["AWS_SECRET_ACCESS_KEY"] = CEPH_KEYS.secretAccessKey;
    await started();
  }, 300_000);
  afterAll(async () => {
    await ceph?.[Symbol.asyncDispose]();
  }, 60_000);

  objectsContract("a real Ceph RGW", async () => {
    const { url } = await started();
    return {
      open: () => openAt(url),
      openMissing: () => openAt(url, "another"),
      partBytes: PART,
      [Symbol.asyncDispose]: async () => {},
    };
  });
  faults(started);
}

function openAt(url: string, bucket = BUCKET): MeasuredStore {
  const address = parseAddress(`s3://${bucket}/some where?endpoint=${url}`, {}) as S3Address;
  return openS3(address, { clock: quickClock });
}

function faults(started: () => Promise<CephUnderTest>): void {
  describe("on the way to a real Ceph RGW", () => {
    let way: FaultyWay;
    let store: MeasuredStore;
    beforeAll(async () => {
      way = await startFaultyWay((await started()).url);
      store = openAt(way.url);
    });
    afterAll(async () => {
      await store[Symbol.asyncDispose]();
      await way[Symbol.asyncDispose]();
    });

    const bytes = bytesOf(2 * PART + 7);
    async function upload(key: string): Promise<void> {
      await using one = store.upload(key, { partBytes: PART });
      await one.write(bytes);
      await one.finish({ ifNoneMatch: true });
    }

    for (const fault of [
      { do: "flip-request" },
      { do: "lose-answer" },
      { do: "reset" },
      { do: "answer", status: 503, code: "SlowDown" },
    ] as const satisfies readonly Fault[])
      test(`${fault.do} of a part and of the completion is healed`, async () => {
        const key = `faults/${fault.do}`;
        const met = new Set<string>();
        way.choose = ({ method, query }) => {
          const kind = query.has("partNumber") ? "part" : query.has("uploadId") ? "complete" : "";
          if (kind === "" || method === "DELETE" || met.has(kind)) return null;
          met.add(kind);
          return fault;
        };
        await upload(key);
        way.choose = () => null;
        expect(met.size).toBe(2);
        expect((await readAll(store, key)).equals(bytes)).toBe(true);
        expect((await store.unfinished("faults/")).items).toEqual([]);
      });

    test("keys that it does not know, and a wrong secret, are said without repeating them", async () => {
      for (const [id, secret] of [
        ["AKNOBODY", CEPH_KEYS.secretAccessKey],
        [CEPH_KEYS.accessKeyId, "wrong-secret"],
      ] as const) {
        process.env["AWS_ACCESS_KEY_ID"] = id;
        process.env["AWS_SECRET_ACCESS_KEY"] = secret;
        await using stranger = openAt(way.url);
        for (const attempt of [
          () => stranger.head("x"),
          () => stranger.list(""),
          () => stranger.put("x", bytesOf(1)),
        ]) {
          const error = (await failure(attempt())) as Error;
          expect(error).toMatchObject({ name: "ConfigError", code: "AP_OBJECTS_CREDENTIALS" });
          expect(`${error.message} ${String(error.cause)}`).not.toMatch(/AKNOBODY|wrong-secret/);
        }
      }
      process.env["AWS_ACCESS_KEY_ID"] = CEPH_KEYS.accessKeyId;
      process.env["AWS_SECRET_ACCESS_KEY"] = CEPH_KEYS.secretAccessKey;
    });
  });
}
