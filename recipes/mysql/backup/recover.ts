// The agent's part of making this node's datadir from a store: a worker does it beside the place where the datadir goes,
// and the datadir gets its name when it is whole, as with a clone.
import { UnavailableError, type Clock, type NodeIdentity } from "../../../src/index.ts";
import type { MysqlConfig } from "../config.ts";
import { formatSize } from "../core/size.ts";
import type { NewData } from "../machine.ts";
import { complete, requireEmpty } from "../mysqld/initialize.ts";
import { layout } from "../mysqld/layout.ts";
import { childStarter } from "./child.ts";
import type { Job, RestoreOrder } from "./job.ts";
import type { Supervise } from "../../../src/index.ts";

export type RecoverParts = {
  readonly config: MysqlConfig;
  readonly node: NodeIdentity;
  readonly clock: Clock;
  readonly spawn: Supervise;
};

type Wanted = { readonly data: NewData; readonly report: (says: string) => void };

/** The first node of a new cluster, from another cluster's store (`mysql.recovery`). Errors: AP_PROVISION_FAILED. */
export async function recover(parts: RecoverParts, { data, report }: Wanted): Promise<void> {
  const { config } = parts;
  const { recovery, backup } = config;
  if (recovery === undefined) return;
  const { from, cluster = null, toTime = null, toGtid = null, identity = null } = recovery;
  const { clusterId, serverId } = data;
  const found = { clusterId, serverId, backupsTo: backup?.to ?? null };
  const order = { cluster, backup: recovery.backup ?? null, toTime, toGtid, found };
  await make(parts, { data, report }, { store: from, identity, order });
}

/** A replica, from its own cluster's newest backup and binary logs. Errors: AP_PROVISION_FAILED. */
export async function provisionByBackup(parts: RecoverParts, wanted: Wanted): Promise<void> {
  const { backup } = parts.config;
  if (backup === undefined) throw new UnavailableError("AP_PROVISION_FAILED", "there is no store");
  const latest = { backup: null, toTime: null, toGtid: null, found: null };
  const order = { ...latest, cluster: wanted.data.clusterId };
  const identity = backup.encryption?.identity ?? null;
  await make(parts, wanted, { store: backup.to, identity, order });
}

async function make(
  { config, node, clock, spawn }: RecoverParts,
  { data, report }: Wanted,
  what: {
    readonly store: string;
    readonly identity: string | null;
    readonly order: Omit<RestoreOrder, "into">;
  },
): Promise<void> {
  await requireEmpty(node.dir);
  const half = `${layout(node.dir).data}.half`;
  const { store, identity } = what;
  const job: Job = {
    task: { do: "restore", order: { ...what.order, into: half } },
    cluster: { name: node.cluster, id: data.clusterId },
    node: { name: node.name, uuid: data.uuid, role: "", epoch: 0, dir: node.dir, adminPort: 0 },
    store,
    identity,
    // Somebody waits for it.
    nice: 0,
    backup: config.backup ?? null,
    secrets: config.secrets,
  };
  const child = await childStarter({ supervise: spawn, clock })(job, {
    name: "restore",
    onLine: (line) => {
      if (line.event !== "progress") return;
      const { says, rawBytes, estimate } = line;
      const of = estimate === 0 ? "" : `: ${formatSize(rawBytes)} of about ${formatSize(estimate)}`;
      report(`${says}${of}`);
    },
  });
  const stop = (): void => void child.stop();
  data.signal.addEventListener("abort", stop, { once: true });
  if (data.signal.aborted) stop();
  const word = await child.ended;
  data.signal.removeEventListener("abort", stop);
  data.signal.throwIfAborted();
  if (word.event === "failed")
    throw new UnavailableError("AP_PROVISION_FAILED", `${word.code}: ${word.why}`);
  await complete({ ...data, dir: node.dir }, half);
  report(word.says);
}
