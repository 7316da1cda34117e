// What workers say to their agent by a file: all of it, and never more than a few megabytes of an archive's.
import { closeSync, fstatSync, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parseLine, type Line } from "../../recipes/mysql/backup/job.ts";
import { say, tailOf } from "../../recipes/mysql/backup/worker-log.ts";

const MIB = 1_048_576;

async function log() {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-log-"));
  const path = join(dir, "worker.log");
  const fd = openSync(path, "a");
  onTestFinished(async () => {
    closeSync(fd);
    await rm(dir, { recursive: true });
  });
  return { fd, tail: tailOf(path) };
}

const archived = (n: number): Line => ({
  event: "archived",
  gtid: `${n}${"é".repeat(10_000)}`,
  lagSeconds: n,
  problem: null,
  gap: null,
});

test("an archive that goes on for ever keeps a short file, of which the newest word is read", async () => {
  const { fd, tail } = await log();
  let newest: Line | null = null;
  let most = 0;
  for (let n = 1; n <= 1_000; n++) {
    say(archived(n), fd);
    most = Math.max(most, fstatSync(fd).size);
    if (n % 5 !== 0) continue;
    for (const line of await tail()) newest = parseLine(line);
    expect(newest).toEqual(archived(n));
  }
  expect(most).toBeLessThan(5 * MIB);
});

test("of any other word none is lost, however long the file is", async () => {
  const { fd, tail } = await log();
  const said: Line = { event: "failed", code: "AP_BACKUP_WORKER", why: "x".repeat(60_000) };
  for (let n = 0; n < 100; n++) say(said, fd);
  let read = 0;
  for (let lines = await tail(); lines.length > 0; lines = await tail())
    for (const line of lines) read += Number(parseLine(line)?.event === "failed");
  expect(read).toBe(100);
});
