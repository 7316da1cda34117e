// Where an object store is: `s3://bucket/prefix?region=…&endpoint=…`, `file:///path`, or a plain path; what the address
// leaves out comes from the environment variables that all S3 tools read. Access keys never stand in an address.
import { isAbsolute, resolve } from "node:path";
import { closest } from "../core/edit-distance.ts";
import { lockIn, tagsIn, type ObjectLock, type ObjectTag } from "../core/object-settings.ts";
import { keyProblem } from "../core/object-key.ts";
import { ConfigError } from "../errors.ts";

export type DiskAddress = { readonly kind: "disk"; readonly dir: string };

export type S3Address = {
  readonly kind: "s3";
  readonly bucket: string;
  /** "" or ending in a slash. */
  readonly prefix: string;
  readonly region: string;
  /** Null: Amazon's own. */
  readonly endpoint: string | null;
  /** The bucket in the path instead of in the host's name. */
  readonly pathStyle: boolean;
  /** A file (mode 0600) with the access keys, or null: the SDK's own search. */
  readonly credentials: string | null;
  /** A section of the shared AWS files, or null. */
  readonly profile: string | null;
  readonly storageClass: string | null;
  /** Server-side encryption: "AES256", "aws:kms". */
  readonly encryption: string | null;
  /** The key of aws:kms; null: the bucket's, or the account's own. */
  readonly kmsKey: string | null;
  readonly tags: readonly ObjectTag[];
  /** Nobody may delete an object for so long, or null. */
  readonly objectLock: ObjectLock | null;
};

export type StoreAddress = DiskAddress | S3Address;

type Env = Readonly<Record<string, string | undefined>>;

const PARAMETERS = [
  "region",
  "endpoint",
  "path-style",
  "credentials",
  "profile",
  "storage-class",
  "encryption",
  "kms-key",
  "tags",
  "object-lock",
] as const;
type Parameter = (typeof PARAMETERS)[number];

/** Errors: ConfigError AP_OBJECTS_ADDRESS with all problems at once; never with what may be a secret. */
export function parseAddress(text: string, env: Env): StoreAddress {
  const problems: string[] = [];
  const address = read(text.trim(), env, problems);
  if (address !== null && problems.length === 0) return address;
  const [only = "", ...more] = problems;
  if (more.length === 0)
    throw new ConfigError("AP_OBJECTS_ADDRESS", `the object store's address: ${only}`);
  const why = `the object store's address has ${problems.length} problems`;
  throw new ConfigError("AP_OBJECTS_ADDRESS", why, { problems });
}

/** As it may be printed. */
export function nameOf(address: StoreAddress): string {
  if (address.kind === "disk") return address.dir;
  return `s3://${address.bucket}/${address.prefix}`.replace(/\/$/, "");
}

function read(text: string, env: Env, problems: string[]): StoreAddress | null {
  if (text === "") problems.push("it is empty");
  else if (/^s3:/i.test(text)) return s3Address(text, env, problems);
  else if (/^file:/i.test(text)) return fileAddress(text, problems);
  else if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
    problems.push(`${JSON.stringify(text.split(":")[0])} is neither s3 nor file`);
  else return diskAddress(text, problems);
  return null;
}

function diskAddress(text: string, problems: string[]): DiskAddress | null {
  const parameter = PARAMETERS.find(
    (name) => text.includes(`?${name}=`) || text.includes(`&${name}=`),
  );
  if (parameter === undefined) return { kind: "disk", dir: resolve(text) };
  problems.push(`${parameter}: a directory has no such setting, only a bucket (s3://…) has`);
  return null;
}

function fileAddress(text: string, problems: string[]): DiskAddress | null {
  const url = URL.parse(text);
  if (url === null || url.host !== "" || url.search !== "" || !/^file:\/\/\//i.test(text)) {
    problems.push("a directory is written file:///path or as a plain path, without parameters");
    return null;
  }
  const path = decoded(url.pathname);
  if (path !== null) return { kind: "disk", dir: resolve(path) };
  problems.push("its path has a % that is no escape");
  return null;
}

function s3Address(text: string, env: Env, problems: string[]): S3Address | null {
  const url = URL.parse(text);
  if (url === null || !/^s3:\/\//i.test(text)) {
    problems.push("it is not s3://bucket/prefix");
    return null;
  }
  if (url.username !== "" || url.password !== "")
    problems.push("access keys do not belong into an address: use the environment or a file");
  if (url.port !== "") problems.push("a bucket has no port: that belongs to endpoint=");
  const given = parametersOf(url, problems);
  const endpoint = endpointOf(given, env, problems);
  return {
    kind: "s3",
    bucket: bucketOf(url, problems),
    prefix: prefixOf(url, problems),
    region: regionOf(given, env, endpoint, problems),
    endpoint,
    pathStyle: flagOf(given.get("path-style"), endpoint !== null, problems),
    credentials: credentialsOf(given.get("credentials"), problems),
    profile: given.get("profile") ?? null,
    ...settingsOf(given, problems),
  };
}

