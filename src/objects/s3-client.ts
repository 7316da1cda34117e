// The AWS SDK's client, set up for us. Each setting differs from the default for a reason that was measured or met.
import { S3Client } from "@aws-sdk/client-s3";
import type { S3Address } from "./address.ts";
import { readKeys } from "./credentials.ts";

export type Timeouts = {
  readonly connectMs: number;
  /** Without a byte in either direction. */
  readonly idleMs: number;
  /** From a request's begin to the answer's: a part of 16 MiB at 0.5 Mbit/s. */
  readonly answerMs: number;
};

export const TIMEOUTS: Timeouts = { connectMs: 5_000, idleMs: 30_000, answerMs: 300_000 };
/** Of one store: an upload's parts, a read's ranges and what else is asked meanwhile. */
const SOCKETS_MAX = 16;

export function createClient(address: S3Address, timeouts: Timeouts): S3Client {
  const { credentials: file, profile, endpoint } = address;
  const agent = { keepAlive: true, maxSockets: SOCKETS_MAX };
  return new S3Client({
    region: address.region,
    ...(endpoint === null ? {} : { endpoint }),
    forcePathStyle: address.pathStyle,
    ...(file === null ? {} : { credentials: () => readKeys(file, profile ?? "default") }),
    ...(file === null && profile !== null ? { profile } : {}),
    // Each try is ours: only we know which requests may be repeated, and what a lost answer means.
    maxAttempts: 1,
    // The default asks for permission to send each part, on a connection of its own.
    expectContinueHeader: false,
    // The default sends bodies framed, which older stores keep as data. Parts are protected by the signed SHA-256.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // By default a request may take for ever.
    requestHandler: {
      connectionTimeout: timeouts.connectMs,
      socketTimeout: timeouts.idleMs,
      requestTimeout: timeouts.answerMs,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
    // It warns of Node versions and busy sockets on the console, which belongs to the verb's result.
    logger: { debug() {}, info() {}, warn() {}, error() {}, trace() {} },
  });
}
