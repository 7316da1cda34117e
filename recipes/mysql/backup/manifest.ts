// Manifests, verdicts and holds as they lie in the store. Written by us, but not only by this version of us, and kept for
// years by somebody else: each is checked before it is believed.
import { createHash } from "node:crypto";
import { z } from "zod";
import { RefusedError } from "../../../src/index.ts";
import { dataKey, manifestKey } from "../core/backup/layout.ts";
import type { Manifest, Verdict } from "../core/backup/manifest.ts";
import type { Segment } from "../core/backup/segment.ts";
import { bytes, compression, data, encryption } from "./stored-schema.ts";

const FORMAT = 1;

const time = z.iso.datetime();
const lsn = z.string().regex(/^\d+$/);

const manifestSchema = z
  .object({
    format: z.literal(FORMAT),
    id: z.string().min(1),
    cluster: z.object({ name: z.string(), id: z.string().min(1) }),
    node: z.object({ name: z.string(), uuid: z.string(), role: z.string() }),
    epoch: z.int(),
    engine: z.object({
      name: z.enum(["clone", "xtrabackup", "mariadb-backup"]),
      version: z.string(),
    }),
    server: z.object({ flavor: z.enum(["mysql", "percona", "mariadb"]), version: z.string() }),
    kind: z.enum(["full", "incremental"]),
    parent: z.string().nullable(),
    lsn: z.object({ from: lsn, to: lsn }).nullable(),
    gtid: z.string(),
    binlog: z.object({ file: z.string(), position: z.int() }).nullable(),
    startedAt: time,
    finishedAt: time,
    rawBytes: bytes,
    stream: z.enum(["tar", "xbstream", "mbstream"]),
    compression: compression.nullable(),
    encryption,
    data,
  })
  .refine(({ kind, parent }) => (kind === "incremental") === (parent !== null), {
    path: ["parent"],
    message: "an incremental has one, and nothing else",
  })
  .refine(({ data }) => data.parts.reduce((sum, part) => sum + part.bytes, 0) === data.bytes, {
    path: ["data", "parts"],
    message: "are not as long as the whole",
  });

const verdictSchema = z.object({
  format: z.literal(FORMAT),
  backup: z.string(),
  at: time,
  node: z.string(),
  ok: z.boolean(),
  problems: z.array(z.string()),
  restoreMs: z.number().nullable(),
  gtid: z.string().nullable(),
});

const holdSchema = z.object({
  format: z.literal(FORMAT),
  backup: z.string(),
  why: z.string(),
  at: time,
  by: z.string(),
});
export type Hold = z.infer<typeof holdSchema>;

const clusterSchema = z.object({
  format: z.literal(FORMAT),
  id: z.string().min(1),
  name: z.string(),
  since: time,
  /** The backup that it was made from, and its cluster; null: it was initialized. */
  restoredFrom: z.object({ cluster: z.string(), backup: z.string() }).nullable(),
});
export type ClusterFile = z.infer<typeof clusterSchema>;

/** Where it was found must be where it says that it belongs. Errors: RefusedError AP_BACKUP_DAMAGED, AP_BACKUP_NEWER. */
export function parseManifest(text: string, clusterId: string, id: string): Manifest {
  const key = manifestKey(clusterId, id);
  const manifest: Manifest = parseChecked(manifestSchema, key, text);
  const own = manifest.id === id && manifest.cluster.id === clusterId;
  if (own && manifest.data.key === dataKey(clusterId, id)) return manifest;
  throw new RefusedError("AP_BACKUP_DAMAGED", `${key}: it is the manifest of another backup`);
}

export function parseVerdict(text: string, key: string): Verdict {
  return parsed(verdictSchema, key, text);
}

export function parseHold(text: string, key: string): Hold {
  return parsed(holdSchema, key, text);
}

export function parseClusterFile(text: string, key: string): ClusterFile {
  return parsed(clusterSchema, key, text);
}

/** What textOf wrote, unchanged. Errors: RefusedError AP_BACKUP_DAMAGED, AP_BACKUP_NEWER. */
export function parseChecked<T>(schema: z.ZodType<T>, key: string, text: string): T {
  const value = parsed(schema, key, text);
  requireCheck(text, key);
  return value;
}

/** As it is written: a person may read it, and who edits it, or a bit that flips in it, is noticed. */
export function textOf(value: Manifest | Verdict | Hold | ClusterFile | Segment): Buffer {
  return Buffer.from(`${JSON.stringify({ ...value, check: checkOf(value) }, null, 1)}\n`);
}

/** JSON keeps the order of its fields. */
function checkOf(value: object): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

function requireCheck(text: string, key: string): void {
  const { check, ...rest } = jsonOf(text, key) as { readonly check?: unknown };
  if (check === checkOf(rest)) return;
  throw new RefusedError("AP_BACKUP_DAMAGED", `${key}: it is not what was written`);
}

function parsed<T>(schema: z.ZodType<T>, key: string, text: string): T {
  const value = jsonOf(text, key);
  const format = (value as { format?: unknown } | null)?.format;
  if (typeof format === "number" && format > FORMAT) {
    const why = `${key}: its format is ${format}, and this version knows ${FORMAT}`;
    throw new RefusedError("AP_BACKUP_NEWER", why);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const why = `${key}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "is not what it must be"}`;
  throw new RefusedError("AP_BACKUP_DAMAGED", why);
}

function jsonOf(text: string, key: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RefusedError("AP_BACKUP_DAMAGED", `${key}: it is no JSON`);
  }
}

/** In a manifest's place: what is below its prefix is being deleted (sweep.ts). */
export function claimText(): Buffer {
  return Buffer.from(`${JSON.stringify({ format: FORMAT, swept: true })}\n`);
}

export function isClaim(text: string): boolean {
  try {
    return (JSON.parse(text) as { swept?: unknown } | null)?.swept === true;
  } catch {
    return false; // then it is no manifest either, which parseManifest says
  }
}
