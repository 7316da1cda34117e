// The agent's part of backups: sees when one is due, takes the cluster-wide lock, has a worker do it, and tells what
// became of it. It never stands in the way of an election: the loop does not wait for it, and a node that becomes primary
// ends its worker where another node can begin anew. A node that dies loses the lock with its session: another begins.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  messageOf,
  type Clock,
  type KvOp,
  type Lease,
  type Leaser,
  type Log,
  type NodeIdentity,
} from "../../../src/index.ts";
import {
  chooseNode,
  delayOf,
  giveUp,
  hasReplica,
  taskDue,
  type DueFacts,
  type Task,
} from "../core/backup/due.ts";
import type { BackupPlan } from "../core/backup/summary.ts";
import { contains, gtidSet } from "../core/gtid.ts";
import type { Peer, State } from "../core/records.ts";
import type { SecretFiles } from "../mysqld/secrets.ts";
import type { Board, BoardFacts, LockValue } from "./board.ts";
import { workerDir, type Child, type LastWord, type StartChild } from "./child.ts";
import type { BackupConfig } from "./config.ts";
import {
  CONFIRMED_FILE,
  ofStore,
  type Confirmed,
  type Job,
  type Line,
  type Progress,
} from "./job.ts";
import { nextAfter } from "./schedule.ts";

/** This node as its agent sees it, from memory alone. */
export type NodeView = {
  readonly clusterId: string;
  readonly uuid: string;
  readonly role: string;
  readonly epoch: number;
  readonly session: string | null;
  readonly state: State | null;
  readonly peers: readonly Peer[];
  readonly paused: boolean;
  readonly stopping: boolean;
};

export type KeeperParts = {
  readonly config: BackupConfig;
  readonly secrets: SecretFiles;
  readonly adminPort: number;
  readonly node: NodeIdentity;
  readonly clock: Clock;
  readonly lease: Pick<Lease, "view">;
  readonly leaser: Leaser;
  readonly log: Log;
  readonly announce: (type: string, what: string) => void;
  readonly board: Board;
  /** Null: not known yet, or there is no server to take an image of. */
  readonly view: () => NodeView | null;
  /** Reads the nodes' records, unless that was done within `maxAgeMs`. */
  readonly refreshPeers: (maxAgeMs: number) => Promise<void>;
  readonly start: StartChild;
};

const LOOK_EVERY_MS = 1_000;
const PROGRESS_EVERY_MS = 2_000;
/** Records are written every 2 s; a replica that is stopped, or a primary that hangs, must not keep a worker for ever. */
const CONFIRM_WITHIN_MS = 60_000;

type Running = {
  readonly task: Task;
  readonly value: LockValue;
  readonly asPrimary: boolean;
  readonly startedAt: number;
  child: Child | null;
  progress: Progress | null;
  publishedAt: number;
  /** The set that the worker wants to have confirmed, and since when. */
  confirm: { readonly gtid: string; readonly since: number } | null;
  /** Why it was ended by us. */
  ended: string | null;
};

