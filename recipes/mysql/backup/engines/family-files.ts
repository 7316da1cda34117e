// The facts that the family's engines leave in files: beside the stream when an image was made, in it when it is unpacked.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  namesOf,
  parseCheckpoints,
  parseInfo,
  type Checkpoints,
} from "../../core/backup/engine-files.ts";
import type { ImageFacts } from "../engine.ts";

/** Facts of an image that was just made. Errors: Error that says which file lacks what. */
export async function readImageFacts(dir: string, since: string | null): Promise<ImageFacts> {
  const { type, from, to } = await readCheckpoints(dir);
  if (type !== (since === null ? "full-backuped" : "incremental"))
    throw new Error(`it made a backup of type ${type}`);
  if (from !== (since ?? "0"))
    throw new Error(`it began at LSN ${from}, and not at ${since ?? "0"}`);
  const info = parseInfo((await readOne(dir, "info")) ?? "");
  if (info === null) throw new Error("its info file does not say where the image stands");
  return { ...info, lsn: { from, to } };
}

/**
 * Checkpoints of an image that was extracted. They and the info file come last in a stream, one after the other:
 * where either is missing the stream was cut between two files. Errors: Error that says so.
 */
export async function readWhole(dir: string): Promise<Checkpoints> {
  const found = await readCheckpoints(dir);
  if (parseInfo((await readOne(dir, "info")) ?? "") !== null) return found;
  throw new Error("its info file is missing or cut off: the image is not whole");
}

async function readCheckpoints(dir: string): Promise<Checkpoints> {
  const text = await readOne(dir, "checkpoints");
  if (text === null) throw new Error("its checkpoints file is missing: the image is not whole");
  const found = parseCheckpoints(text);
  if (found === null) throw new Error("its checkpoints file is damaged");
  return found;
}

async function readOne(dir: string, what: Parameters<typeof namesOf>[0]): Promise<string | null> {
  for (const name of namesOf(what)) {
    try {
      return await readFile(join(dir, name), "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return null;
}
