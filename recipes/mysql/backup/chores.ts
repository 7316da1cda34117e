// What each node does for backups now and then: the primary asks for one when enough binary log was written since the last,
// and every node purges its binary logs, of which none goes before it is archived and received by every other node.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, type Clock, type Kv, type Log } from "../../../src/index.ts";
import type { LastBackup } from "../core/backup/due.ts";
import type { ArchiveState } from "../core/backup/summary.ts";
import { gtidSet } from "../core/gtid.ts";
import { formatSize } from "../core/size.ts";
import { heldSet } from "../core/state.ts";
import type { Keys } from "../keys.ts";
import { layout } from "../mysqld/layout.ts";
import type { Mysqld } from "../mysqld/port.ts";
import { binlogPaths } from "./binlogs-here.ts";
import type { Board } from "./board.ts";
import type { BackupConfig } from "./config.ts";
import type { NodeView } from "./keeper.ts";
import { purgeArchived } from "./purge.ts";

export type ChoresParts = {
  readonly config: BackupConfig;
  /** The node's directory. */
  readonly dir: string;
  readonly clock: Clock;
  readonly kv: Kv;
  readonly keys: Keys;
  readonly log: Log;
  readonly board: Board;
  readonly view: () => NodeView | null;
  readonly refreshPeers: (maxAgeMs: number) => Promise<void>;
  /** Null: there is none now. */
  readonly mysqld: () => Mysqld | null;
};

const LOOK_EVERY_MS = 30_000;
const PURGE_EVERY_MS = 600_000;
/** As my.cnf would: long enough to rejoin after a weekend. */
const KEEP_MS = 259_200_000;

export class Chores implements AsyncDisposable {
  readonly #parts: ChoresParts;
  readonly #end = new AbortController();
  readonly #looks: Promise<void>;
  #purgedAt: number;
  /** The backup after which one was asked for. */
  #askedAfter: string | null = null;

  constructor(parts: ChoresParts) {
    this.#parts = parts;
    this.#purgedAt = parts.clock.now();
    this.#looks = this.#loop();
  }

  async #loop(): Promise<void> {
    const { clock, log } = this.#parts;
    while (!this.#end.signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, this.#end.signal).catch(() => {}); // Aborted: the loop ends.
      if (this.#end.signal.aborted) return;
      await this.#look().catch((error: unknown) => log.warn("backups", { why: messageOf(error) }));
    }
  }

  async #look(): Promise<void> {
    const { config, view, clock, board } = this.#parts;
    const me = view();
    if (me === null || me.stopping) return;
    const last = board.facts()?.last ?? null;
    if (me.role === "primary" && last !== null) await this.#askForOne(last);
    if (!config.archive.enabled || clock.now() - this.#purgedAt < PURGE_EVERY_MS) return;
    this.#purgedAt = clock.now();
    await this.#purge(me);
  }

  async #askForOne(last: LastBackup): Promise<void> {
    const { config, dir, board, clock } = this.#parts;
    const { afterBinlogBytes, onRotation } = config;
    const wanted = afterBinlogBytes !== undefined || onRotation;
    if (!wanted || last.id === null || this.#askedAfter === last.id) return;
    const { bytes, files } = await writtenSince(layout(dir).data, Date.parse(last.startedAt));
    const much = afterBinlogBytes !== undefined && bytes >= afterBinlogBytes;
    if (!much && !(onRotation && files > 1)) return;
    const why = much ? `${formatSize(bytes)} of binary log` : "a rotation of the binary log";
    await board.wish({
      id: "auto-binlog",
      verb: "backup",
      node: null,
      incremental: false,
      backup: null,
      by: `${why} since the last one`,
      auto: true,
      at: new Date(clock.wall()).toISOString(),
      outcome: null,
    });
    this.#askedAfter = last.id;
  }

  async #purge(me: NodeView): Promise<void> {
    const { kv, keys, refreshPeers, view, mysqld, clock, dir, log } = this.#parts;
    const entry = await kv.get(keys.backupArchive);
    const server = mysqld();
    if (entry === null || server === null) return;
    await refreshPeers(LOOK_EVERY_MS);
    const now = view();
    // Nobody knows then what the others have received.
    if (now === null) return;
    const { data: datadir } = layout(dir);
    const upTo = await purgeArchived({
      mysqld: server,
      clock,
      logIndex: join(datadir, "binlog.index"),
      datadir,
      archived: gtidSet((JSON.parse(entry.value) as ArchiveState).gtid),
      received: now.peers
        // Who was silent for longer is copied anew when it comes back.
        .filter(({ uuid, ageMs }) => uuid !== me.uuid && ageMs <= KEEP_MS)
        .map(heldSet),
      keepMs: KEEP_MS,
    });
    if (upTo !== null) log.info("purged binary logs", { upTo });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#looks;
  }
}

/** Files that were written to since then, whole: the first one's beginning is older. */
export async function writtenSince(
  datadir: string,
  since: number,
): Promise<{ readonly bytes: number; readonly files: number }> {
  let [bytes, files] = [0, 0];
  for (const path of await binlogPaths({ logIndex: join(datadir, "binlog.index"), datadir })) {
    // Purged since the list was read: then it is no new one.
    const { size, mtimeMs } = await stat(path).catch(() => ({ size: 0, mtimeMs: 0 }));
    if (mtimeMs <= since) continue;
    bytes += size;
    files += 1;
  }
  return { bytes, files };
}
