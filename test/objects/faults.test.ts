// Every fault that the way to an S3 store can have, at every step: the right error or none at all, nothing half visible,
// nothing left uploaded, memory within its bounds. All requests go through a proxy that makes the fault.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parseAddress, type S3Address } from "../../src/objects/address.ts";
import { openS3 } from "../../src/objects/s3.ts";
import { AutopilotError } from "../../src/errors.ts";
import {
  bytesOf,
  failure,
  quickClock,
  readAll,
  type MeasuredStore,
} from "../contract/objects-fixture.ts";
import { startFaultyWay, type Fault, type FaultyWay, type Seen } from "./faulty-way.ts";
import { BUCKET, KEY_ID, SECRET, startStandIn, type StandIn } from "./stand-in.ts";

const PART = 64 * 1024;
const BYTES = bytesOf(5 * PART + 100);

let standIn: StandIn;
let way: FaultyWay;
let store: MeasuredStore;

beforeAll(async () => {
  process.env["AWS_ACCESS_KEY_ID"] = KEY_ID;
  process.env["AWS_SECRET_ACCESS_KEY"] = SECRET;
  standIn = await startStandIn();
  way = await startFaultyWay(standIn.url);
});

beforeEach(() => {
  store = open();
});

afterAll(async () => {
  await way[Symbol.asyncDispose]();
  await standIn[Symbol.asyncDispose]();
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
  way.choose = () => null;
  way.seen.length = 0;
  standIn.objects.clear();
  standIn.uploads.clear();
  standIn.manners = {};
});

/** Time-outs as short as a test wants to wait for them; a whole request takes 5 ms here. */
function open(tries?: number): MeasuredStore {
  const address = parseAddress(`s3://${BUCKET}/p?endpoint=${way.url}`, {}) as S3Address;
  const timeouts = { connectMs: 500, idleMs: 300, answerMs: 300 };
  const given = tries === undefined ? {} : { tries };
  return openS3(address, { clock: quickClock, timeouts, ...given });
}

async function upload(key = "x", condition = false): Promise<unknown> {
  await using one = store.upload(key, { partBytes: PART });
  for (let at = 0; at < BYTES.length; at += 10_000)
    await one.write(BYTES.subarray(at, at + 10_000));
  return await one.finish(condition ? { ifNoneMatch: true } : undefined);
}

const isPart = ({ method, query }: Seen): boolean => method === "PUT" && query.has("partNumber");
const isCreate = ({ method, query }: Seen): boolean => method === "POST" && query.has("uploads");
const isComplete = ({ method, query }: Seen): boolean => method === "POST" && query.has("uploadId");
const isPut = ({ method, query }: Seen): boolean => method === "PUT" && !query.has("partNumber");
const isRead = ({ method, range }: Seen): boolean => method === "GET" && range !== null;
const isGet = ({ method, path }: Seen): boolean => method === "GET" && path.endsWith("/x");

/** The first `times` requests of the kind meet the fault. */
function first(times: number, kind: (seen: Seen) => boolean, fault: Fault): void {
  let met = 0;
  way.choose = (seen) => (kind(seen) && met++ < times ? fault : null);
}

function expectNothingLeft(): void {
  expect([...standIn.objects.keys()]).toEqual([]);
  expect(standIn.uploads.size).toBe(0);
  expect(store.memory.bytes).toBe(0);
}

function expectBounded(): void {
  expect(store.memory.bytes).toBe(0);
  expect(store.memory.peak).toBeLessThanOrEqual(5 * PART);
  expect(way.together()).toBeLessThanOrEqual(4);
}

const passing: readonly Fault[] = [
  { do: "answer", status: 500, code: "InternalError" },
  { do: "answer", status: 503, code: "SlowDown" },
  { do: "answer", status: 429, code: "TooManyRequests" },
  { do: "babble", status: 502 },
  { do: "hang" },
  { do: "reset" },
  { do: "lose-answer" },
];
/** Time-outs are waited for. */
const timesOf = (fault: Fault): number => (fault.do === "hang" ? 1 : 3);
const name = (fault: Fault): string =>
  "code" in fault ? fault.code : "status" in fault ? `${fault.do} ${fault.status}` : fault.do;

