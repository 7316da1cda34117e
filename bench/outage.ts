// Write outages that a client sees on one living cluster: each round makes one fault (or one switchover), proves that it
// took effect, waits for acknowledgements again, and lets the cluster become whole before the next.
import { monotonicNow } from "../recipes/mysql/drills/ledger.ts";
import type { LedgerRun } from "../recipes/mysql/drills/ledger-run.ts";
import { gapsOf } from "../recipes/mysql/drills/verdict-acks.ts";
import { Cluster } from "../test/cluster/harness.ts";
import { isAlive, signal } from "../test/cluster/processes.ts";
import { until } from "../test/cluster/until.ts";
import { round, spreadOf } from "./statistics.ts";

export type OutageKind = "mysqld" | "node" | "switchover";
export type Progress = (text: string) => void;

type Round = {
  readonly outageMs: number;
  /** From the fault (or the request) to the first acknowledgement of the next primary. */
  readonly recoveredMs: number;
  readonly from: string;
  readonly to: string;
};

/** One cluster, one ledger per kind. */
export async function benchOutages(
  kinds: readonly OutageKind[],
  rounds: number,
  progress: Progress,
): Promise<Record<string, unknown>> {
  await using cluster = await Cluster.prepare();
  await cluster.start();
  const results: Record<string, unknown> = {};
  for (const kind of kinds) results[kind] = await benchKind(cluster, kind, { rounds, progress });
  return results;
}

async function benchKind(
  cluster: Cluster,
  kind: OutageKind,
  { rounds, progress }: { readonly rounds: number; readonly progress: Progress },
): Promise<unknown> {
  await cluster.whole();
  // The figures of README are those of one writer with one statement outstanding.
  await using run = await cluster.ledger({ connections: 1, everyMs: 5, transferrers: 0 });
  const done: Round[] = [];
  while (done.length < rounds) {
    await cluster.whole();
    await until("writes flow", () => monotonicNow() - (run.lastAcked?.ended ?? 0) < 50);
    const one = await playRound(cluster, kind, run);
    done.push(one);
    progress(`${kind}: round ${done.length}: ${one.outageMs} ms (${one.from} → ${one.to})`);
  }
  await cluster.whole();
  const verdict = await cluster.verdict(run);
  const { ok, counts } = verdict;
  return {
    outageMs: spreadOf(done.map(({ outageMs }) => outageMs)),
    recoveredMs: spreadOf(done.map(({ recoveredMs }) => recoveredMs)),
    rounds: done,
    /** All times without acknowledgement above 100 ms, also between the rounds. */
    gapsMs: verdict.gaps.map(({ ms }) => round(ms)),
    ok,
    ...counts,
  };
}

async function playRound(cluster: Cluster, kind: OutageKind, run: LedgerRun): Promise<Round> {
  const before = await cluster.primary();
  const { epoch } = await cluster.status();
  const at = monotonicNow();
  if (kind === "switchover") await cluster.must("switchover");
  else await killNow(kind === "node" ? [before.pid, before.mysqldPid] : [before.mysqldPid]);
  const opened = await until("a newer epoch is open", () => cluster.watch.openedAfter(epoch));
  // The first one that was sent after the newer epoch opened proves that it acknowledges.
  await until("the new primary acknowledges", () => (run.lastAcked?.sent ?? 0) > opened.at);
  const primary = await cluster.primary();
  if (kind === "switchover" && primary.name === before.name) throw new Error("nothing moved");
  if (kind === "node") await cluster.must("node", "start", before.name);
  const gaps = gapsOf(run.soFar(), 0).filter(({ to }) => to !== null && to >= at);
  const longest = gaps.reduce((max, gap) => (gap.ms > max.ms ? gap : max));
  return {
    outageMs: round(longest.ms),
    recoveredMs: round((longest.to ?? monotonicNow()) - at),
    from: before.name,
    to: primary.name,
  };
}

/** SIGKILL by pid, without the time that a CLI needs to start, and proof that it took effect. */
async function killNow(pids: readonly (number | null)[]): Promise<void> {
  const victims = pids.filter((pid) => pid !== null);
  if (victims.length === 0) throw new Error("there is no process to kill");
  for (const pid of victims) signal(pid, "SIGKILL");
  await until(`${victims.join(", ")} are dead`, () => !victims.some(isAlive));
}
