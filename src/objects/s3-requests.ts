// Single requests to one bucket: repeated while it helps, limited in time, and failing as one of our errors. Every write
// carries an id of its own in the object's metadata: when an answer is lost, it tells whether the write was ours.
import { HeadObjectCommand, ListObjectsV2Command, type S3Client } from "@aws-sdk/client-s3";
import { AutopilotError, ConfigError, UnavailableError } from "../errors.ts";
import type { ObjectInfo } from "../ports.ts";
import type { S3Address } from "./address.ts";
import { isDoubtful, retrying, type Patience } from "./retry.ts";
import { failureOf } from "./s3-failure.ts";

/** The name of the write's id in the object's metadata. */
export const WRITE_ID = "autopilot-write";

export type Bucket = {
  readonly client: S3Client;
  readonly address: S3Address;
  readonly name: string;
  readonly patience: Patience;
  /** Before a multipart upload is completed on condition: some stores ignore the condition there. */
  readonly lookFirst: boolean;
};

export type Call = {
  /** "put manifest.json" */
  readonly doing: string;
  readonly writes: boolean;
  readonly signal?: AbortSignal | undefined;
};

/** What all requests about one key say. */
export function target(bucket: Bucket, key: string): { Bucket: string; Key: string } {
  return { Bucket: bucket.address.bucket, Key: bucket.address.prefix + key };
}

export async function request<T>(
  bucket: Bucket,
  { doing, writes, signal }: Call,
  send: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  const what = `${bucket.name}: ${doing}`;
  return retrying(bucket.patience, signal, async () => {
    try {
      return await send(signal);
    } catch (error) {
      throw failureOf(error, { what, writes });
    }
  });
}

/**
 * A write that must not be mistaken: when one of its tries got no answer, and a later one is told that somebody was
 * there first, that somebody may be itself.
 */
export async function writeOnce<T>(
  bucket: Bucket,
  call: Call & { readonly key: string; readonly id: string },
  send: () => Promise<T>,
): Promise<T | ObjectInfo> {
  let doubtful = false;
  const noting = async (): Promise<T> => {
    try {
      return await send();
    } catch (error) {
      const failure = failureOf(error, { what: `${bucket.name}: ${call.doing}`, writes: true });
      doubtful ||= isDoubtful(failure);
      throw failure;
    }
  };
  try {
    return await request(bucket, call, noting);
  } catch (error) {
    if (!doubtful || !(error instanceof AutopilotError)) throw error;
    const there = await headWithId(bucket, call.key).catch(() => {
      throw unknown(bucket, call.doing, error);
    });
    if (there?.id === call.id) return there.info;
    throw error;
  }
}

/** The store went away in the middle of the write. */
function unknown(bucket: Bucket, doing: string, error: AutopilotError): UnavailableError {
  const why = `${bucket.name}: ${doing}: it is not known whether it was done: ${error.message}`;
  return new UnavailableError("AP_OBJECTS_UNREACHABLE", why);
}

export async function headWithId(
  bucket: Bucket,
  key: string,
): Promise<{ readonly info: ObjectInfo; readonly id: string | null } | null> {
  const call = { doing: `look at ${key}`, writes: false };
  try {
    return await request(bucket, call, async () => {
      const head = await bucket.client.send(new HeadObjectCommand(target(bucket, key)));
      return { info: infoOf(key, head), id: head.Metadata?.[WRITE_ID] ?? null };
    });
  } catch (error) {
    if (!(error instanceof AutopilotError)) throw error;
    if (error.code === "AP_OBJECTS_MISSING") {
      if (!seen.has(bucket.client)) await askInWords(bucket);
      return null;
    }
    if (error instanceof ConfigError) await askInWords(bucket);
    throw error;
  }
}

/** Clients whose bucket is there. */
const seen = new WeakSet<S3Client>();

/**
 * An answer to HEAD has no words: "not found" may be the bucket, which must not look like an empty one, and "forbidden"
 * the keys or the clock. Listing is refused for the same reason, and says so.
 */
async function askInWords(bucket: Bucket): Promise<void> {
  const { bucket: Bucket, prefix: Prefix } = bucket.address;
  await request(bucket, { doing: "list", writes: false }, () =>
    bucket.client.send(new ListObjectsV2Command({ Bucket, Prefix, MaxKeys: 1 })),
  );
  seen.add(bucket.client);
}

export function infoOf(
  key: string,
  said: {
    readonly ContentLength?: number | undefined;
    readonly Size?: number | undefined;
    readonly ETag?: string | undefined;
    readonly LastModified?: Date | undefined;
  },
): ObjectInfo {
  return {
    key,
    bytes: said.ContentLength ?? said.Size ?? 0,
    etag: said.ETag ?? "",
    modifiedAt: said.LastModified?.getTime() ?? 0,
  };
}
