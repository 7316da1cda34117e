// The agent's part of the archive of binary logs: a worker runs for as long as this node is the open primary, is begun
// anew when it ends, and what it tells stands in Consul. A gap asks for a full backup at once.
import { messageOf, type Log } from "../../../src/index.ts";
import type { BackupWish, LastBackup } from "../core/backup/due.ts";
import type { ArchiveState } from "../core/backup/summary.ts";
import { uncovered } from "../core/backup/coverage.ts";
import { formatGtidSet, gtidSet, isEmpty, union } from "../core/gtid.ts";
import { ofStore, type Archived, type Job, type Line } from "./job.ts";
import type { Child } from "./child.ts";
import type { KeeperParts, NodeView } from "./keeper.ts";

type Parts = Pick<
  KeeperParts,
  "config" | "secrets" | "adminPort" | "node" | "clock" | "board" | "view" | "start"
> & { readonly log: Log };

const LOOK_EVERY_MS = 1_000;
const TELL_EVERY_MS = 5_000;
/** One that ends by itself is begun anew after 1 s, 2 s, 4 s … at most this. */
const RESTART_LONGEST_MS = 60_000;
/** One that ran this long has not failed right away. */
const RAN_WELL_MS = 60_000;
/** Its worker speaks twice per `within`: one that is silent for longer is held up, by a store that hangs. */
const SILENT_MS = 30_000;
const SILENT_WITHINS = 3;

type Running = { readonly child: Child; readonly epoch: number; readonly since: number };

/** The worker's last word, and when it came: our monotonic clock, and ISO 8601. */
type Heard = { readonly line: Archived; readonly since: number; readonly at: string };

/** Of a worker that has said nothing yet. */
const NOTHING: Archived = { gtid: "", lagSeconds: 0, problem: null, gap: null };

export class Archiving implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #end = new AbortController();
  readonly #looks: Promise<void>;
  #running: Running | null = null;
  #failures = 0;
  #notBefore = 0;
  /** Null: nothing was begun since this node leads. */
  #heard: Heard | null = null;
  /** Why the last worker ended. */
  #problem: string | null = null;
  #told: ArchiveState | null = null;
  #toldAt = -Infinity;
  #asked = "";

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#looks = this.#loop();
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.#running?.child.stop();
  }

  /** As it was last told; null: by another node. */
  state(): ArchiveState | null {
    return this.#told;
  }

  async #loop(): Promise<void> {
    const { clock, log } = this.#parts;
    while (!this.#end.signal.aborted) {
      await this.#look().catch((error: unknown) =>
        log.warn("archive of binary logs", { why: messageOf(error) }),
      );
      await clock.sleep(LOOK_EVERY_MS, this.#end.signal).catch(() => {}); // Aborted: the loop ends.
    }
  }

  async #look(): Promise<void> {
    const { clock, view } = this.#parts;
    const me = view();
    const leads = me?.role === "primary" && me.state?.phase === "open" && !me.stopping;
    const running = this.#running;
    // What it said is of its own reign: others went on from there.
    if (!leads) [this.#heard, this.#told, this.#problem] = [null, null, null];
    // One of another epoch would write that epoch's number beside this one's transactions.
    if (running !== null && (!leads || running.epoch !== me.epoch)) {
      this.#running = null;
      return running.child.stop();
    }
    if (!leads || me === null) return;
    this.#heard ??= this.#hears(NOTHING);
    if (running === null && clock.now() >= this.#notBefore) await this.#begin(me);
    if (clock.now() - this.#toldAt >= TELL_EVERY_MS) await this.#tell(me, this.#heard);
  }

  #hears(line: Archived): Heard {
    const { clock } = this.#parts;
    return { line, since: clock.now(), at: new Date(clock.wall()).toISOString() };
  }

  async #begin(me: NodeView): Promise<void> {
    const { clock, start, config, secrets, node, adminPort, log } = this.#parts;
    const { uuid, role, epoch } = me;
    const job: Job = {
      task: { do: "archive" },
      cluster: { name: node.cluster, id: me.clusterId },
      node: { name: node.name, uuid, role, epoch, dir: node.dir, adminPort },
      ...ofStore(config),
      secrets,
    };
    const since = clock.now();
    const child = await start(job, { name: "archive", onLine: (line) => this.#take(line) });
    this.#running = { child, epoch, since };
    void child.ended.then((word) => {
      // Ended by us, it has not failed.
      if (this.#running?.child !== child) return;
      this.#running = null;
      if (this.#end.signal.aborted || word.event !== "failed") return;
      this.#failures = clock.now() - since < RAN_WELL_MS ? this.#failures + 1 : 1;
      const pause = Math.min(1_000 * 2 ** (this.#failures - 1), RESTART_LONGEST_MS);
      this.#notBefore = clock.now() + pause;
      this.#problem = `${word.code}: ${word.why}`;
      log.warn("archive of binary logs", { code: word.code, why: word.why });
    });
    if (this.#end.signal.aborted) await child.stop();
  }

  #take(line: Line): void {
    if (line.event !== "archived") return;
    this.#heard = this.#hears(line);
    this.#problem = null;
  }

  /** As of when it was so: what a worker said that hangs, or ended, grows old. */
  async #tell(me: NodeView, { line, since, at }: Heard): Promise<void> {
    const { board, clock, node, config } = this.#parts;
    const mostMs = Math.max(SILENT_MS, SILENT_WITHINS * config.archive.within);
    const silentMs = clock.now() - since;
    const silence = `nothing was heard of it for ${Math.round(silentMs / 1_000)} s`;
    const problem = this.#problem ?? line.problem ?? (silentMs > mostMs ? silence : null);
    // Until then the word of the primary before stands.
    if (line === NOTHING && problem === null) return;
    const last = board.facts()?.last ?? null;
    const gap = gapOf(line.gap, last);
    const gtid = gap === null && last?.id != null ? withLost(line) : line.gtid;
    const { lagSeconds } = line;
    this.#toldAt = clock.now();
    const { uuid, epoch } = me;
    const state = { node: node.name, uuid, epoch, at, gtid, lagSeconds, problem, gap };
    this.#told = state;
    await board.archived(state);
    if (gap !== null && gap !== this.#asked) await this.#askFor(gap);
  }

  /** Only an image that holds what the archive lacks makes later moments recoverable again. */
  async #askFor(gap: string): Promise<void> {
    const { board, clock } = this.#parts;
    const wish: BackupWish = {
      id: "auto-gap",
      verb: "backup",
      node: null,
      incremental: false,
      backup: null,
      by: "the archive of binary logs has a gap",
      auto: true,
      at: new Date(clock.wall()).toISOString(),
      outcome: null,
    };
    await board.wish(wish);
    this.#asked = gap;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#looks;
  }
}

/** What neither the archive nor the newest backup holds. Before the first backup nothing is promised. */
function gapOf(lost: string | null, last: LastBackup | null): string | null {
  if (lost === null || last === null || last.id === null) return null;
  const missing = uncovered(gtidSet(lost), [last]);
  return isEmpty(missing) ? null : formatGtidSet(missing);
}

/** A backup holds what the archive lost: no server need keep that any more. */
function withLost({ gtid, gap }: Archived): string {
  return formatGtidSet(union(gtidSet(gtid), gtidSet(gap ?? "")));
}
