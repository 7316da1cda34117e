// What every task of the worker works with: the store, the programs, the node's own account. Opened as far as a task
// needs it, closed with it.
import { join } from "node:path";
import { findTool, invariant, openStore, type ObjectStore, type Tool } from "../../../src/index.ts";
import { realClock as clock } from "../../../src/index.ts";
import type { Target } from "../mysqld/connection.ts";
import { readSecrets } from "../mysqld/secrets.ts";
import { mysqlSpec } from "../mysqld/tool.ts";
import { readIdentities, readRecipients } from "./age-files.ts";
import { mariadbBackupSpec, xtrabackupSpec } from "./engines/tools.ts";
import type { BackupConfig } from "./config.ts";
import type { Job } from "./job.ts";
import { zstdSpec } from "./zstd.ts";

export type WorkPlace = {
  readonly job: Job;
  readonly store: ObjectStore;
  readonly signal: AbortSignal;
  /** A directory of this worker's own on the file system of the datadir; emptied when the worker starts. */
  readonly scratch: string;
};

/** The store is not asked yet. */
export async function openPlace(
  job: Job,
  signal: AbortSignal,
): Promise<WorkPlace & AsyncDisposable> {
  const store = await openStore(job.store, { env: process.env, clock });
  const scratch = join(job.node.dir, "backup", "scratch");
  return { job, store, signal, scratch, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

/** What only a restore can do without. */
export function configOf({ job }: Pick<WorkPlace, "job">): BackupConfig {
  invariant(job.backup !== null, "AP_BUG_INVARIANT", "a task without the configuration of backups");
  return job.backup;
}

const quiet = (): void => {};

export function mysqldTool({ signal }: Pick<WorkPlace, "signal">): Promise<Tool> {
  return findTool(mysqlSpec, { progress: quiet, signal });
}

/** The start of zstd's command line. */
export async function zstdCommand({
  signal,
}: Pick<WorkPlace, "signal">): Promise<readonly string[]> {
  const tool = await findTool(zstdSpec, { progress: quiet, signal });
  return tool.command("zstd");
}

/** The engines' own programs, as far as this machine has them. */
export async function engineTools({ signal }: Pick<WorkPlace, "signal">) {
  const look = async (spec: typeof xtrabackupSpec): Promise<Tool | null> =>
    findTool(spec, { progress: quiet, signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      if ((error as { code?: string }).code === "AP_TOOL_MISSING") return null;
      throw error;
    });
  return {
    xtrabackup: await look(xtrabackupSpec),
    "mariadb-backup": await look(mariadbBackupSpec),
  };
}

export async function ownLogin({ job }: WorkPlace): Promise<Target> {
  const { admin } = await readSecrets(job.secrets);
  return { host: "127.0.0.1", port: job.node.adminPort, user: "autopilot", password: admin };
}

export async function recipientsOf({ job }: WorkPlace): Promise<readonly string[] | null> {
  const encryption = job.backup?.encryption;
  return encryption === undefined ? null : readRecipients(encryption.recipients);
}

export async function identitiesOf({ job }: WorkPlace): Promise<readonly string[] | null> {
  return job.identity === null ? null : readIdentities(job.identity);
}
