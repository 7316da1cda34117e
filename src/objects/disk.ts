// The object store in a directory: the semantics of S3 on files, for one machine and for shared file systems.
import { planParts } from "../core/part-plan.ts";
import type { Clock, ObjectStore } from "../ports.ts";
import { checkKey, checkSmall } from "./check-key.ts";
import { diskFailure } from "./disk-failure.ts";
import { disappear, infoAt, removeUpload, requireDir } from "./disk-files.ts";
import { getWhole, list, read, unfinished } from "./disk-read.ts";
import { diskSink, putWhole } from "./disk-upload.ts";
import { createMeter, type Gauge } from "./pool.ts";
import { PartedUpload } from "./upload.ts";

/** A disk that gave the wrong bytes twice gives them for ever. */
const READ_TRIES = 2;

export type DiskOptions = {
  readonly clock: Clock;
};

export function openDisk(
  dir: string,
  { clock }: DiskOptions,
): ObjectStore & { readonly kind: "disk"; readonly memory: Gauge } {
  const meter = createMeter();
  const patience = { clock, tries: READ_TRIES };

  async function doing<T>(what: string, writes: boolean, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw diskFailure(error, `${dir}: ${what}`.trimEnd(), writes);
    }
  }

  return {
    name: dir,
    memory: meter,
    kind: "disk",
    list: (prefix, page) => doing(`list ${prefix}`, false, () => list(dir, prefix, page)),
    async head(key) {
      checkKey(key);
      return doing(`look at ${key}`, false, async () => {
        const info = await infoAt(dir, key);
        if (info === null) await requireDir(dir);
        return info;
      });
    },
    async get(key) {
      checkKey(key);
      return doing(`get ${key}`, false, () => getWhole(dir, key));
    },
    read: (key, how) => read(dir, key, { meter, patience, ...how }),
    async put(key, body, condition) {
      checkKey(key);
      checkSmall(key, body.length);
      return putWhole(dir, key, body, condition ?? null);
    },
    async delete(keys) {
      for (const key of keys) checkKey(key);
      for (const key of keys) await doing(`delete ${key}`, true, () => disappear(dir, key));
    },
    upload(key, { estimate, partBytes, signal } = {}) {
      checkKey(key);
      const plan = planParts(estimate ?? null, partBytes ?? null);
      const what = `${dir}: upload of ${key}`;
      return new PartedUpload({ what, sink: diskSink(dir, key), plan, meter, signal });
    },
    unfinished: (prefix) =>
      doing("list the uploads", false, async () => {
        const items = await unfinished(dir, prefix);
        return { items, next: null };
      }),
    abortUnfinished: ({ id }) => doing("abort an upload", true, () => removeUpload(dir, id)),
    async [Symbol.asyncDispose]() {},
  };
}
