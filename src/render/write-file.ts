// A rendered text onto the disk: whole or not at all, with the mode and the owner that the file had, and nothing at all
// where it already says that.
import { open, readFile, realpath, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ConfigError, UnavailableError, messageOf } from "../errors.ts";

type Before = {
  /** Behind links: the link stays a link. */
  readonly path: string;
  readonly text: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
};

/** Like any file that configures a server. */
const MODE = 0o644;

/** Whether the file is another now. Errors: ConfigError, UnavailableError AP_RENDER_WRITE; then it is what it was. */
export async function writeWhole(path: string, text: string): Promise<boolean> {
  const bytes = Buffer.from(text);
  try {
    const before = await lookAt(path);
    if (before?.text.equals(bytes)) return false;
    await replace(before?.path ?? path, bytes, before);
    return true;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new UnavailableError("AP_RENDER_WRITE", `write ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function lookAt(path: string): Promise<Before | null> {
  try {
    const real = await realpath(path);
    const { mode, uid, gid, ...found } = await stat(real);
    // Where it is no file there is nothing that could be replaced by one.
    if ((mode & 0o170000) !== 0o100000)
      throw new ConfigError("AP_RENDER_WRITE", `write ${path}: it is there, and no file`);
    return { path: real, text: await readFile(real), mode: mode & 0o7777, uid, gid, ...found };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Next to it, on the same file system; the dot and the ending keep it out of includes like `*.conf`. */
async function replace(path: string, bytes: Buffer, before: Before | null): Promise<void> {
  const fresh = join(dirname(path), `.${basename(path)}.${process.pid}.new`);
  try {
    const file = await open(fresh, "w", 0o600);
    try {
      await fill(file, bytes, before);
    } finally {
      await file.close();
    }
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

async function fill(file: FileHandle, bytes: Buffer, before: Before | null): Promise<void> {
  await file.writeFile(bytes);
  if (before === null) await file.chmod(MODE & ~process.umask());
  else {
    const { uid, gid } = await file.stat();
    // First the owner: giving a file away takes its set-user-id bits.
    if (uid !== before.uid || gid !== before.gid) await file.chown(before.uid, before.gid);
    await file.chmod(before.mode);
  }
  await file.sync();
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
