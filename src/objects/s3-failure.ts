// What the SDK throws, as one of our errors. The original is never kept as the cause: it holds the request's signature
// and the answer with the access key's id in it.
import {
  AutopilotError,
  ConfigError,
  ConflictError,
  RefusedError,
  UnavailableError,
  messageOf,
} from "../errors.ts";

/** What was tried. */
export type Attempt = {
  /** Begins the message: "s3://bucket/prefix: put manifest.json". */
  readonly what: string;
  readonly writes: boolean;
};

/** How much of a store's own text is repeated. */
const TEXT_MAX = 200;

const REGION =
  /^(PermanentRedirect|TemporaryRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException|InvalidRegion|301|307)$/;
const KEYS =
  /^(InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|ExpiredTokenException|InvalidToken|TokenRefreshRequired|InvalidSecurity|CredentialsProviderError|UnrecognizedClientException)$/;
const CLOCK = /^(RequestTimeTooSkewed|RequestExpired)$/;
const BUSY =
  /^(SlowDown|ServiceUnavailable|InternalError|Throttling|ThrottlingException|RequestLimitExceeded|TooManyRequests|RequestTimeout|OperationAborted|IncompleteBody|Busy)$/;
const DIGEST = /^(BadDigest|InvalidDigest|XAmzContentSHA256Mismatch|InvalidPart|InvalidPartOrder)$/;
const FULL = /^(QuotaExceeded|InsufficientStorage|InsufficientCapacity|TooManyBuckets)$/;
const LIMIT = /^(EntityTooLarge|KeyTooLongError|MetadataTooLarge|MaxMessageLengthExceeded)$/;
/** An answer that is not from a server that we trust, or in another protocol than the endpoint's scheme says. */
const TLS =
  /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|^EPROTO$|^ERR_SSL|^ERR_TLS|^HPE_/;
const NETWORK =
  /^(TimeoutError|AbortError|ECONN\w+|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ERR_STREAM_PREMATURE_CLOSE|ERR_SOCKET\w*|UND_ERR\w*)$/;

export function failureOf(error: unknown, { what, writes }: Attempt): AutopilotError {
  if (error instanceof AutopilotError) return error;
  const { name, system, status, text } = factsOf(error);
  const why = `${what}: ${text}`;
  if (TLS.test(system)) return new ConfigError("AP_OBJECTS_ENDPOINT", why);
  if (status === null)
    return KEYS.test(name)
      ? new ConfigError("AP_OBJECTS_CREDENTIALS", why)
      : unanswered(why, name, system);
  return (
    ofSetting(why, name, status, writes) ??
    ofObject(why, name, status, writes) ??
    ofCondition(why, name, status) ??
    // Not an answer that S3 gives: another program, a proxy, a path too much in the endpoint.
    new ConfigError("AP_OBJECTS_ENDPOINT", `${why} (HTTP ${status}, ${name})`)
  );
}

type Facts = {
  /** S3's code, or the SDK's or the system's name of the failure. */
  readonly name: string;
  readonly system: string;
  /** HTTP's, or null: no answer. */
  readonly status: number | null;
  readonly text: string;
};

function factsOf(error: unknown): Facts {
  const it = error as {
    name?: string;
    Code?: string;
    code?: string;
    $metadata?: { httpStatusCode?: number };
    $response?: { statusCode?: number };
  } | null;
  const name = it?.Code ?? it?.name ?? "";
  const status = it?.$metadata?.httpStatusCode ?? it?.$response?.statusCode ?? null;
  // A HEAD's answer has no body, and so no words.
  const said = messageOf(error)
    .replace(/^Unknown(Error)?$/, "")
    // OpenSSL's places in its own sources.
    .replace(/:\.\.\/deps\/.*$/, "");
  const text = (said || `the store answered ${status ?? "nothing"} ${name}`).slice(0, TEXT_MAX);
  return { name, system: it?.code ?? "", status, text };
}

function unanswered(why: string, name: string, system: string): AutopilotError {
  if (NETWORK.test(system) || NETWORK.test(name))
    return new UnavailableError("AP_OBJECTS_UNREACHABLE", why);
  // The SDK's own refusals: an endpoint or a header that it cannot make.
  return new ConfigError("AP_OBJECTS_ENDPOINT", why);
}

function ofSetting(
  why: string,
  name: string,
  status: number,
  writes: boolean,
): AutopilotError | null {
  if (name === "NoSuchBucket" || name === "InvalidBucketName")
    return new ConfigError("AP_OBJECTS_BUCKET", why);
  if (REGION.test(name) || status === 301 || status === 307)
    return new ConfigError("AP_OBJECTS_REGION", why);
  if (KEYS.test(name)) return new ConfigError("AP_OBJECTS_CREDENTIALS", why);
  if (CLOCK.test(name)) return new ConfigError("AP_OBJECTS_CLOCK", why);
  if (status === 401) return new ConfigError("AP_OBJECTS_CREDENTIALS", why);
  if (status !== 403 && status !== 405) return null;
  if (FULL.test(name)) return new UnavailableError("AP_OBJECTS_FULL", why);
  return writes
    ? new ConfigError("AP_OBJECTS_READONLY", why)
    : new ConfigError("AP_OBJECTS_DENIED", why);
}

function ofObject(
  why: string,
  name: string,
  status: number,
  writes: boolean,
): AutopilotError | null {
  // A put on condition of a certain etag, where nothing is.
  if (name === "NoSuchKey" && writes) return new ConflictError("AP_OBJECTS_CONFLICT", why);
  if (name === "NoSuchKey" || name === "NoSuchUpload" || name === "NotFound")
    return new ConflictError("AP_OBJECTS_MISSING", why);
  if (DIGEST.test(name)) return new RefusedError("AP_OBJECTS_DAMAGED", why);
  if (FULL.test(name) || status === 507) return new UnavailableError("AP_OBJECTS_FULL", why);
  if (LIMIT.test(name) || status === 413) return new RefusedError("AP_OBJECTS_LIMIT", why);
  if (name === "NotImplemented" || status === 501) return new RefusedError("AP_OBJECTS_UNFIT", why);
  return null;
}

function ofCondition(why: string, name: string, status: number): AutopilotError | null {
  if (BUSY.test(name) || status === 429 || status === 408 || status >= 500)
    return new UnavailableError("AP_OBJECTS_BUSY", why);
  if (status === 412 || status === 409) return new ConflictError("AP_OBJECTS_CONFLICT", why);
  return null;
}