export class Keeper implements AsyncDisposable {
  readonly #parts: KeeperParts;
  readonly #end = new AbortController();
  readonly #looks: Promise<void>;
  #running: Running | null = null;
  #work: Promise<void> | null = null;
  /** How a task ended, not told to Consul yet. */
  #untold: readonly KvOp[] | null = null;
  #error: string | null = null;
  #aloneSince: number | null = null;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.#looks = this.#loop();
  }

  /** The agent stops: the worker goes first, and fast. */
  async stop(): Promise<void> {
    this.#end.abort();
    await this.#giveUp("this node stops");
  }

  async #loop(): Promise<void> {
    const { clock, log } = this.#parts;
    while (!this.#end.signal.aborted) {
      try {
        await this.#look();
        this.#error = null;
      } catch (error) {
        // Consul is away, most often: said once, and looked at again.
        const why = messageOf(error);
        if (why !== this.#error) log.warn("backups", { why });
        this.#error = why;
      }
      await clock.sleep(LOOK_EVERY_MS, this.#end.signal).catch(() => {}); // Aborted: the loop ends.
    }
  }

  async #look(): Promise<void> {
    const { board, view } = this.#parts;
    const facts = board.facts();
    const me = view();
    if (facts === null || me === null) return;
    if (me.role === "primary" && me.session !== null) await board.plan(this.#plan(me));
    if (this.#running !== null) return this.#watchOver(this.#running, me, facts);
    if (this.#untold !== null) return this.#tell(me, this.#untold);
    if (me.session === null || me.stopping) return;
    if (facts.lock?.session != null) return this.#endGhost(me, facts);
    const task = this.#due(me, facts);
    if (task !== null && (await this.#isMine(task, facts))) await this.#begin(task, me.session);
  }

  #plan({ clusterId }: NodeView): BackupPlan {
    const { to, schedule, verify, jitter, archive } = this.#parts.config;
    return {
      to,
      schedule,
      verify: verify.enabled ? verify.schedule : null,
      delayMs: delayOf(clusterId, jitter),
      archive: archive.enabled,
    };
  }

  #due(me: NodeView, facts: BoardFacts): Task | null {
    return taskDue(dueFacts(me, facts, this.#parts));
  }

  async #isMine(task: Task, facts: BoardFacts): Promise<boolean> {
    const { refreshPeers, view, clock } = this.#parts;
    await refreshPeers(LOOK_EVERY_MS);
    const me = view();
    if (me === null) return false;
    const now = clock.now();
    this.#aloneSince = hasReplica(me.peers, me.state) ? null : (this.#aloneSince ?? now);
    const aloneForMs = this.#aloneSince === null ? 0 : now - this.#aloneSince;
    return chooseNode(task, { ...me, failed: facts.failed, aloneForMs }).uuid === me.uuid;
  }

  /** A lock of this node's own earlier session would never fall: the new agent passes the same check (PROTOCOL §3). */
  async #endGhost(me: NodeView, { lock }: BoardFacts): Promise<void> {
    const mine = lock?.value?.uuid === me.uuid;
    if (!mine || lock?.session == null) return;
    if (lock.session === me.session) await this.#parts.board.settle(me.session, []);
    else await this.#parts.leaser.destroy(lock.session);
  }

  async #begin(task: Task, session: string): Promise<void> {
    const { board, clock, node, view } = this.#parts;
    const me = view();
    if (me === null) return;
    const since = new Date(clock.wall()).toISOString();
    const value = { uuid: me.uuid, node: node.name, task: task.kind, why: task.why, since };
    if (!(await board.lock(session, value))) return;
    // What was decided on may have been done meanwhile, by who held the lock before.
    const still = this.#due(me, await board.look());
    if (still?.kind !== task.kind || still.wish?.id !== task.wish?.id) {
      await board.settle(session, []);
      return;
    }
    const running: Running = {
      task,
      value,
      asPrimary: me.role === "primary",
      startedAt: clock.now(),
      child: null,
      progress: null,
      publishedAt: -Infinity,
      confirm: null,
      ended: null,
    };
    this.#running = running;
    this.#work = this.#run(running, me);
  }

  async #run(running: Running, me: NodeView): Promise<void> {
    const { start, log, announce } = this.#parts;
    const { task } = running;
    let word: LastWord;
    try {
      if (task.kind !== "survey") announce("backup", `${task.kind} begins: ${task.why}`);
      running.child = await start(this.#job(task, me), {
        name: "backup",
        onLine: (line) => this.#heard(running, line),
      });
      // Ended while it was being started.
      if (running.ended !== null) await running.child.stop();
      word = await running.child.ended;
    } catch (error) {
      word = { event: "failed", code: "AP_BACKUP_WORKER", why: messageOf(error) };
    }
    if (word.event === "failed") log.warn(task.kind, { why: running.ended ?? word.why });
    if (task.kind !== "survey")
      announce(word.event === "done" ? "backup" : "setback", running.ended ?? saysOf(word));
    this.#untold = this.#outcome(running, word, me);
    this.#running = null;
  }

  #job(task: Task, me: NodeView): Job {
    const { config, secrets, node, adminPort } = this.#parts;
    const { uuid, role, epoch } = me;
    return {
      task:
        task.kind === "verify"
          ? { do: "verify", backup: task.backup }
          : task.kind === "backup"
            ? { do: "backup", incremental: task.wish?.incremental ?? false }
            : { do: "survey" },
      cluster: { name: node.cluster, id: me.clusterId },
      node: { name: node.name, uuid, role, epoch, dir: node.dir, adminPort },
      ...ofStore(config),
      secrets,
    };
  }

  #heard(running: Running, line: Line): void {
    const since = this.#parts.clock.now();
    if (line.event === "progress") running.progress = line;
    if (line.event === "confirm") running.confirm = { gtid: line.gtid, since };
  }

  async #watchOver(running: Running, me: NodeView, facts: BoardFacts): Promise<void> {
    const { clock, board, config, refreshPeers } = this.#parts;
    const why = giveUp(
      {
        kind: running.task.kind,
        asPrimary: running.asPrimary,
        forMs: clock.now() - running.startedAt,
      },
      {
        deadlineMs: config.deadline,
        stopping: me.stopping,
        lockLost: await this.#lostLock(running, me, facts),
        leads: me.role === "primary" || me.role === "candidate",
        others: others(me),
      },
    );
    if (why !== null) return this.#giveUp(why);
    if (running.confirm !== null) {
      await refreshPeers(LOOK_EVERY_MS);
      await this.#confirm(running, running.confirm);
    }
    if (running.progress === null || clock.now() - running.publishedAt < PROGRESS_EVERY_MS) return;
    running.publishedAt = clock.now();
    await board.progress({ ...running.value, ...running.progress });
  }

  /** A session that fell takes the lock along: it is taken again, unless another node was faster. */
  async #lostLock({ value }: Running, me: NodeView, { lock }: BoardFacts): Promise<boolean> {
    const { board, leaser } = this.#parts;
    if (me.session === null || lock?.session === me.session) return false;
    const holder = lock?.session ?? null;
    if (holder !== null && lock?.value?.uuid !== me.uuid) return true;
    if (holder !== null) await leaser.destroy(holder);
    return !(await board.lock(me.session, value));
  }

  /** Only what an open primary has executed is acknowledged for good: an image must hold nothing else. */
  async #confirm(running: Running, asked: NonNullable<Running["confirm"]>): Promise<void> {
    const { node, clock, view } = this.#parts;
    const me = view();
    const state = me?.state ?? null;
    const primary = me?.peers.find(({ uuid }) => uuid === state?.primary);
    const knows = state?.phase === "open" && primary?.epoch === state.epoch;
    const ok = knows && contains(gtidSet(primary.executed), gtidSet(asked.gtid));
    if (!ok && clock.now() - asked.since < CONFIRM_WITHIN_MS) return;
    const why = ok ? "" : "no open primary has all transactions of this image";
    const answer: Confirmed = { gtid: asked.gtid, ok, why };
    running.confirm = null;
    const file = join(workerDir(node.dir, "backup"), CONFIRMED_FILE);
    await writeFile(file, JSON.stringify(answer), { mode: 0o600 });
  }

  async #giveUp(why: string): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    running.ended ??= why;
    await running.child?.stop();
    await this.#work;
  }

  /** What Consul is to know of it. Given up for another node's sake: nothing, so that the task is due as before. */
  #outcome({ task, value, ended }: Running, word: LastWord, me: NodeView): readonly KvOp[] {
    const { board, clock, node } = this.#parts;
    const { wish } = task;
    const late = ended?.includes("deadline") === true;
    if (ended !== null && !late) return [];
    if (word.event === "done") {
      const { ok, says, id } = word;
      const told =
        wish === null
          ? []
          : wish.auto === true
            ? board.ofForgotten(wish)
            : board.ofOutcome(wish, { ok, says, id: id ?? "" });
      return [...(word.last === null ? [] : board.ofLast(word.last)), ...told];
    }
    const why = ended ?? word.why;
    const failures = (board.facts()?.failed?.failures ?? 0) + 1;
    const failed = { failures, at: clock.wall(), uuid: me.uuid, node: node.name, why };
    const says = `${value.node}: ${ended === null ? `${word.code}: ${why}` : why}`;
    const told =
      wish === null || wish.auto === true ? [] : board.ofOutcome(wish, { ok: false, says, id: "" });
    return [...board.ofFailure(failed), ...told];
  }

  /** Gives the lock back. Where it was lost meanwhile, what is known is told all the same: it is a hint, no more. */
  async #tell({ session }: NodeView, ops: readonly KvOp[]): Promise<void> {
    const { board } = this.#parts;
    if (session === null) return;
    const told = await board.settle(session, ops);
    if (!told && ops.length > 0) await board.tell(ops);
    this.#untold = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#looks;
    const me = this.#parts.view();
    // The lock falls with the session as well: this only saves the others the wait.
    if (this.#untold !== null && me !== null) await this.#tell(me, this.#untold).catch(() => {});
  }
}

