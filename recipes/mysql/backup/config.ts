// The sections `mysql.backup` and `mysql.recovery`. All problems are told at once, before anything runs: a schedule that
// never comes, a retention that keeps nothing, an encryption that nobody could read.
import { Cron } from "croner";
import { z } from "zod";
import { messageOf } from "../../../src/index.ts";
import { durationMs, sizeBytes } from "../config-values.ts";

/** Cron as croner reads it, in UTC: a cluster's nodes need not agree on a time zone. */
const cron = z.string().superRefine((text, context) => {
  const problem = cronProblem(text);
  if (problem !== null) context.addIssue({ code: "custom", message: problem });
});

function cronProblem(text: string): string | null {
  try {
    const never = new Cron(text, { timezone: "UTC" }).nextRun() === null;
    return never ? `"${text}" never comes` : null;
  } catch (error) {
    return `not a cron schedule: ${messageOf(error).replace(/^CronPattern: /, "")}`;
  }
}

const path = z.string().min(1).meta({ file: true });
const count = z.int().min(0).max(10_000);

export const backupSchema = z.strictObject({
  /** Object store: s3://bucket/prefix?…, or a directory. */
  to: z.string().min(1),
  engine: z.enum(["auto", "clone", "xtrabackup", "mariadb-backup"]).default("auto"),
  /** When a full backup is due, in UTC. */
  schedule: cron.default("0 3 * * *"),
  /** Due as well when this much binlog was written since the last one. */
  afterBinlogBytes: sizeBytes.optional(),
  /** Due as well when the primary's binlog was rotated since the last one. */
  onRotation: z.boolean().default(false),
  /** Each cluster's own delay within this, so that a hundred of them do not begin in one second. */
  jitter: durationMs.prefault("5m"),
  /** A backup that takes longer is ended. */
  deadline: durationMs.prefault("12h"),
  /** Bytes per second that are read at most; none: as fast as it goes. */
  rate: sizeBytes.optional(),
  /** Of the worker and all that it starts. */
  nice: z.int().min(0).max(19).default(10),
  compression: z.strictObject({ level: z.int().min(1).max(19).default(1) }).prefault({}),
  encryption: z
    .strictObject({
      /** File with age recipients (age1…), one a line. */
      recipients: path,
      /** File with the identity that verifications, and copies made from backups, decrypt with. */
      identity: path.optional(),
    })
    .optional(),
  retention: z
    .strictObject({
      last: count.default(7),
      daily: count.default(7),
      weekly: count.default(4),
      monthly: count.default(3),
      /** Every moment of this long can be restored, by backups and archived binlogs. */
      window: durationMs.prefault("7d"),
    })
    .refine(
      ({ last, daily, weekly, monthly }) => last + daily + weekly + monthly > 0,
      "keeps nothing: every backup would be deleted",
    )
    .prefault({}),
  verify: z
    .strictObject({ enabled: z.boolean().default(true), schedule: cron.default("0 5 * * 0") })
    .prefault({}),
  archive: z
    .strictObject({
      enabled: z.boolean().default(true),
      /** A commit is in the store after this long at most. */
      within: durationMs.prefault("10s"),
    })
    .prefault({}),
  /** Whether a new replica is made from a running node or from the newest backup. */
  provision: z.enum(["auto", "clone", "backup"]).default("auto"),
});

/** Where a new cluster's first node comes from, instead of being initialized. */
export const recoverySchema = z
  .strictObject({
    from: z.string().min(1),
    /** Name or id of the old cluster, where the store holds several. */
    cluster: z.string().min(1).optional(),
    backup: z.string().min(1).optional(),
    toTime: z.iso.datetime({ offset: true }).optional(),
    toGtid: z.string().min(1).optional(),
    identity: path.optional(),
  })
  .refine(({ toTime, toGtid }) => toTime === undefined || toGtid === undefined, {
    path: ["toGtid"],
    message: "either a time or a GTID",
  });

export type BackupConfig = z.infer<typeof backupSchema>;
