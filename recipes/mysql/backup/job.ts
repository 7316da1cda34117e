// What the agent and its worker say to each other. The order is a file (0600), whose path is the worker's only argument;
// the worker answers by lines of JSON on stdout. Secrets cross as paths of their files.
import type { BackupConfig } from "./config.ts";
import type { LastBackup } from "../core/backup/due.ts";
import type { SecretFiles } from "../mysqld/secrets.ts";

/** This node and its running server. */
export type JobNode = {
  readonly name: string;
  readonly uuid: string;
  readonly role: string;
  readonly epoch: number;
  /** The node's directory. */
  readonly dir: string;
  readonly adminPort: number;
};

export type Job = {
  readonly task:
    | { readonly do: "survey" }
    | { readonly do: "backup"; readonly incremental: boolean }
    | { readonly do: "verify"; readonly backup: string | null }
    | { readonly do: "archive" }
    | { readonly do: "restore"; readonly order: RestoreOrder };
  readonly cluster: { readonly name: string; readonly id: string };
  readonly node: JobNode;
  /** Address of the object store. */
  readonly store: string;
  /** File of the identity that decrypts; null: none. */
  readonly identity: string | null;
  readonly nice: number;
  /** Null: only what needs none of it can be done, which is a restore. */
  readonly backup: BackupConfig | null;
  readonly secrets: SecretFiles;
};

export type RestoreOrder = {
  /** Absolute; it becomes a datadir. */
  readonly into: string;
  /** Name or id; null: the only one in the store. */
  readonly cluster: string | null;
  readonly backup: string | null;
  readonly toTime: string | null;
  readonly toGtid: string | null;
  /** It becomes a new cluster's first datadir, whose own backups go there; null: it stays what it is. */
  readonly found: {
    readonly clusterId: string;
    readonly serverId: number;
    readonly backupsTo: string | null;
  } | null;
};

/** How far it is. Bytes are 0 where there is nothing to count. */
export type Progress = {
  readonly says: string;
  readonly rawBytes: number;
  readonly storedBytes: number;
  /** Raw bytes in all, about; 0: not known. */
  readonly estimate: number;
  readonly bytesPerSecond: number;
};

/** What the store has now; `done` of a backup, a verification and a survey alike. */
export type Done = {
  /** What was done, one sentence for people. */
  readonly says: string;
  /** The backup that it was about; null: none. */
  readonly id: string | null;
  /** False: the verification found the backup bad. */
  readonly ok: boolean;
  /** Null: what the store has is not known to it. */
  readonly last: LastBackup | null;
};

/** How far the primary's binlogs are in the store. */
export type Archived = {
  /** What no server need keep for the archive's sake. */
  readonly gtid: string;
  /** Age of the oldest transaction that is not archived, seconds; 0: all are. */
  readonly lagSeconds: number;
  readonly problem: string | null;
  /** Transactions that no binlog has any more, and the archive never got: only a new full backup helps. */
  readonly gap: string | null;
};

export type Line =
  | ({ readonly event: "progress" } & Progress)
  /** Whether the transactions of this image are all acknowledged: answered by the file `confirmed.json`. */
  | { readonly event: "confirm"; readonly gtid: string }
  | ({ readonly event: "archived" } & Archived)
  | ({ readonly event: "done" } & Done)
  | { readonly event: "failed"; readonly code: string; readonly why: string };

/** The agent's answer to `confirm`. */
export type Confirmed = { readonly gtid: string; readonly ok: boolean; readonly why: string };

export const CONFIRMED_FILE = "confirmed.json";

/** What a job takes from the configuration of backups. */
export function ofStore(backup: BackupConfig): Pick<Job, "store" | "identity" | "nice" | "backup"> {
  const identity = backup.encryption?.identity ?? null;
  return { store: backup.to, identity, nice: backup.nice, backup };
}

/** Null: not one of ours; a library may print as well. */
export function parseLine(text: string): Line | null {
  if (!text.startsWith('{"event":')) return null;
  try {
    return JSON.parse(text) as Line;
  } catch {
    return null; // cut off by the end of its writer
  }
}
