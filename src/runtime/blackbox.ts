// The black box: the last ticks in memory, written to a file when the agent crashes. All that a decision needs is in its
// observation, so the simulator can replay what happened. Writing is synchronous: it is the last thing a process does.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../errors.ts";

export type TickRecord = {
  readonly tick: number;
  /** Wall clock, ISO 8601. */
  readonly at: string;
  readonly observation: unknown;
  readonly actions: readonly unknown[];
  /** "done", or the message of what went wrong. */
  readonly outcome: string;
};

export type BlackBox = {
  record(tick: Omit<TickRecord, "at">): void;
  /** Writes `<dir>/blackbox-<time>.json` and returns its path; null where that is not possible (why: on `failed`). */
  dump(why: string): string | null;
};

const KEPT_TICKS = 256;
// Enough to see whether crashes are of one kind; a crash loop must not fill the disk.
const KEPT_DUMPS = 5;

/** `clean` takes secrets out of the text before it is written. */
export function makeBlackBox(parts: {
  readonly dir: string;
  readonly clean: (text: string) => string;
  readonly failed: (why: string) => void;
}): BlackBox {
  const ticks: TickRecord[] = [];
  return {
    record(tick) {
      ticks.push({ ...tick, at: new Date().toISOString() });
      if (ticks.length > KEPT_TICKS) ticks.shift();
    },
    dump(why) {
      const at = new Date().toISOString();
      const path = join(parts.dir, `blackbox-${at.replaceAll(/[:.]/g, "-")}.json`);
      try {
        mkdirSync(parts.dir, { recursive: true });
        const text = JSON.stringify({ why, at, pid: process.pid, ticks });
        writeFileSync(path, parts.clean(text), { mode: 0o600 });
        removeOld(parts.dir);
        return path;
      } catch (error) {
        parts.failed(messageOf(error)); // the crash itself matters more than its record
        return null;
      }
    },
  };
}

function removeOld(dir: string): void {
  const dumps = readdirSync(dir).filter((name) => /^blackbox-.*\.json$/.test(name));
  // The names sort by time.
  for (const name of dumps.toSorted().slice(0, -KEPT_DUMPS)) rmSync(join(dir, name));
}
