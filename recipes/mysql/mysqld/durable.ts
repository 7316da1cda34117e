// Files that must survive a power cut once a function returned: fsync of the file, rename, fsync of its directory.
// A reader sees the old content or the new one, never a part. Errors are one ConfigError that names the path.
import { randomBytes } from "node:crypto";
import { open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ConfigError, messageOf } from "../../../src/index.ts";

/** Replaces `path` by `text` atomically and durably. Mode 0600. Errors: ConfigError AP_DATADIR_UNWRITABLE. */
export async function writeDurable(path: string, text: string): Promise<void> {
  const half = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
  await writing(path, async () => {
    try {
      const file = await open(half, "wx", 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(half, path);
    } catch (error) {
      await rm(half, { force: true });
      throw error;
    }
    await syncDir(dirname(path));
  });
}

/** Deletes a file durably; one that is not there is fine. Errors: ConfigError AP_DATADIR_UNWRITABLE. */
export async function removeDurable(path: string): Promise<void> {
  await writing(path, async () => {
    await rm(path, { force: true });
    await syncDir(dirname(path));
  });
}

/** Renames durably, within one directory or between two. Errors: ConfigError AP_DATADIR_UNWRITABLE. */
export async function renameDurable(from: string, to: string): Promise<void> {
  await writing(to, async () => {
    await rename(from, to);
    await syncDir(dirname(to));
    if (dirname(from) !== dirname(to)) await syncDir(dirname(from));
  });
}

/** Makes the names of everything below `dir` durable; the files' own content is their writer's concern. */
export async function syncTree(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (entry.isDirectory()) await syncTree(join(dir, entry.name));
  }
  await syncDir(dir);
}

async function syncDir(dir: string): Promise<void> {
  const handle = await open(dir, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Runs file-system work and says of any failure which path could not be written. */
export async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new ConfigError("AP_DATADIR_UNWRITABLE", `write ${path}: ${messageOf(cause)}`, { cause });
  }
}
