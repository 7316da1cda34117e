// Backups as an operator's verb sees them: from Consul alone, with no configuration and no store at hand.
import type { Clock, Kv, KvEntry } from "../../../src/index.ts";
import { notBefore } from "../core/backup/due.ts";
import type {
  ArchiveState,
  BackupFacts,
  BackupPlan,
  RunningBackup,
} from "../core/backup/summary.ts";
import { keysOf } from "../keys.ts";
import { boardFacts, type BoardFacts } from "./board.ts";
import { nextAfter } from "./schedule.ts";

export async function readBackups(
  { kv, clock }: { readonly kv: Kv; readonly clock: Pick<Clock, "wall"> },
  cluster: string,
): Promise<BackupFacts> {
  const keys = keysOf(cluster);
  const [entries, progress, archive] = await Promise.all([
    kv.list(keys.backups),
    kv.get(keys.backupProgress),
    kv.get(keys.backupArchive),
  ]);
  return backupFacts(boardFacts(entries, keys), clock.wall(), {
    progress: valueOf<RunningBackup>(progress),
    archived: valueOf<ArchiveState>(archive),
  });
}

/** `now`: wall clock, ms since 1970. */
export function backupFacts(
  board: BoardFacts,
  now: number,
  {
    progress,
    archived,
  }: { readonly progress: RunningBackup | null; readonly archived: ArchiveState | null },
): BackupFacts {
  const { plan, last, failed, wishes } = board;
  return {
    plan,
    last,
    failed,
    wishes,
    running: runningOf(board, progress),
    archive: plan?.archive === true ? archived : null,
    now,
    finishedAt: last?.id == null ? null : Date.parse(last.finishedAt),
    verifiedAt: last?.verified == null ? null : Date.parse(last.verified.at),
    archivedAt: archived === null ? null : Date.parse(archived.at),
    ...nextOf(board, plan, now),
  };
}

/** A lock that somebody holds is a task that runs, also before its first word. */
function runningOf({ lock }: BoardFacts, progress: RunningBackup | null): RunningBackup | null {
  if (lock?.session == null || lock.value === null) return null;
  const { node, task, why, since } = lock.value;
  if (progress !== null && progress.since === since && progress.node === node) return progress;
  const nothing = { rawBytes: 0, storedBytes: 0, estimate: 0, bytesPerSecond: 0 };
  return { node, task, why, since, says: "beginning", ...nothing };
}

function nextOf({ last, failed }: BoardFacts, plan: BackupPlan | null, now: number) {
  if (plan === null) return { nextAt: null, nextVerifyAt: null };
  const began = last?.id == null ? null : Date.parse(last.startedAt);
  const looked = last?.verified == null ? began : Date.parse(last.verified.at);
  const next = (schedule: string, from: number | null): number | null => {
    // None so far: as soon as somebody can.
    const at = from === null ? now : nextAfter(schedule, from);
    return at === null ? null : Math.max(at + plan.delayMs, notBefore(failed), now);
  };
  return {
    nextAt: next(plan.schedule, began),
    nextVerifyAt: plan.verify === null ? null : next(plan.verify, looked),
  };
}

function valueOf<T>(entry: KvEntry | null): T | null {
  return entry === null || entry.value === "" ? null : (JSON.parse(entry.value) as T);
}
