// One round of each fault, from fixed seeds: whatever is listed as good restores identically, nothing is half listed, and
// nothing is left after a sweep. Many more rounds: `npm run backup:faults`.
import { afterAll, beforeAll, expect, test } from "vitest";
import { KINDS } from "./faults/kinds.ts";
import { playRound } from "./faults/round.ts";
import { startStand, type Stand } from "./faults/stand.ts";

/** How a backup may end, where the fault leaves no choice. */
const ENDS: Readonly<Record<string, string>> = {
  none: "listed",
  "engine cut": "AP_BACKUP_ENGINE_FAILED",
  "engine cut at a chunk": "AP_BACKUP_ENGINE_FAILED",
  "engine fails": "AP_BACKUP_ENGINE_FAILED",
  "zstd killed": "AP_BACKUP_ZSTD_FAILED",
  "zstd ends early": "AP_BACKUP_ZSTD_FAILED",
  "zstd fails": "AP_BACKUP_ZSTD_FAILED",
  "store stumbles during the backup": "listed",
  "store away for a minute": "listed",
  "a flipped bit on the way there": "listed",
  "disk full": "AP_OBJECTS_FULL",
  cancelled: "cancelled",
  "worker killed": "killed",
};

let stand: Stand;
beforeAll(async () => {
  stand = await startStand();
});
afterAll(() => stand[Symbol.asyncDispose]());

for (const [i, kind] of Object.keys(KINDS).entries())
  test(kind, async (context) => {
    const round = await playRound(stand, 7000 + i, kind);
    if (round.skipped !== null) {
      console.warn(`SKIPPED: ${kind}: ${round.skipped}`);
      context.skip(round.skipped);
    }
    expect(round.violations, JSON.stringify(round)).toEqual([]);
    expect(round.met, JSON.stringify(round)).not.toBe(false);
    const end = ENDS[kind];
    if (end !== undefined) expect(round.backup).toBe(end);
    if (kind === "none" || kind.startsWith("store stumbles"))
      expect(round.restore).toBe("identical");
  });
