// The object store on S3 and what speaks its protocol: AWS, Ceph RGW, SeaweedFS, versitygw.
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type GetObjectCommandOutput,
} from "@aws-sdk/client-s3";
import { planParts } from "../core/part-plan.ts";
import { AutopilotError, ConfigError, ConflictError, UnavailableError } from "../errors.ts";
import type { Clock, ObjectStore } from "../ports.ts";
import { nameOf, type S3Address } from "./address.ts";
import { checkKey, checkSmall, SMALL_BYTES_MAX } from "./check-key.ts";
import { createMeter, type Gauge } from "./pool.ts";
import { readRanges, sha256Of, type FetchRange } from "./read.ts";
import { TRIES } from "./retry.ts";
import { createClient, TIMEOUTS, type Timeouts } from "./s3-client.ts";
import { failureOf } from "./s3-failure.ts";
import { headWithId, infoOf, request, target, type Bucket } from "./s3-requests.ts";
import { abortUpload, putObject, s3Sink } from "./s3-upload.ts";
import { PartedUpload } from "./upload.ts";

/** S3's longest page, and its longest list of keys to delete. */
const PAGE = 1000;

export type S3Options = {
  readonly clock: Clock;
  readonly tries?: number;
  readonly timeouts?: Timeouts;
  /** False: rely on the store's conditions alone, to see whether it keeps them. */
  readonly lookFirst?: boolean;
};

export type S3Store = ObjectStore & {
  readonly kind: "s3";
  readonly memory: Gauge;
  damagedPut(key: string): Promise<unknown>;
};

export function openS3(
  address: S3Address,
  { clock, tries = TRIES, timeouts = TIMEOUTS, lookFirst = true }: S3Options,
): S3Store {
  const client = createClient(address, timeouts);
  const name = nameOf(address);
  const bucket: Bucket = { client, address, name, patience: { clock, tries }, lookFirst };
  const meter = createMeter();
  const head = async (key: string) => (await headWithId(bucket, key))?.info ?? null;
  return {
    name,
    memory: meter,
    kind: "s3",
    list: (prefix, page) => list(bucket, prefix, page),
    async head(key) {
      checkKey(key);
      return head(key);
    },
    async get(key) {
      checkKey(key);
      return getWhole(bucket, key);
    },
    async *read(key, how) {
      checkKey(key);
      const info = await head(key);
      if (info === null) throw missing(bucket, key);
      const reading = { name, info, meter, patience: bucket.patience, ...how };
      yield* readRanges(reading, rangeFetcher(bucket, key, info.etag));
    },
    async put(key, body, condition) {
      checkKey(key);
      checkSmall(key, body.length);
      return putObject(bucket, key, body, condition ?? null);
    },
    delete: (keys) => deleteAll(bucket, keys),
    upload(key, { estimate, partBytes, signal } = {}) {
      checkKey(key);
      const plan = planParts(estimate ?? null, partBytes ?? null);
      const sink = s3Sink(bucket, key, signal);
      return new PartedUpload({ what: `${name}: upload of ${key}`, sink, plan, meter, signal });
    },
    // One byte, signed as another: what the probe wants to see refused.
    damagedPut: (key) => putObject(bucket, key, Buffer.from("a"), null, sha256Of(Buffer.from("b"))),
    unfinished: (prefix, next) => unfinished(bucket, prefix, next),
    abortUnfinished: ({ key, id }) => abortUpload(bucket, key, id),
    async [Symbol.asyncDispose]() {
      client.destroy();
    },
  };
}

function missing(bucket: Bucket, key: string): ConflictError {
  return new ConflictError("AP_OBJECTS_MISSING", `${bucket.name}: there is no ${key}`);
}

async function list(
  bucket: Bucket,
  prefix: string,
  { after, limit = PAGE }: { readonly after?: string; readonly limit?: number } = {},
): ReturnType<ObjectStore["list"]> {
  const { bucket: Bucket, prefix: own } = bucket.address;
  const begin = after === undefined ? {} : { StartAfter: own + after };
  const command = new ListObjectsV2Command({
    Bucket,
    Prefix: own + prefix,
    MaxKeys: Math.min(limit, PAGE),
    ...begin,
  });
  const call = { doing: `list ${prefix}`.trimEnd(), writes: false };
  const page = await request(bucket, call, () => bucket.client.send(command));
  const items = (page.Contents ?? []).map((one) => infoOf((one.Key ?? "").slice(own.length), one));
  const last = items.at(-1)?.key;
  return { items, next: page.IsTruncated === true && last !== undefined ? last : null };
}

async function getWhole(bucket: Bucket, key: string): ReturnType<ObjectStore["get"]> {
  try {
    return (await getRange(bucket, key)) ?? (await getEmpty(bucket, key));
  } catch (error) {
    if (error instanceof AutopilotError && error.code === "AP_OBJECTS_MISSING") return null;
    throw error;
  }
}

type Whole = Awaited<ReturnType<ObjectStore["get"]>>;

