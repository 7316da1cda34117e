// The part of `autopilot status` that is about backups.
import { backupAlerts, backupNumbers, type BackupFacts } from "../core/backup/summary.ts";
import { formatSize } from "../core/size.ts";
import { paint } from "./table.ts";

export function backupsJson(f: BackupFacts) {
  const { plan, last, running, failed, archive } = f;
  const verified = last?.verified ?? null;
  return {
    configured: plan !== null,
    to: plan?.to ?? null,
    last: last?.id == null ? null : { ...last, verified: undefined },
    next: isoOf(f.nextAt),
    nextVerification: isoOf(f.nextVerifyAt),
    running,
    failed,
    verified,
    archive,
    numbers: backupNumbers(f),
    alerts: backupAlerts(f),
  };
}

/** Two lines for people. */
export function backupLines(f: BackupFacts): readonly string[] {
  const { plan, last, running } = f;
  if (plan === null) return ["backups: none are configured"];
  const numbers = backupNumbers(f);
  const newest =
    last?.id == null
      ? "none yet"
      : `${last.id}, ${ago(numbers.lastAgeSeconds)}, ${formatSize(last.storedBytes)}` +
        (numbers.verifiedAgeSeconds === null
          ? ", never verified"
          : `; verified: ${ago(numbers.verifiedAgeSeconds)}`);
  const point = numbers.recoveryPointAgeSeconds;
  const takes = numbers.restoreSeconds;
  const facts = [
    point === null ? "nothing can be restored yet" : `recovery point ${ago(point)}`,
    takes === null ? "" : `a restore takes about ${span(takes)}`,
    running === null ? `next ${isoOf(f.nextAt) ?? "never"}` : `${running.node}: ${running.says}`,
  ];
  return [
    `backups: ${newest}`,
    `         ${facts.filter((fact) => fact !== "").join(", ")}`,
    ...backupAlerts(f).map((alert) => paint("yellow", `backups: ${alert}`)),
  ];
}

function isoOf(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

function ago(seconds: number | null): string {
  return seconds === null ? "?" : `${span(seconds)} ago`;
}

function span(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800
    ? `${Math.round(seconds / 3_600)} h`
    : `${Math.round(seconds / 86_400)} days`;
}
