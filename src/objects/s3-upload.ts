// The parts of one upload on S3. The multipart upload is created with the first part: what fits into one is put at once.
// A part is signed with the SHA-256 that was counted while it filled, so the store itself refuses a flipped bit.
import { randomUUID } from "node:crypto";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
  type PutObjectCommandInput,
} from "@aws-sdk/client-s3";
import { AutopilotError, ConfigError, ConflictError } from "../errors.ts";
import type { WriteCondition, Written } from "../ports.ts";
import { sha256Of } from "./read.ts";
import { headWithId, request, target, writeOnce, WRITE_ID, type Bucket } from "./s3-requests.ts";
import type { PartSink } from "./upload.ts";

/** What every new object gets. */
function attributes({ address, patience }: Bucket, id: string): Partial<PutObjectCommandInput> {
  const { storageClass, encryption, kmsKey, tags, objectLock } = address;
  const pairs = tags.map(({ name, value }) => [name, value] as [string, string]);
  return {
    Metadata: { [WRITE_ID]: id },
    ContentType: "application/octet-stream",
    ...(storageClass === null ? {} : { StorageClass: storageClass as "STANDARD" }),
    ...(encryption === null ? {} : { ServerSideEncryption: encryption as "AES256" }),
    ...(kmsKey === null ? {} : { SSEKMSKeyId: kmsKey }),
    ...(tags.length === 0 ? {} : { Tagging: new URLSearchParams(pairs).toString() }),
    ...(objectLock === null
      ? {}
      : {
          ObjectLockMode: objectLock.mode,
          ObjectLockRetainUntilDate: new Date(patience.clock.wall() + objectLock.ms),
        }),
  };
}

/** S3 wants a checksum of its own for whatever shall be locked; elsewhere the signed hash does. */
function checksumOf({ address }: Bucket, sha256: string): { ChecksumSHA256?: string } {
  if (address.objectLock === null) return {};
  return { ChecksumSHA256: Buffer.from(sha256, "hex").toString("base64") };
}

/** What every S3 answers to a write; a proxy's page with status 200 does not. */
function said(bucket: Bucket, doing: string, value: string | undefined): string {
  if (value !== undefined && value !== "") return value;
  const why = `${bucket.name}: ${doing}: the answer is none of an S3 store`;
  throw new ConfigError("AP_OBJECTS_ENDPOINT", why);
}

/** One object in one request. */
export async function putObject(
  bucket: Bucket,
  key: string,
  body: Uint8Array,
  condition: WriteCondition | null,
  sha256 = sha256Of(body),
): Promise<Written> {
  const id = randomUUID();
  const call = { doing: `put ${key}`, writes: true, key, id };
  const command = new PutObjectCommand({
    ...target(bucket, key),
    ...attributes(bucket, id),
    ...headersOf(condition),
    ...checksumOf(bucket, sha256),
    Body: body,
    ContentLength: body.length,
  });
  command.middlewareStack.add(signing(sha256), SIGNING);
  return writeOnce(bucket, call, async () => {
    const { ETag } = await bucket.client.send(command);
    return { key, bytes: body.length, etag: said(bucket, call.doing, ETag) };
  });
}

async function requireAbsent(bucket: Bucket, key: string): Promise<void> {
  if ((await headWithId(bucket, key)) === null) return;
  throw new ConflictError("AP_OBJECTS_CONFLICT", `${bucket.name}: ${key} is there already`);
}

/** What is there after all parts were put together: its length shows whether the store did. */
async function completed(bucket: Bucket, key: string, id: string): Promise<Written> {
  const there = await headWithId(bucket, key);
  if (there?.id === id) return there.info;
  const why = `${bucket.name}: ${key} was overwritten or deleted as soon as it was written`;
  const hint = "another writer uses the same key: give each its own";
  throw new ConflictError("AP_OBJECTS_CONFLICT", why, { hint });
}

function headersOf(condition: WriteCondition | null): { IfNoneMatch?: "*"; IfMatch?: string } {
  if (condition === null) return {};
  // Without the quotes: AWS takes both, Ceph compares what it gets with the bare one.
  return "ifMatch" in condition
    ? { IfMatch: condition.ifMatch.replaceAll('"', "") }
    : { IfNoneMatch: "*" };
}

/** The SDK signs this hash instead of counting it again. */
const signing =
  (sha256: string) =>
  <Args extends { request: unknown }, Result>(next: (args: Args) => Result) =>
  (args: Args): Result => {
    const { headers } = args.request as { headers: Record<string, string> };
    headers["x-amz-content-sha256"] = sha256;
    return next(args);
  };
const SIGNING = { step: "build", name: "contentSha256" } as const;

export function s3Sink(bucket: Bucket, key: string, signal: AbortSignal | undefined): PartSink {
  const id = randomUUID();
  const at = target(bucket, key);
  const etags = new Map<number, string>();
  const algorithm =
    bucket.address.objectLock === null ? {} : { ChecksumAlgorithm: "SHA256" as const };
  let created: Promise<string> | null = null;

  async function create(): Promise<string> {
    const call = { doing: `begin the upload of ${key}`, writes: true, signal };
    const command = new CreateMultipartUploadCommand({
      ...at,
      ...attributes(bucket, id),
      ...algorithm,
    });
    const { UploadId } = await request(bucket, call, (abortSignal) =>
      bucket.client.send(command, options(abortSignal)),
    );
    return said(bucket, call.doing, UploadId);
  }

  return {
    async send({ number, bytes, sha256 }, body, abort) {
      const UploadId = await (created ??= create());
      const checksum = checksumOf(bucket, sha256);
      const part = { PartNumber: number, Body: body, ContentLength: bytes, ...checksum };
      const call = { doing: `upload part ${number} of ${key}`, writes: true, signal: abort };
      const command = new UploadPartCommand({ ...at, UploadId, ...part });
      command.middlewareStack.add(signing(sha256), SIGNING);
      const { ETag } = await request(bucket, call, (abortSignal) =>
        bucket.client.send(command, options(abortSignal)),
      );
      etags.set(number, said(bucket, call.doing, ETag));
    },

    async complete(parts, condition) {
      if (condition !== null && bucket.lookFirst) await requireAbsent(bucket, key);
      const UploadId = await created;
      const Parts = parts.map(({ number, sha256 }) => ({
        PartNumber: number,
        ETag: etags.get(number) ?? "",
        ...checksumOf(bucket, sha256),
      }));
      const command = new CompleteMultipartUploadCommand({
        ...at,
        UploadId: UploadId ?? "",
        MultipartUpload: { Parts },
        ...headersOf(condition),
      });
      const call = { doing: `complete the upload of ${key}`, writes: true, key, id };
      await writeOnce(bucket, call, () => bucket.client.send(command));
      return completed(bucket, key, id);
    },

    whole: ({ sha256 }, body, condition) => putObject(bucket, key, body, condition, sha256),

    async abort() {
      const UploadId = await created?.catch(() => undefined);
      if (UploadId !== undefined) await abortUpload(bucket, key, UploadId);
    },
  };
}

function options(abortSignal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return abortSignal === undefined ? {} : { abortSignal };
}

/** An upload that is gone was aborted, or completed, already. */
export async function abortUpload(bucket: Bucket, key: string, UploadId: string): Promise<void> {
  const call = { doing: `abort the upload of ${key}`, writes: true };
  const command = new AbortMultipartUploadCommand({ ...target(bucket, key), UploadId });
  try {
    await request(bucket, call, () => bucket.client.send(command));
  } catch (error) {
    if (!(error instanceof AutopilotError) || error.code !== "AP_OBJECTS_MISSING") throw error;
  }
}