describe("a fault that passes is not noticed", () => {
  for (const fault of passing)
    for (const [step, kind] of [
      ["beginning", isCreate],
      ["sending a part", isPart],
      ["completing", isComplete],
    ] as const)
      test(`${name(fault)} while ${step}`, async () => {
        const times = timesOf(fault);
        first(times, kind, fault);
        await upload("x", true);
        expect(standIn.objects.get("p/x")?.body.equals(BYTES)).toBe(true);
        expectBounded();
        // A lost answer to the beginning leaves an upload that nobody knows: the sweep's.
        const unknown = fault.do === "lose-answer" && kind === isCreate ? times : 0;
        expect(standIn.uploads.size).toBe(unknown);
      });

  for (const fault of [...passing, { do: "break-body" }, { do: "shorten-body" }] as const)
    test(`${name(fault)} while reading`, async () => {
      await upload();
      first(timesOf(fault), isRead, fault);
      expect((await readAll(store, "x")).equals(BYTES)).toBe(true);
      expect(store.memory.bytes).toBe(0);
    });

  test("a part that breaks in the middle is read on from there, not again", async () => {
    await upload();
    first(2, isRead, { do: "break-body" });
    await readAll(store, "x");
    const starts = way.seen
      .filter(isRead)
      .map(({ range }) => Number(/(\d+)-/.exec(range ?? "")?.[1]));
    expect(starts).toHaveLength(3);
    expect(starts[1]).toBeGreaterThan(0);
    expect(starts[2]).toBeGreaterThan(starts[1] ?? 0);
  });

  for (const kind of [isPart, isPut])
    test(`a bit that flips on the way there (${kind === isPart ? "a part" : "a put"})`, async () => {
      first(2, kind, { do: "flip-request" });
      if (kind === isPart) await upload();
      else await store.put("x", BYTES);
      expect(standIn.objects.get("p/x")?.body.equals(BYTES)).toBe(true);
    });

  test("a bit that flips on the way back, where the parts' hashes are known", async () => {
    const { parts } = (await upload()) as { parts: { bytes: number; sha256: string }[] };
    first(2, isRead, { do: "flip-answer" });
    expect((await readAll(store, "x", { parts })).equals(BYTES)).toBe(true);
  });
});

describe("a lost answer is not taken for another writer", () => {
  for (const [kind, write] of [
    [isPut, () => store.put("x", BYTES, { ifNoneMatch: true })],
    [isComplete, () => upload("x", true)],
  ] as const)
    test(`${kind === isPut ? "put" : "complete"} on condition was done by the try that nobody answered`, async () => {
      first(1, kind, { do: "lose-answer" });
      await write();
      expect(standIn.objects.get("p/x")?.body.equals(BYTES)).toBe(true);
      expect(standIn.uploads.size).toBe(0);
    });

  test("put on condition of an etag, the same", async () => {
    const { etag } = await store.put("x", bytesOf(10));
    first(1, isPut, { do: "lose-answer" });
    const second = await store.put("x", BYTES, { ifMatch: etag });
    expect(second.etag).toBe((await store.head("x"))?.etag);
  });

  test("but another writer who was there in between is", async () => {
    way.choose = (seen) => {
      if (!isPut(seen)) return null;
      standIn.objects.set("p/x", { body: bytesOf(3), etag: '"a"', at: new Date(), id: "another" });
      return way.seen.filter(isPut).length === 1 ? { do: "reset" } : null;
    };
    const late = failure(store.put("x", BYTES, { ifNoneMatch: true }));
    expect(await late).toMatchObject({ name: "ConflictError", code: "AP_OBJECTS_CONFLICT" });
    expect(standIn.objects.get("p/x")?.body.equals(bytesOf(3))).toBe(true);
  });

  test("and when the store never says, the error does", async () => {
    store = open(2);
    way.choose = (seen) => {
      if (isPut(seen)) return { do: "lose-answer" };
      return seen.method === "HEAD" ? { do: "reset" } : null;
    };
    const error = (await failure(store.put("x", BYTES, { ifNoneMatch: true }))) as Error;
    expect(error).toMatchObject({ name: "UnavailableError", code: "AP_OBJECTS_UNREACHABLE" });
    expect(error.message).toContain("not known whether");
  });
});

