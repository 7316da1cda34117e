// XtraBackup's command line, files, stream and exit codes, on a real server: its login must work, its position is the
// server's own, and the data is a clone made under a lock. Whatever is not documented is refused.
import { moveBack, prepare } from "./xtrabackup-restore.ts";
import { die, ownVersion, parseOptions, record } from "./record.ts";

const KNOWN = {
  "--backup": [
    "defaults-file",
    "backup",
    "stream",
    "parallel",
    "lock-ddl",
    "lock-ddl-timeout",
    "backup-lock-timeout",
    "backup-lock-retry-count",
    "register-redo-log-consumer",
    "read-buffer-size",
    "databases-exclude",
    "no-version-check",
    "slave-info",
    "safe-slave-backup",
    "safe-slave-backup-timeout",
    "incremental-lsn",
    "extra-lsndir",
    "target-dir",
    "datadir",
    "throttle",
  ],
  "--prepare": ["prepare", "use-memory", "apply-log-only", "target-dir", "incremental-dir"],
  "--move-back": [
    "no-defaults",
    "move-back",
    "force-non-empty-directories",
    "target-dir",
    "datadir",
  ],
} as const;

const argv = process.argv.slice(2);
if (argv.includes("--version")) {
  const series = /^\d+\.\d+\.\d+/.exec(ownVersion())?.[0];
  process.stderr.write(
    `xtrabackup version ${ownVersion()} based on MySQL server ${series} Linux (x86_64) (revision id: 0)\n`,
  );
  process.exit(0);
}
record("xtrabackup");
if (process.env["TZ"] !== "UTC")
  die(1, "the stand-in is to run in UTC: its files have local times");
if (/(?:PASSWORD|MYSQL_PWD|TOKEN|SECRET|AWS_)/.test(Object.keys(process.env).join()))
  die(1, "the stand-in was given a secret in its environment");
if (argv.includes("--backup")) {
  const options = parseOptions(KNOWN["--backup"]);
  // It alone loads a MySQL client.
  const { backUp } = await import("./xtrabackup-backup.ts");
  await backUp(options);
} else if (argv.includes("--prepare")) prepare(parseOptions(KNOWN["--prepare"]));
else if (argv.includes("--move-back")) moveBack(parseOptions(KNOWN["--move-back"]));
else die(255, "the stand-in was told neither to back up, to prepare, nor to move back");
