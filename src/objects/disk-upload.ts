// What is being written into the disk store: a folder of its own below .uploads, which becomes the object by one link or
// rename, or is removed, or is found by a sweep.
import { randomUUID } from "node:crypto";
import { mkdir, open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { ConflictError } from "../errors.ts";
import type { WriteCondition, Written } from "../ports.ts";
import { diskFailure } from "./disk-failure.ts";
import {
  appear,
  infoOfFile,
  makeUploadsDir,
  removeUpload,
  syncDir,
  uploadsDir,
} from "./disk-files.ts";
import { sha256Of } from "./read.ts";
import type { PartSink } from "./upload.ts";

type Draft = { readonly id: string; readonly path: string; readonly file: FileHandle };

async function begin(dir: string, key: string): Promise<Draft> {
  const id = randomUUID();
  const folder = join(await makeUploadsDir(dir), id);
  await mkdir(folder);
  await using name = await open(join(folder, "key"), "wx");
  await name.writeFile(key);
  const path = join(folder, "data");
  // Only its owner: a backup holds everything that the database holds.
  return { id, path, file: await open(path, "wx+", 0o600) };
}

export function diskSink(dir: string, key: string): PartSink {
  let begun: Promise<Draft> | null = null;

  async function draft(): Promise<Draft> {
    return (begun ??= begin(dir, key));
  }

  async function doing<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw diskFailure(error, `${dir}: ${what} ${key}`, true);
    }
  }

  async function keep(body: Buffer, offset: number): Promise<void> {
    const { file } = await draft();
    for (let at = 0; at < body.length;) {
      const { bytesWritten } = await file.write(body, at, body.length - at, offset + at);
      at += bytesWritten;
    }
  }

  async function complete(condition: WriteCondition | null): Promise<Written> {
    const { id, path, file } = await draft();
    await file.sync();
    const { bytes, etag } = await infoOfFile(file, key);
    await appear(dir, key, path, condition).catch((error: unknown) => {
      // Somebody took the draft for an orphan.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw new ConflictError("AP_OBJECTS_MISSING", `${dir}: the upload of ${key} was aborted`);
    });
    await file.close();
    await removeUpload(dir, id);
    await syncDir(uploadsDir(dir));
    return { key, bytes, etag };
  }

  return {
    send: ({ offset }, body) => doing("write", () => keep(body, offset)),
    complete: (_, condition) => doing("write", () => complete(condition)),
    whole: ({ offset }, body, condition) =>
      doing("write", async () => {
        await keep(body, offset);
        return complete(condition);
      }),
    async abort() {
      const left = await begun?.catch(() => null);
      if (left === null || left === undefined) return;
      await left.file.close();
      await doing("abort the upload of", () => removeUpload(dir, left.id));
    },
  };
}

/** A small object at once. */
export async function putWhole(
  dir: string,
  key: string,
  body: Uint8Array,
  condition: WriteCondition | null,
): Promise<Written> {
  const sink = diskSink(dir, key);
  const part = { number: 1, offset: 0, bytes: body.length, sha256: sha256Of(body) };
  try {
    return await sink.whole(part, Buffer.from(body), condition);
  } catch (error) {
    await sink.abort();
    throw error;
  }
}
