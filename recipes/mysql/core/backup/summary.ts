// What `status` and metrics say of a cluster's backups, from what stands in Consul alone: plain numbers and ISO times.
import type { BackupWish, FailedBackup, LastBackup, VerifiedBackup } from "./due.ts";

/** Key `backup/plan`: what is configured, for those who have no configuration. Written by the primary. */
export type BackupPlan = {
  /** Address of the store; it never holds a secret. */
  readonly to: string;
  readonly schedule: string;
  /** Null: nothing is verified by itself. */
  readonly verify: string | null;
  readonly delayMs: number;
  readonly archive: boolean;
};

/** Key `backup-progress`. */
export type RunningBackup = {
  readonly task: string;
  readonly node: string;
  readonly why: string;
  readonly since: string;
  readonly says: string;
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly estimate: number;
  readonly bytesPerSecond: number;
};

/** Key `backup-archive`: how far the primary's binlogs are in the store. */
export type ArchiveState = {
  readonly node: string;
  readonly uuid: string;
  readonly epoch: number;
  /** When that was so, ISO 8601. */
  readonly at: string;
  /** What no server need keep for the archive's sake; "": nothing is known of it. */
  readonly gtid: string;
  readonly lagSeconds: number;
  readonly problem: string | null;
  readonly gap: string | null;
};

export type BackupFacts = {
  readonly plan: BackupPlan | null;
  readonly last: LastBackup | null;
  readonly failed: FailedBackup | null;
  readonly wishes: readonly BackupWish[];
  readonly running: RunningBackup | null;
  readonly archive: ArchiveState | null;
  /** Wall clock, ms since 1970; the others as ms as well. */
  readonly now: number;
  readonly finishedAt: number | null;
  readonly verifiedAt: number | null;
  readonly archivedAt: number | null;
  /** When the next backup, and the next verification, are due. */
  readonly nextAt: number | null;
  readonly nextVerifyAt: number | null;
};

/** All of it in seconds, bytes and counts; null: nothing to say. */
export type BackupNumbers = {
  readonly lastAgeSeconds: number | null;
  readonly verifiedAgeSeconds: number | null;
  /** What would be lost of time if every node were lost now. */
  readonly recoveryPointAgeSeconds: number | null;
  readonly restoreSeconds: number | null;
  readonly lastRawBytes: number | null;
  readonly lastStoredBytes: number | null;
  readonly archiveLagSeconds: number | null;
  readonly failures: number;
};

export function backupNumbers(f: BackupFacts): BackupNumbers {
  const { last, archive } = f;
  const has = last !== null && last.id !== null;
  const age = (at: number | null): number | null =>
    at === null ? null : Math.max(0, (f.now - at) / 1_000);
  const archiveLag =
    archive === null || archive.gap !== null || archive.gtid === ""
      ? null
      : (age(f.archivedAt) ?? 0) + archive.lagSeconds;
  const imageAge = has ? age(f.finishedAt) : null;
  return {
    lastAgeSeconds: imageAge,
    verifiedAgeSeconds: last?.verified?.ok === true ? age(f.verifiedAt) : null,
    // Binlogs alone restore nothing.
    recoveryPointAgeSeconds:
      imageAge === null ? null : archiveLag === null ? imageAge : Math.min(imageAge, archiveLag),
    restoreSeconds: has ? restoreSeconds(last.verified, last.rawBytes) : null,
    lastRawBytes: has ? last.rawBytes : null,
    lastStoredBytes: has ? last.storedBytes : null,
    archiveLagSeconds: archiveLag,
    failures: f.failed?.failures ?? 0,
  };
}

/** As long as the last verification took, for as many bytes as there are now; binlogs come on top. */
function restoreSeconds(verified: VerifiedBackup | null, rawBytes: number): number | null {
  if (verified === null || verified.restoreMs === null || verified.rawBytes === 0) return null;
  return (verified.restoreMs / 1_000) * Math.max(1, rawBytes / verified.rawBytes);
}

/** What a person should know, one sentence each. */
export function backupAlerts(f: BackupFacts): readonly string[] {
  const { plan, last, failed, archive } = f;
  if (plan === null) return [];
  const alerts: string[] = [];
  const say = (code: string, why: string): void => void alerts.push(`${code}: ${why}`);
  if (failed !== null)
    say("AP_BACKUP_FAILING", `${failed.failures} times in a row; ${failed.node}: ${failed.why}`);
  if (last?.verified?.ok === false)
    say("AP_BACKUP_DAMAGED", `the verification of ${last.verified.id} failed`);
  if (archive?.gap != null) say("AP_ARCHIVE_GAP", archive.gap);
  else if (archive?.problem != null) say("AP_ARCHIVE_LATE", archive.problem);
  return alerts;
}