/** What new objects get. */
function settingsOf(given: ReadonlyMap<Parameter, string>, problems: string[]) {
  const encryption = given.get("encryption") ?? null;
  const kmsKey = given.get("kms-key") ?? null;
  if (kmsKey !== null && encryption?.startsWith("aws:kms") !== true)
    problems.push("kms-key: it is for encryption=aws:kms");
  const tags = tagsIn(given.get("tags") ?? "");
  if (typeof tags === "string") problems.push(`tags: ${tags}`);
  const lock = given.get("object-lock");
  const objectLock = lock === undefined ? null : lockIn(lock);
  if (typeof objectLock === "string") problems.push(`object-lock: ${objectLock}`);
  return {
    storageClass: given.get("storage-class") ?? null,
    encryption,
    kmsKey,
    tags: typeof tags === "string" ? [] : tags,
    objectLock: typeof objectLock === "string" ? null : objectLock,
  };
}

function parametersOf(url: URL, problems: string[]): ReadonlyMap<Parameter, string> {
  const given = new Map<Parameter, string>();
  if (url.hash !== "") problems.push("it has a # part");
  for (const [name, value] of url.searchParams) {
    const known = PARAMETERS.find((it) => it === name);
    if (known === undefined) {
      const meant = closest(name, PARAMETERS);
      // The value is not repeated: people write keys here.
      problems.push(
        `${name}: unknown parameter${meant === null ? "" : `, did you mean ${meant}?`}`,
      );
    } else if (given.has(known)) problems.push(`${name}: given twice`);
    else if (value === "") problems.push(`${name}: it is empty`);
    else given.set(known, value);
  }
  return given;
}

/** S3's rules for new buckets, and the upper case and underscores that old and other stores' ones have. */
function bucketOf(url: URL, problems: string[]): string {
  const bucket = decoded(url.hostname) ?? url.hostname;
  if (bucket === "") problems.push("it names no bucket");
  else if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/.test(bucket))
    problems.push(`${JSON.stringify(bucket)} is no name of a bucket`);
  return bucket;
}

function prefixOf(url: URL, problems: string[]): string {
  const path = decoded(url.pathname.replaceAll(/^\/+|\/+$/g, ""));
  if (path === null) {
    problems.push("its prefix has a % that is no escape");
    return "";
  }
  if (path === "") return "";
  const problem = keyProblem(path);
  if (problem !== null) problems.push(`its prefix: ${problem}`);
  return `${path}/`;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function endpointOf(
  given: ReadonlyMap<Parameter, string>,
  env: Env,
  problems: string[],
): string | null {
  const [from, text] =
    [
      ["endpoint", given.get("endpoint")] as const,
      ["AWS_ENDPOINT_URL_S3", env["AWS_ENDPOINT_URL_S3"]] as const,
      ["AWS_ENDPOINT_URL", env["AWS_ENDPOINT_URL"]] as const,
    ].find(([, value]) => value !== undefined && value !== "") ?? [];
  if (from === undefined || text === undefined) return null;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.search !== "") {
    problems.push(`${from}: an endpoint is http(s)://host:port, without keys and parameters`);
    return null;
  }
  return url.href.replace(/\/$/, "");
}

function regionOf(
  given: ReadonlyMap<Parameter, string>,
  env: Env,
  endpoint: string | null,
  problems: string[],
): string {
  const region = given.get("region") || env["AWS_REGION"] || env["AWS_DEFAULT_REGION"];
  if (region !== undefined && region !== "") {
    if (/^[A-Za-z0-9-]{1,64}$/.test(region)) return region;
    problems.push("region: it is no name of a region");
  } else if (endpoint === null)
    problems.push("region: missing; give region=… or AWS_REGION (or endpoint=… for another store)");
  // What stores without regions call theirs.
  return "us-east-1";
}

function flagOf(text: string | undefined, otherwise: boolean, problems: string[]): boolean {
  if (text === undefined) return otherwise;
  if (/^(true|yes|1)$/.test(text)) return true;
  if (/^(false|no|0)$/.test(text)) return false;
  problems.push("path-style: neither true nor false");
  return otherwise;
}

function credentialsOf(path: string | undefined, problems: string[]): string | null {
  if (path === undefined) return null;
  if (!isAbsolute(path)) problems.push("credentials: it must be the absolute path of a file");
  return path;
}