describe("a fault that stays is one clear error, and nothing is left", () => {
  const lasting: readonly [Fault, string, string][] = [
    [{ do: "answer", status: 500, code: "InternalError" }, "UnavailableError", "AP_OBJECTS_BUSY"],
    [{ do: "answer", status: 503, code: "SlowDown" }, "UnavailableError", "AP_OBJECTS_BUSY"],
    [{ do: "reset" }, "UnavailableError", "AP_OBJECTS_UNREACHABLE"],
    [{ do: "flip-request" }, "RefusedError", "AP_OBJECTS_DAMAGED"],
    [{ do: "answer", status: 403, code: "AccessDenied" }, "ConfigError", "AP_OBJECTS_READONLY"],
    [
      { do: "answer", status: 403, code: "RequestTimeTooSkewed" },
      "ConfigError",
      "AP_OBJECTS_CLOCK",
    ],
    [
      { do: "answer", status: 403, code: "InvalidAccessKeyId" },
      "ConfigError",
      "AP_OBJECTS_CREDENTIALS",
    ],
    [
      { do: "answer", status: 403, code: "SignatureDoesNotMatch" },
      "ConfigError",
      "AP_OBJECTS_CREDENTIALS",
    ],
    [{ do: "answer", status: 400, code: "ExpiredToken" }, "ConfigError", "AP_OBJECTS_CREDENTIALS"],
    [{ do: "answer", status: 301, code: "PermanentRedirect" }, "ConfigError", "AP_OBJECTS_REGION"],
    [
      { do: "answer", status: 400, code: "AuthorizationHeaderMalformed" },
      "ConfigError",
      "AP_OBJECTS_REGION",
    ],
    [{ do: "answer", status: 507, code: "QuotaExceeded" }, "UnavailableError", "AP_OBJECTS_FULL"],
    [{ do: "answer", status: 403, code: "QuotaExceeded" }, "UnavailableError", "AP_OBJECTS_FULL"],
    [{ do: "answer", status: 400, code: "EntityTooLarge" }, "RefusedError", "AP_OBJECTS_LIMIT"],
    [{ do: "answer", status: 501, code: "NotImplemented" }, "RefusedError", "AP_OBJECTS_UNFIT"],
    [{ do: "babble", status: 200 }, "ConfigError", "AP_OBJECTS_ENDPOINT"],
    [{ do: "babble", status: 404 }, "ConfigError", "AP_OBJECTS_ENDPOINT"],
  ];
  for (const [fault, kind, code] of lasting)
    test(`${name(fault)} to a part is ${code}`, async () => {
      way.choose = (seen) => (isPart(seen) ? fault : null);
      const error = await failure(upload());
      expect(error).toMatchObject({ name: kind, code });
      expectOneLine(error);
      expectNothingLeft();
      expectBounded();
    });

  test("a clock that differs is said after the second try, keys and buckets at once", async () => {
    way.choose = () => ({ do: "answer", status: 403, code: "RequestTimeTooSkewed" });
    await failure(store.list(""));
    expect(way.seen).toHaveLength(2);
    way.seen.length = 0;
    way.choose = () => ({ do: "answer", status: 403, code: "InvalidAccessKeyId" });
    await failure(store.list(""));
    expect(way.seen).toHaveLength(1);
  });

  test("a store that stays away is asked ten times, not for ever", async () => {
    way.choose = () => ({ do: "answer", status: 503, code: "SlowDown" });
    expect(await failure(store.list(""))).toMatchObject({ code: "AP_OBJECTS_BUSY" });
    expect(way.seen).toHaveLength(10);
  });

  test("a store that answers no part is sent four of them, and no more", async () => {
    store = open(1);
    way.choose = (seen) => (isPart(seen) ? { do: "hang" } : null);
    expect(await failure(upload())).toMatchObject({ code: "AP_OBJECTS_UNREACHABLE" });
    expect(way.seen.filter(isPart).length).toBeLessThanOrEqual(4);
    expectNothingLeft();
    expectBounded();
  });

  test("another writer at the moment of completing (409) is a conflict, and the parts are gone", async () => {
    way.choose = (seen) =>
      isComplete(seen) ? { do: "answer", status: 409, code: "ConditionalRequestConflict" } : null;
    expect(await failure(upload("x", true))).toMatchObject({
      name: "ConflictError",
      code: "AP_OBJECTS_CONFLICT",
    });
    expectNothingLeft();
  });

  test("an error in an answer of 200 to completing is no success", async () => {
    let completed = 0;
    way.choose = (seen) => {
      if (!isComplete(seen)) return null;
      completed += 1;
      return { do: "answer", status: 200, code: "InternalError" };
    };
    expect(await failure(upload())).toMatchObject({ code: "AP_OBJECTS_BUSY" });
    expect(completed).toBe(10);
    expectNothingLeft();
  });

  test("a store that puts the parts together wrongly is not believed", async () => {
    standIn.manners = { cutsOnComplete: true };
    const error = await failure(upload());
    expect(error).toMatchObject({ name: "RefusedError", code: "AP_OBJECTS_DAMAGED" });
    expect((error as Error).message).toContain(`${BYTES.length - 1} are there`);
  });

  test("a store that ignores the condition on completing is not asked to when the object is there", async () => {
    standIn.manners = { ignoreNoneMatchOnComplete: true };
    await store.put("x", bytesOf(3));
    expect(await failure(upload("x", true))).toMatchObject({ code: "AP_OBJECTS_CONFLICT" });
    expect(standIn.objects.get("p/x")?.body.equals(bytesOf(3))).toBe(true);
    expect(way.seen.filter(isComplete)).toEqual([]);
    expect(standIn.uploads.size).toBe(0);
  });

  test("a part that the store lost is damage", async () => {
    way.choose = (seen) => {
      if (isComplete(seen)) for (const { parts } of standIn.uploads.values()) parts.delete(2);
      return null;
    };
    expect(await failure(upload())).toMatchObject({ code: "AP_OBJECTS_DAMAGED" });
    expectNothingLeft();
  });

  for (const [fault, code] of [
    [{ do: "shorten-body" }, "AP_OBJECTS_TRUNCATED"],
    [{ do: "flip-answer" }, "AP_OBJECTS_DAMAGED"],
    [{ do: "answer", status: 403, code: "AccessDenied" }, "AP_OBJECTS_DENIED"],
    [{ do: "hang" }, "AP_OBJECTS_UNREACHABLE"],
  ] as const)
    test(`${fault.do} of every range is ${code}, and no wrong byte is handed out`, async () => {
      const { parts } = (await upload()) as { parts: { bytes: number; sha256: string }[] };
      store = fault.do === "hang" ? open(2) : open();
      way.choose = (seen) => (isRead(seen) ? fault : null);
      const pieces: Buffer[] = [];
      const reading = (async () => {
        for await (const piece of store.read("x", { parts })) pieces.push(piece);
      })();
      const error = await failure(reading);
      expect(error).toMatchObject({ code });
      expectOneLine(error);
      expect(pieces).toEqual([]);
      expect(store.memory.bytes).toBe(0);
    });

  test("a small object whose body is cut off is an error, never short", async () => {
    await store.put("x", BYTES);
    store = open(2);
    for (const [fault, code] of [
      ["shorten-body", "AP_OBJECTS_TRUNCATED"],
      ["break-body", "AP_OBJECTS_UNREACHABLE"],
      ["hang", "AP_OBJECTS_UNREACHABLE"],
    ] as const) {
      way.choose = (seen) => (isGet(seen) ? { do: fault } : null);
      expect(await failure(store.get("x"))).toMatchObject({ code });
    }
  });

  test("parts that nobody could abort are swept later", async () => {
    way.choose = (seen) =>
      isPart(seen) || seen.method === "DELETE" ? { do: "answer", status: 500, code: "x" } : null;
    expect(await failure(upload())).toMatchObject({ code: "AP_OBJECTS_BUSY" });
    expect(standIn.uploads.size).toBe(1);
    way.choose = () => null;
    const { items } = await store.unfinished("");
    for (const one of items) await store.abortUnfinished(one);
    expectNothingLeft();
  });
});

describe("secrets", () => {
  test("are in no error, whatever the store answers", async () => {
    const codes = ["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "InternalError"];
    for (const code of codes) {
      way.choose = () => ({ do: "answer", status: 403, code });
      const attempts = [
        () => store.list(""),
        () => store.put("x", BYTES),
        () => store.get("x"),
        upload,
      ];
      for (const attempt of attempts) {
        const error = await failure(attempt());
        const printed = JSON.stringify(everythingOf(error));
        expect(printed).not.toContain(SECRET);
        expect(printed).not.toContain(KEY_ID);
        expect(printed).not.toMatch(/Signature=|authorization/i);
      }
    }
  });
});

function everythingOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return [error.message, Object.entries(error), everythingOf(error.cause)];
}

function expectOneLine(error: unknown): void {
  expect(error).toBeInstanceOf(AutopilotError);
  const { message, hint } = error as AutopilotError;
  expect(message).toMatch(/^s3:\/\/shelf\/p: [^\n]+$/);
  expect(message.length).toBeLessThan(350);
  expect(hint).not.toBe("");
}
