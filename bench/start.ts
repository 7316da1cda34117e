// From `autopilot up` in an empty directory to the first acknowledged write, and to three nodes that replicate.
// The toolchain is in its cache already. The client polls as soon as there is somebody to ask.
import { monotonicNow } from "../recipes/mysql/drills/ledger.ts";
import { createLedgerTable } from "../recipes/mysql/drills/ledger-rows.ts";
import { Cluster } from "../test/cluster/harness.ts";
import { until } from "../test/cluster/until.ts";
import { round, spreadOf } from "./statistics.ts";
import type { Progress } from "./outage.ts";

export async function benchStart(rounds: number, progress: Progress): Promise<unknown> {
  const done: { readonly writableSeconds: number; readonly readySeconds: number }[] = [];
  while (done.length < rounds) {
    const one = await startOnce();
    done.push(one);
    progress(`start: ${one.writableSeconds} s to a write, ${one.readySeconds} s to ready`);
  }
  return {
    writableSeconds: spreadOf(done.map(({ writableSeconds }) => writableSeconds)),
    readySeconds: spreadOf(done.map(({ readySeconds }) => readySeconds)),
    rounds: done,
  };
}

async function startOnce() {
  await using cluster = await Cluster.prepare();
  const begin = monotonicNow();
  const up = cluster.launch();
  const written = firstWrite(cluster).then(monotonicNow);
  await up.ready();
  const ready = monotonicNow();
  const seconds = (at: number): number => round((at - begin) / 1000);
  return { writableSeconds: seconds(await written), readySeconds: seconds(ready) };
}

/** Creating the ledger's table is a write, and it is acknowledged. */
async function firstWrite(cluster: Cluster): Promise<void> {
  await until("a primary takes a write", async () => {
    const primary = (await cluster.status()).nodes.find(({ writable }) => writable);
    if (primary === undefined) return false;
    await createLedgerTable(primary, await cluster.account());
    return true;
  });
}