function saysOf(word: LastWord): string {
  return word.event === "done" ? word.says : `${word.code}: ${word.why}`;
}

/** Another replica is there that could do it. */
function others({ peers, state, uuid }: NodeView): boolean {
  return peers.some(
    (peer) =>
      peer.uuid !== uuid &&
      peer.ageMs < 5_000 &&
      !peer.stopping &&
      peer.mysqldPid !== null &&
      state?.voters.includes(peer.uuid) === true,
  );
}

/** What `taskDue` is asked, here and by `status`. */
export function dueFacts(
  { clusterId, state, paused }: Pick<NodeView, "clusterId" | "state" | "paused">,
  { last, failed, wishes }: BoardFacts,
  { config, clock }: { readonly config: BackupConfig; readonly clock: Pick<Clock, "wall"> },
): DueFacts {
  const now = clock.wall();
  const began = last?.id == null ? null : Date.parse(last.startedAt);
  const { verify } = config;
  // Never verified: due at the first moment after the newest backup.
  const lookedAt = last?.verified == null ? began : Date.parse(last.verified.at);
  return {
    now,
    state,
    paused,
    last,
    failed,
    wishes,
    scheduledAt: began === null ? null : nextAfter(config.schedule, began),
    verifyAt: lookedAt === null || !verify.enabled ? null : nextAfter(verify.schedule, lookedAt),
    delayMs: delayOf(clusterId, config.jitter),
  };
}
