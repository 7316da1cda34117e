// `autopilot status`: the cluster in one table, or the JSON of the contract; --watch follows it by blocking query.
import { hostPort, messageOf, type RecipeVerb, type VerbCall } from "../../../src/index.ts";
import { keysOf } from "../keys.ts";
import { readBackups } from "../backup/read.ts";
import type { BackupFacts } from "../core/backup/summary.ts";
import { historySays, primaryOf, requireCluster, see, type Row, type Seen } from "../view.ts";
import { askAgents } from "./ask-agents.ts";
import { backupLines, backupsJson } from "./backup-status.ts";
import { paint, table } from "./table.ts";

/** An agent answers from its last tick: one that takes longer is not well. */
const HEALTH_TIMEOUT_MS = 2_000;
/** To compare tables by, without what changes by the mere passing of time. */
const NO_BACKUPS: BackupFacts = {
  plan: null,
  last: null,
  failed: null,
  wishes: [],
  running: null,
  archive: null,
  now: 0,
  finishedAt: null,
  verifiedAt: null,
  archivedAt: null,
  nextAt: null,
  nextVerifyAt: null,
};

/** The `status --json` contract. */
export function statusJson(cluster: string, seen: Seen, backups: BackupFacts) {
  const { state } = seen;
  return {
    cluster,
    epoch: state?.epoch ?? 0,
    phase: state?.phase ?? "none",
    primary: primaryOf(seen)?.node ?? null,
    paused: seen.paused,
    alone: state !== null && state.acks === 0 && state.phase === "open",
    voters: (state?.voters ?? []).map((v) => seen.rows.find((r) => r.uuid === v)?.node ?? v),
    acks: state?.acks ?? 0,
    nodes: seen.rows.map((r) => ({
      name: r.node,
      host: r.host,
      port: r.port,
      pid: r.pid === 0 ? null : r.pid,
      mysqldPid: r.mysqldPid,
      uuid: r.uuid,
      role: r.role,
      state: r.state,
      writable: r.writable,
      voter: r.voter,
      epoch: r.epoch,
      lagSeconds: r.lagSeconds,
      executed: r.executed,
      received: r.retrieved,
      since: r.since,
      says: r.says,
      alerts: alertsIn(r),
    })),
    backups: backupsJson(backups),
    events: seen.history.map((h) => ({
      at: h.at,
      epoch: h.epoch,
      says: historySays(h),
    })),
  };
}

export function statusTable(cluster: string, seen: Seen, backups: BackupFacts): string {
  const { state } = seen;
  const primary = primaryOf(seen);
  const epoch = state === null ? "no state yet" : `epoch ${state.epoch}, ${state.phase}`;
  const acks = state === null ? "" : `, ${state.voters.length} voters, acks ${state.acks}`;
  const head = `cluster ${cluster}: ${epoch}${acks}${seen.paused ? ", PAUSED" : ""}`;
  const alone = state !== null && state.acks === 0 && state.phase === "open";
  const warning =
    primary === null
      ? paint("red", "no primary")
      : alone
        ? paint("yellow", "the primary is alone: no automatic failover")
        : "";
  const rows = seen.rows.map((r) => [
    r.node,
    paintRole(r),
    r.voter ? "voter" : "",
    hostPort(r.host, r.port),
    r.lagSeconds === null ? "-" : `${r.lagSeconds} s`,
    r.says,
  ]);
  const alerts = seen.rows.flatMap((r) =>
    alertsIn(r).map((alert) => paint("yellow", `${r.node}: ${alert}`)),
  );
  return [
    head,
    ...(warning === "" ? [] : [warning]),
    table(["NODE", "ROLE", "VOTER", "ADDRESS", "LAG", "SAYS"], rows),
    ...alerts,
    ...backupLines(backups),
  ].join("\n");
}

/** A node that is silent says nothing of now, unless it was asked itself. */
function alertsIn({ alerts, role, heard }: Row): readonly string[] {
  if (heard !== undefined) return heard;
  return role === "unknown" || role === "stopped" ? [] : (alerts ?? []);
}

function paintRole({ role }: Row): string {
  if (role === "primary") return paint("green", role);
  return role === "replica" ? role : paint("yellow", role);
}

/** A container's health: of this node alone, by its agent's own word, so that it does not depend on Consul. */
async function answersWell(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) })).ok;
  } catch {
    return false; // Refused or silent: that is the answer.
  }
}

async function run(call: VerbCall): Promise<number> {
  const { health } = call.options;
  if (typeof health === "string") return (await answersWell(health)) ? 0 : 1;
  await requireCluster(call.kv, call.cluster);
  let shown = "";
  const show = async (): Promise<void> => {
    const seen = await askAgents(await see(call, call.cluster));
    const { cluster } = call;
    const backups = await readBackups(call, cluster);
    const text = call.json
      ? JSON.stringify(statusJson(cluster, seen, backups))
      : statusTable(cluster, seen, backups);
    // Records are written every 2 s: most of them say what is shown already, but for the ages of backups.
    const { last, running, failed } = backups;
    const news = JSON.stringify([statusTable(cluster, seen, NO_BACKUPS), last, running, failed]);
    if (news !== shown) call.print(text);
    shown = news;
  };
  if (health === true) return primaryOf(await see(call, call.cluster)) === null ? 1 : 0;
  await show();
  if (call.options["watch"] !== true) return 0;
  const waiting = (error: unknown): void =>
    call.progress(`waiting for Consul: ${messageOf(error)}`);
  await call.kv.watch(`${keysOf(call.cluster).root}/`, {
    signal: call.signal,
    onChange: () => void show().catch(waiting),
    onError: waiting,
  });
  return 0;
}

export const status: RecipeVerb = {
  name: "status",
  summary: "show the cluster: who is primary, who votes, what each node says",
  options: {
    "--watch": "show it again after each change",
    "--health [url]":
      "print nothing: exit 0 when there is a primary, 1 when not; of an agent's endpoint, when it answers 2xx",
  },
  run,
};
