// `autopilot backup …`: what is in the store, what stays, what goes. It asks the store alone, so that it also works where
// no cluster is left. The work is loaded when it is called: agents do not carry it.
import { UsageError, type StoreCall, type StoreVerb } from "../../../src/index.ts";

type Doing = (call: StoreCall) => Promise<number>;

/** Each by the first word after `backup`. */
const doings: Readonly<Record<string, () => Promise<Doing>>> = {
  now: async () => (await import("./backup-ask.ts")).backupNow,
  verify: async () => (await import("./backup-ask.ts")).verifyBackup,
  list: async () => (await import("./backup-list.ts")).list,
  show: async () => (await import("./backup-list.ts")).show,
  prune: async () => (await import("./backup-keep.ts")).pruneBackups,
  hold: async () => (await import("./backup-keep.ts")).holdBackup,
  release: async () => (await import("./backup-keep.ts")).releaseBackup,
};

async function runAnywhere(call: StoreCall): Promise<number> {
  const [word = ""] = call.args;
  const load = Object.hasOwn(doings, word) ? doings[word] : undefined;
  const words = Object.keys(doings).join("|");
  if (load === undefined) throw new UsageError("AP_USAGE", `backup ${word}: there is ${words}`);
  return (await load())(call);
}

export const backup: StoreVerb = {
  name: "backup",
  summary: "make, verify, list, show, hold, release and prune the backups of an object store",
  args: {
    "<what>": "now, verify [ID], list, show ID, prune, hold ID, release ID",
    "[id]": "a backup",
  },
  options: {
    "--store <store>": "s3://bucket/prefix?… or a directory (default: AUTOPILOT_MYSQL_BACKUP_TO)",
    "--node <node>": "now, verify: the node that does it (default: the best replica)",
    "--incremental": "now: on top of the node's last one, where its engine can",
    "--no-wait": "now, verify: do not wait for the outcome",
    "--dry-run": "prune: only say what would be deleted",
    "--last <n>": "prune: keep the newest",
    "--daily <n>": "prune: keep the newest of each of so many days",
    "--weekly <n>": "prune: of each of so many weeks",
    "--monthly <n>": "prune: of each of so many months",
    "--window <duration>": "prune: keep what every moment of this long is recovered from",
    "--why <text>": "hold: the reason, which others will read",
  },
  runAnywhere,
};
