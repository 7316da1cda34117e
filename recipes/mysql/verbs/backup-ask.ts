// `autopilot backup now` and `backup verify`: a recorded wish, which the best node takes, or the one that is named; what it
// does is followed until it is done. A node that dies over it is followed by another. Ctrl-C takes back what has not begun.
import { randomUUID } from "node:crypto";
import {
  RefusedError,
  UnavailableError,
  type StoreCall,
  type VerbCall,
} from "../../../src/index.ts";
import { readBackups } from "../backup/read.ts";
import type { BackupWish } from "../core/backup/due.ts";
import { formatSize } from "../core/size.ts";
import type { RunningBackup } from "../core/backup/summary.ts";
import { keysOf, parseBackupWish } from "../keys.ts";
import { requireCluster, see } from "../view.ts";

const LOOK_EVERY_MS = 500;
/** Nobody takes it: the nodes do not run, or are none that could. */
const BEGUN_WITHIN_MS = 60_000;
const WIDTH = 24;

export function backupNow(call: StoreCall): Promise<number> {
  const incremental = call.options["incremental"] === true;
  return call.inCluster((inside) => ask(inside, { verb: "backup", incremental, backup: null }));
}

export function verifyBackup(call: StoreCall): Promise<number> {
  const backup = call.args[1] ?? null;
  return call.inCluster((inside) => ask(inside, { verb: "verify", incremental: false, backup }));
}

async function ask(
  call: VerbCall,
  wish: Pick<BackupWish, "verb" | "incremental" | "backup">,
): Promise<number> {
  const { kv, cluster, options } = call;
  await requireCluster(kv, cluster);
  const node = typeof options["node"] === "string" ? options["node"] : null;
  await requireNode(call, node);
  const { plan } = await readBackups(call, cluster);
  if (plan === null)
    throw new RefusedError("AP_BACKUP_NOT_CONFIGURED", `cluster ${cluster} has no backups`);
  const one: BackupWish = {
    ...wish,
    id: `${wish.verb}-${randomUUID()}`,
    node,
    by: process.env["USER"] ?? "operator",
    at: new Date(call.clock.wall()).toISOString(),
    outcome: null,
  };
  const key = keysOf(cluster).backupWish(one.id);
  await kv.commit([{ do: "cas", key, value: JSON.stringify(one), index: 0 }]);
  if (options["wait"] === false) {
    call.print(call.json ? JSON.stringify({ intent: one.id }) : `recorded ${one.id}`);
    return 0;
  }
  const outcome = await outcomeOf(call, key);
  call.print(call.json ? JSON.stringify(outcome) : outcome.says);
  if (outcome.ok) return 0;
  return outcome.id === "" ? FAILED : BAD;
}

/** It could not be done; a verification that was done found the backup bad. */
const FAILED = 69;
const BAD = 1;

async function requireNode(call: VerbCall, node: string | null): Promise<void> {
  if (node === null) return;
  const { rows } = await see(call, call.cluster);
  if (rows.some((row) => row.node === node)) return;
  throw new RefusedError("AP_NODE_UNKNOWN", `no node ${node} in cluster ${call.cluster}`);
}

async function outcomeOf(call: VerbCall, key: string): Promise<NonNullable<BackupWish["outcome"]>> {
  const { kv, clock, signal } = call;
  const started = clock.now();
  const show = bar(call);
  let begun = false;
  try {
    for (;;) {
      const entry = await kv.get(key);
      const wish = entry === null ? null : parseBackupWish(entry.value);
      if (wish === null)
        throw new UnavailableError("AP_OUTCOME_TIMEOUT", "the wish was taken back");
      if (wish.outcome !== null) return wish.outcome;
      const { running } = await readBackups(call, call.cluster);
      begun ||= running !== null;
      if (running !== null) show(running);
      else if (!begun && clock.now() - started > BEGUN_WITHIN_MS)
        throw new UnavailableError("AP_OUTCOME_TIMEOUT", "no node has taken it within 60 s");
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
  } finally {
    await kv.commit([{ do: "delete", key }]);
  }
}

/** One line that is drawn over on a terminal; elsewhere one when the words change. */
function bar({ json, progress }: VerbCall): (running: RunningBackup) => void {
  const drawn = process.stderr.isTTY && !json;
  let said = "";
  return (running) => {
    const { node, says, rawBytes, estimate, bytesPerSecond } = running;
    if (!drawn) {
      if (`${node}: ${says}` !== said) progress(`${node}: ${says}`);
      said = `${node}: ${says}`;
      return;
    }
    const share = estimate === 0 ? 0 : Math.min(1, rawBytes / estimate);
    const done = "█".repeat(Math.round(share * WIDTH)).padEnd(WIDTH, "░");
    const rate = bytesPerSecond === 0 ? "" : `, ${formatSize(bytesPerSecond)}/s`;
    const of = estimate === 0 ? "" : ` of about ${formatSize(estimate)}`;
    process.stderr.write(`\r\u001B[K${node}: ${done} ${formatSize(rawBytes)}${of}${rate}, ${says}`);
  };
}
