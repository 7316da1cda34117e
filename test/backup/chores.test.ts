// What nodes do for backups now and then: how much binary log was written since the last one.
import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { writtenSince } from "../../recipes/mysql/backup/chores.ts";

test("binary log written since a backup is counted by the files that were written to since", async () => {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-chores-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const files = { "binlog.000001": 100, "binlog.000002": 200, "binlog.000003": 300 };
  let seconds = 1_000;
  for (const [name, bytes] of Object.entries(files)) {
    await writeFile(join(dir, name), Buffer.alloc(bytes));
    await utimes(join(dir, name), seconds, seconds);
    seconds += 1_000;
  }
  // One that was purged since the list was read.
  const list = ["./binlog.000000", ...Object.keys(files).map((name) => `./${name}`)];
  await writeFile(join(dir, "binlog.index"), `${list.join("\n")}\n`);
  expect(await writtenSince(dir, 500_000)).toEqual({ bytes: 600, files: 3 });
  expect(await writtenSince(dir, 2_500_000)).toEqual({ bytes: 300, files: 1 });
  expect(await writtenSince(dir, 3_000_000)).toEqual({ bytes: 0, files: 0 });
});