/** As a range, because its answer says twice how long the object is; null: it has no bytes, and so no ranges. */
async function getRange(bucket: Bucket, key: string): Promise<Whole> {
  const call = { doing: `get ${key}`, writes: false };
  const Range = `bytes=0-${SMALL_BYTES_MAX - 1}`;
  return request(bucket, call, async () => {
    const command = new GetObjectCommand({ ...target(bucket, key), Range });
    const answer = await bucket.client.send(command).catch((error: unknown) => {
      if ((error as { name?: string }).name === "InvalidRange") return null;
      throw error;
    });
    if (answer === null) return null;
    const total = /\/(\d+)$/.exec(answer.ContentRange ?? "")?.[1];
    const bytes = total === undefined ? answer.ContentLength : Number(total);
    const info = infoOf(key, { ...answer, ContentLength: bytes });
    try {
      checkSmall(key, info.bytes);
    } catch (error) {
      discard(answer);
      throw error;
    }
    const body = Buffer.alloc(info.bytes);
    await drain(answer, body, `${bucket.name}: ${call.doing}`, () => {});
    return { info, body };
  });
}

async function getEmpty(bucket: Bucket, key: string): Promise<Whole> {
  const info = (await headWithId(bucket, key))?.info ?? null;
  // Written since: then it is a newer one's turn.
  if (info !== null && info.bytes > 0) return getRange(bucket, key);
  return info === null ? null : { info, body: Buffer.alloc(0) };
}

/** `etag`: an object that was replaced meanwhile must not be read half and half. */
function rangeFetcher(bucket: Bucket, key: string, etag: string): FetchRange {
  return async (offset, into, got, abortSignal) => {
    const what = `${bucket.name}: read ${key} from ${offset}`;
    const Range = `bytes=${offset}-${offset + into.length - 1}`;
    const command = new GetObjectCommand({ ...target(bucket, key), Range, IfMatch: etag });
    try {
      const answer = await bucket.client.send(command, { abortSignal });
      if (answer.ContentRange?.startsWith(`${Range.replace("=", " ")}/`) !== true) {
        discard(answer);
        const why = `${what}: asked for ${Range}, got ${answer.ContentRange ?? "something else"}`;
        throw new ConfigError("AP_OBJECTS_ENDPOINT", why);
      }
      await drain(answer, into, what, got);
    } catch (error) {
      throw failureOf(error, { what, writes: false });
    }
  };
}

/** The body into the buffer; what came before it broke is there, and counted. */
async function drain(
  { Body }: GetObjectCommandOutput,
  into: Buffer,
  what: string,
  got: (bytes: number) => void,
): Promise<void> {
  let filled = 0;
  for await (const chunk of (Body ?? []) as AsyncIterable<Buffer>) {
    const piece = chunk.subarray(0, into.length - filled);
    into.set(piece, filled);
    filled += piece.length;
    got(piece.length);
  }
  if (filled === into.length) return;
  const why = `${what}: the body ended after ${filled} of ${into.length} bytes`;
  throw new UnavailableError("AP_OBJECTS_TRUNCATED", why);
}

function discard({ Body }: GetObjectCommandOutput): void {
  (Body as { destroy?: () => void } | undefined)?.destroy?.();
}

async function deleteAll(bucket: Bucket, keys: readonly string[]): Promise<void> {
  for (const key of keys) checkKey(key);
  const { bucket: Bucket, prefix } = bucket.address;
  for (let at = 0; at < keys.length; at += PAGE) {
    const batch = keys.slice(at, at + PAGE);
    const doing = batch.length === 1 ? `delete ${batch[0]}` : `delete ${batch.length} objects`;
    const Objects = batch.map((key) => ({ Key: prefix + key }));
    const command = new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } });
    await request(bucket, { doing, writes: true }, async () => {
      const { Errors, $metadata } = await bucket.client.send(command);
      const first = Errors?.find((it) => it.Code !== "NoSuchKey");
      if (first === undefined) return;
      // Each key has an error of its own below an answer that says 200.
      const status = first.Code === "AccessDenied" ? 403 : 500;
      const error = new Error(
        `${first.Key ?? ""}: ${first.Message || first.Code || "not deleted"}`,
      );
      throw Object.assign(error, {
        Code: first.Code,
        $metadata: { ...$metadata, httpStatusCode: status },
      });
    });
  }
}

async function unfinished(
  bucket: Bucket,
  prefix: string,
  next?: string,
): ReturnType<ObjectStore["unfinished"]> {
  const { bucket: Bucket, prefix: own } = bucket.address;
  const marker = next === undefined ? {} : (JSON.parse(next) as { KeyMarker: string });
  const Prefix = own + prefix;
  const command = new ListMultipartUploadsCommand({ Bucket, Prefix, MaxUploads: PAGE, ...marker });
  const call = { doing: `list the uploads of ${prefix || "the bucket"}`, writes: false };
  const page = await request(bucket, call, () => bucket.client.send(command));
  const items = (page.Uploads ?? []).map(({ Key, UploadId, Initiated }) => ({
    key: (Key ?? "").slice(own.length),
    id: UploadId ?? "",
    startedAt: Initiated?.getTime() ?? 0,
  }));
  const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page;
  const more = page.IsTruncated === true ? JSON.stringify({ KeyMarker, UploadIdMarker }) : null;
  return { items, next: more };
}
