// The tools of the engines that are not the server itself. They are looked for, and never fetched: no Debian archive has an
// XtraBackup, and one of mariadb-backup must be the server's own series.
import type { ToolSpec } from "../../../../src/index.ts";

export const xtrabackupSpec: ToolSpec = {
  name: "xtrabackup",
  version: "any",
  env: "AUTOPILOT_XTRABACKUP",
  binary: "xtrabackup",
  versionArgs: ["--no-defaults", "--version"],
  accept: (output) => {
    const version = /\bxtrabackup version (\d+\.\d+\.\d+\S*)/.exec(output)?.[1];
    return version === undefined
      ? { ok: false, why: "it does not say that it is XtraBackup" }
      : { ok: true, version };
  },
  apt: null,
  install:
    "install the percona-xtrabackup package of the server's series, or set AUTOPILOT_XTRABACKUP",
};

export const mariadbBackupSpec: ToolSpec = {
  name: "mariadb-backup",
  version: "any",
  env: "AUTOPILOT_MARIADB_BACKUP",
  binary: "mariadb-backup",
  versionArgs: ["--no-defaults", "--version"],
  accept: (output) => {
    const version = /based on MariaDB server (\d+\.\d+\.\d+)/.exec(output)?.[1];
    return version === undefined
      ? { ok: false, why: "it does not say that it is mariadb-backup" }
      : { ok: true, version };
  },
  apt: null,
  install: "install the mariadb-backup of the server's series, or set AUTOPILOT_MARIADB_BACKUP",
};
