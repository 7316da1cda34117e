// The directory that becomes a datadir. Everything is made in a folder of its own in it, and is moved up when it is whole:
// until then there is nothing that mysqld would start on. The system tablespace comes last.
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { RefusedError, messageOf } from "../../../src/index.ts";
import { renameDurable, syncTree, writeDurable } from "../mysqld/durable.ts";

const HALF = "restore.half";
const NOTE = "autopilot-restore.json";
/** Without it InnoDB makes a new one, or refuses: nobody takes half of it for a whole. */
const LAST = "mysql.ibd";
/** Of a file system's own. */
const NOBODYS = new Set(["lost+found"]);

export type RestoreDir = {
  readonly into: string;
  /** Empty; what is restored goes here. */
  readonly datadir: string;
  /** For relay logs and the error log. */
  readonly workdir: string;
};

/** What an earlier run left unfinished is removed. Errors: RefusedError AP_RESTORE_INTO. */
export async function openRestoreDir(into: string): Promise<RestoreDir> {
  await requireEmptyDir(into);
  const half = join(into, HALF);
  const at = { into, datadir: join(half, "data"), workdir: join(half, "work") };
  try {
    await rm(half, { recursive: true, force: true });
    for (const dir of [at.datadir, at.workdir]) await mkdir(dir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new RefusedError("AP_RESTORE_INTO", messageOf(cause), { cause });
  }
  return at;
}

/** It may not be there at all. Errors: RefusedError AP_RESTORE_INTO. */
export async function requireEmptyDir(into: string): Promise<void> {
  const names = await readdir(into).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new RefusedError("AP_RESTORE_INTO", messageOf(cause), { cause });
  });
  const others = names.filter((name) => name !== HALF && !NOBODYS.has(name));
  if (others.length === 0) return;
  const some = others.slice(0, 3).join(", ");
  throw new RefusedError("AP_RESTORE_INTO", `${into} is not empty: it has ${some}`);
}

/** Durable when it returns. `note`: what this datadir is. */
export async function publishRestored(at: RestoreDir, note: object): Promise<void> {
  await syncTree(at.datadir);
  await writeDurable(join(at.into, NOTE), `${JSON.stringify(note, null, 2)}\n`);
  const names = await readdir(at.datadir);
  for (const name of names)
    if (name !== LAST) await rename(join(at.datadir, name), join(at.into, name));
  await renameDurable(join(at.datadir, LAST), join(at.into, LAST));
  await rm(join(at.into, HALF), { recursive: true, force: true });
}
