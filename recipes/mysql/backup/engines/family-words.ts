// Where the two of the family differ: programs, options, names.
import type { EngineName, Manifest } from "../../core/backup/manifest.ts";
import type { ServerNow } from "./server-facts.ts";

export type BackupPlaces = {
  readonly defaults: string;
  readonly lsn: string;
  readonly target: string;
  readonly now: ServerNow;
  readonly since: string | null;
};

export type Family = {
  readonly name: Exclude<EngineName, "clone">;
  readonly format: Manifest["stream"];
  readonly backup: string;
  readonly unstream: string;
  readonly unstreamArgs: (into: string) => readonly string[];
  readonly backupArgs: (o: BackupPlaces) => readonly string[];
  /** Whether it is asked to stop a replica's applier while it copies. */
  readonly stopsApplier: (now: ServerNow) => boolean;
  /** Options of a preparation that another one follows. */
  readonly notLast: readonly string[];
};

/** Two readers keep a disk busy beside one zstd, and leave the server's cores alone. */
const PARALLEL = 2;
/** How long it waits for running statements before it gives up rather than stall everybody who comes behind it. */
const LOCK_S = 60;
const APPLIER_S = 300;

/**
 * Statements in the binlog may use temporary tables, which a replica's applier has open and no image holds: then the
 * applier must stand. Rows need none, and an applier that stands for an hour costs the cluster a good replica.
 */
const stopsApplier = (now: ServerNow): boolean => now.replica && now.statements;
const applierArgs = (now: ServerNow): readonly string[] =>
  stopsApplier(now) ? ["--safe-slave-backup", `--safe-slave-backup-timeout=${APPLIER_S}`] : [];

export const xtrabackup: Family = {
  name: "xtrabackup",
  format: "xbstream",
  backup: "xtrabackup",
  unstream: "xbstream",
  unstreamArgs: (into) => ["-x", `--parallel=${PARALLEL}`, "-C", into],
  stopsApplier,
  notLast: ["--apply-log-only"],
  backupArgs: (o) => [
    `--defaults-file=${o.defaults}`,
    "--backup",
    "--stream=xbstream",
    `--parallel=${PARALLEL}`,
    // DDL waits while it copies. REDUCED (8.4.0-5) would not, but is a preview that grows the backup with each DDL; without
    // any lock a DDL makes an image that no preparation accepts.
    "--lock-ddl=ON",
    `--lock-ddl-timeout=${LOCK_S}`,
    `--backup-lock-timeout=${LOCK_S}`,
    "--backup-lock-retry-count=3",
    // With it the server's writes would wait for a slow store. An overrun redo log fails the backup instead.
    "--register-redo-log-consumer=0",
    "--read-buffer-size=10M",
    "--databases-exclude=lost+found",
    // It would ask its maker's servers.
    "--no-version-check",
    // No --slave-info: the GTID set says where it stands, and without auto-position that option would lock all tables.
    ...applierArgs(o.now),
    ...(o.since === null ? [] : [`--incremental-lsn=${o.since}`]),
    `--extra-lsndir=${o.lsn}`,
    `--target-dir=${o.target}`,
    `--datadir=${o.now.datadir}`,
  ],
};

export const mariadbBackup: Family = {
  name: "mariadb-backup",
  format: "mbstream",
  backup: "mariadb-backup",
  unstream: "mbstream",
  unstreamArgs: (into) => ["-x", "-p", String(PARALLEL), "-C", into],
  stopsApplier,
  // It keeps the redo log of every preparation.
  notLast: [],
  backupArgs: (o) => [
    `--defaults-file=${o.defaults}`,
    "--backup",
    "--stream=mbstream",
    `--parallel=${PARALLEL}`,
    // Statements that run longer make it wait; new ones do not queue behind it for more than this.
    `--ftwrl-wait-timeout=${LOCK_S}`,
    "--databases-exclude=lost+found",
    "--no-version-check",
    // A replica's position is gtid_slave_pos, which the binlog's own position does not tell.
    ...(o.now.replica ? ["--slave-info"] : []),
    ...applierArgs(o.now),
    ...(o.since === null ? [] : [`--incremental-lsn=${o.since}`]),
    `--extra-lsndir=${o.lsn}`,
    `--target-dir=${o.target}`,
    `--datadir=${o.now.datadir}`,
  ],
};
