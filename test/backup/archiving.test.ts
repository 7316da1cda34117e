// The agent's part of the archive: what it tells of a worker that speaks, hangs, ends or begins anew. Workers are played.
import { describe, expect, onTestFinished, test } from "vitest";
import { Archiving } from "../../recipes/mysql/backup/archiving.ts";
import type { LastWord } from "../../recipes/mysql/backup/child.ts";
import type { BackupConfig } from "../../recipes/mysql/backup/config.ts";
import type { Archived, Line } from "../../recipes/mysql/backup/job.ts";
import type { KeeperParts, NodeView } from "../../recipes/mysql/backup/keeper.ts";
import { mysqlSchema } from "../../recipes/mysql/config.ts";
import type { BackupWish } from "../../recipes/mysql/core/backup/due.ts";
import type { ArchiveState } from "../../recipes/mysql/core/backup/summary.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { until } from "../contract/until.ts";
import { recordingLog } from "../runtime/recording-log.ts";

const A = "11111111-1111-1111-1111-111111111111";
const secrets = { admin: "a", replication: "r", clone: "c", peer: "p", app: "x" };
const config = mysqlSchema.parse({ secrets, backup: { to: "/nowhere" } }).backup as BackupConfig;
const word = (more: Partial<Archived> = {}): Archived => ({
  gtid: `${A}:1-10`,
  lagSeconds: 0,
  problem: null,
  gap: null,
  ...more,
});

function start(backup = `${A}:1-5`) {
  let [ahead, looked] = [0, 0];
  const clock = {
    ...realClock,
    now: () => realClock.now() + ahead,
    wall: () => realClock.wall() + ahead,
    // Looks come a hundred times as often.
    sleep: (ms: number, signal?: AbortSignal) => realClock.sleep(ms / 100, signal),
  };
  const workers: { say: (archived: Archived) => void; fail: (why: string) => void }[] = [];
  const told: ArchiveState[] = [];
  const wishes: BackupWish[] = [];
  const view = {
    clusterId: "C",
    uuid: "a",
    role: "primary",
    epoch: 1,
    state: { phase: "open" },
    stopping: false,
  };
  const archiving = new Archiving({
    config,
    secrets,
    adminPort: 1,
    node: { name: "node-a", cluster: "shop", dir: "/nowhere" } as KeeperParts["node"],
    clock,
    log: recordingLog().log,
    view: () => {
      looked += 1;
      return view as unknown as NodeView;
    },
    board: {
      facts: () => ({ last: { id: "X", gtid: backup } }),
      archived: async (value: ArchiveState) => void told.push(value),
      wish: async (wish: BackupWish) => void wishes.push(wish),
    } as unknown as KeeperParts["board"],
    start: async (_job, { onLine }: { onLine: (line: Line) => void }) => {
      const { promise, resolve } = Promise.withResolvers<LastWord>();
      const fail = (why: string): void =>
        resolve({ event: "failed", code: "AP_ARCHIVE_DIVERGED", why });
      workers.push({ say: (archived) => onLine({ event: "archived", ...archived }), fail });
      return { ended: promise, stop: async () => fail("ended") };
    },
  });
  onTestFinished(() => archiving[Symbol.asyncDispose]());
  const pass = (ms: number): void => void (ahead += ms);
  /** What is told from now on, once it is so. */
  const tells = async (what: string, is: (state: ArchiveState) => boolean) => {
    const from = told.length;
    pass(5_000);
    return until(what, () => told.slice(from).find(is));
  };
  const worker = (n: number) => until(`worker ${n} runs`, () => workers[n]);
  const looks = (n: number) => {
    const before = looked;
    return until(`${n} looks`, () => looked - before >= n);
  };
  return { view, told, wishes, pass, tells, worker, looks };
}

describe("of an archive that lags", () => {
  test("the moment is told of which its worker spoke, and its silence", async () => {
    const { tells, worker, pass } = start();
    (await worker(0)).say(word());
    const first = await tells("its word", ({ gtid }) => gtid !== "");
    expect(first).toMatchObject({ gtid: `${A}:1-10`, problem: null, node: "node-a" });
    const next = await tells("the same", () => true);
    expect(next.at).toBe(first.at);
    pass(60_000);
    const silent = await tells("the silence", ({ problem }) => problem !== null);
    expect(silent).toMatchObject({ at: first.at, gtid: first.gtid });
    expect(silent.problem).toContain("nothing was heard");
  });

  test("the reason is told why its worker ended, until the next one speaks", async () => {
    const { tells, worker } = start();
    (await worker(0)).fail("it was reset");
    const ended = await tells("the reason", ({ problem }) => problem !== null);
    expect(ended).toMatchObject({ problem: "AP_ARCHIVE_DIVERGED: it was reset", gtid: "" });
    (await worker(1)).say(word());
    await tells("that it is well", ({ problem }) => problem === null);
  });

  test("nothing is told that an earlier reign of this node knew", async () => {
    const { tells, told, view, worker, looks, pass } = start();
    (await worker(0)).say(word());
    await tells("its word", ({ gtid }) => gtid !== "");
    Object.assign(view, { role: "replica", epoch: 3 });
    await looks(3);
    Object.assign(view, { role: "primary" });
    const { say } = await worker(1);
    const from = told.length;
    pass(5_000);
    await looks(3);
    expect(told.slice(from)).toEqual([]);
    say(word({ gtid: `${A}:1-20` }));
    const next = await tells("the new word", () => true);
    expect(next).toMatchObject({ gtid: `${A}:1-20`, epoch: 3, problem: null });
  });
});

describe("of transactions that the archive lost", () => {
  test("none is told that a backup holds: nobody need keep it", async () => {
    const { tells, wishes, worker } = start(`${A}:1-25`);
    (await worker(0)).say(word({ gap: `${A}:11-20`, problem: "the store is away" }));
    const state = await tells("its word", ({ gtid }) => gtid !== "");
    // And what it hides is told all the same.
    expect(state).toMatchObject({ gtid: `${A}:1-20`, gap: null, problem: "the store is away" });
    expect(wishes).toEqual([]);
  });

  test("those are told that none holds, and one is asked for, once", async () => {
    const { tells, wishes, worker } = start(`${A}:1-15`);
    (await worker(0)).say(word({ gap: `${A}:11-20` }));
    const state = await tells("the gap", ({ gap }) => gap !== null);
    expect(state).toMatchObject({ gtid: `${A}:1-10`, gap: `${A}:11-20` });
    await tells("it again", ({ gap }) => gap !== null);
    expect(wishes).toMatchObject([{ id: "auto-gap", auto: true }]);
  });
});
