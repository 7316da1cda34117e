// Uploads that nobody will finish: their writer was killed, or could not reach the store to abort them. S3 keeps, and
// bills, their parts for ever.
import { invariant } from "../errors.ts";
import type { ObjectStore, UnfinishedUpload } from "../ports.ts";

/** An upload that is under way looks the same: only its age tells. */
const AGE_MIN_MS = 3_600_000;

export type Sweep = {
  readonly prefix: string;
  /** At least an hour, and longer than any upload takes. */
  readonly olderThanMs: number;
  /** The wall clock; a store's own may differ by minutes, which the age outlasts. */
  readonly now: number;
};

/** Aborts them, and says which. */
export async function sweepUploads(
  store: ObjectStore,
  { prefix, olderThanMs, now }: Sweep,
): Promise<readonly UnfinishedUpload[]> {
  invariant(
    olderThanMs >= AGE_MIN_MS,
    "AP_BUG_INVARIANT",
    "sweep: an upload under way is in danger",
  );
  const swept: UnfinishedUpload[] = [];
  let next: string | undefined;
  do {
    const page = await store.unfinished(prefix, next);
    for (const upload of page.items.filter((it) => now - it.startedAt > olderThanMs)) {
      await store.abortUnfinished(upload);
      swept.push(upload);
    }
    next = page.next ?? undefined;
  } while (next !== undefined);
  return swept;
}
