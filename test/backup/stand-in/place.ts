// Puts the stand-ins where they are found like the real ones: two executables beside each other, and a directory in which
// they write down what they were called with.
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findTool, type Tool } from "../../../src/local/toolchain.ts";
import { xtrabackupSpec } from "../../../recipes/mysql/backup/engines/tools.ts";
import type { Recorded } from "./record.ts";

export type StandIn = {
  readonly tool: Tool;
  /** How the next runs fail; empty: they do not. */
  wish(fault: string): Promise<void>;
  /** All calls since the last time that this was asked. */
  runs(): Promise<readonly Recorded[]>;
};

export async function placeStandIn(dir: string, version: string): Promise<StandIn> {
  const bin = join(dir, "bin");
  await mkdir(bin, { recursive: true });
  await writeFile(join(dir, "version"), version);
  for (const program of ["xtrabackup", "xbstream"]) {
    const script = fileURLToPath(new URL(`${program}.ts`, import.meta.url));
    const path = join(bin, program);
    await writeFile(
      path,
      `#!/bin/sh\nSTAND_IN='${dir}' exec '${process.execPath}' '${script}' "$@"\n`,
    );
    await chmod(path, 0o755);
  }
  const env = { PATH: bin, HOME: dir };
  const tool = await findTool(xtrabackupSpec, { progress: () => undefined, env });
  const log = join(dir, "runs.jsonl");
  return {
    tool,
    wish: (fault) => writeFile(join(dir, "fault"), fault),
    runs: async () => {
      const text = await readFile(log, "utf8").catch(() => "");
      await rm(log, { force: true });
      return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Recorded);
    },
  };
}
