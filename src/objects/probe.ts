// What a store can do, found out by doing it, in a folder of its own that is removed afterwards. Many stores answer 200 to
// a condition that they do not know: a store is believed only after it said no.
import { randomUUID } from "node:crypto";
import { PART_BYTES_MIN } from "../core/part-plan.ts";
import { AutopilotError, messageOf } from "../errors.ts";
import type { ObjectStore } from "../ports.ts";
import type { OpenedStore } from "./open.ts";
import { ABILITIES, type Ability, type Place } from "./probe-abilities.ts";

export type Finding = {
  readonly ability: string;
  /** Without it no backups are kept there. */
  readonly needed: boolean;
  /** `null`: not asked, because it means nothing for this store. */
  readonly ok: boolean | null;
  /** What was seen instead, or "". */
  readonly note: string;
  readonly ms: number;
};

export type ProbeOptions = {
  /** How many objects the listing is tried with: more than a page of S3, unless a test wants fewer. */
  readonly listed?: number;
  /** The size of a multipart upload's parts: the least that S3 takes, unless a test's store takes less. */
  readonly partBytes?: number;
  /** Ends it before the next ability; what was written is removed all the same. */
  readonly signal?: AbortSignal;
};

const LISTED = { s3: 1_050, disk: 100 };

/**
 * Tries everything. Throws what keeps it from trying at all: an address, keys or a bucket that are wrong, a store that
 * does not answer.
 */
export async function probe(
  store: OpenedStore,
  { listed = LISTED[store.kind], partBytes = PART_BYTES_MIN, signal }: ProbeOptions = {},
): Promise<readonly Finding[]> {
  const folder = `autopilot-probe/${randomUUID()}/`;
  const findings: Finding[] = [];
  try {
    for (const ability of ABILITIES) {
      signal?.throwIfAborted();
      const own = `${folder}${findings.length}/`;
      findings.push(await tryOut(ability, { store, folder: own, listed, partBytes }));
    }
  } finally {
    await cleanUp(store, folder);
  }
  return findings;
}

async function tryOut(ability: Ability, place: Place): Promise<Finding> {
  const { name, needed } = ability;
  const begin = performance.now();
  const done = (ok: boolean | null, note: string): Finding => {
    const ms = Math.round(performance.now() - begin);
    return { ability: name, needed, ok, note, ms };
  };
  try {
    const seen = await ability.run(place);
    if (seen === "not asked") return done(null, seen);
    return done(seen === null, seen ?? "");
  } catch (error) {
    if (!(error instanceof AutopilotError) || error.exitCode !== 3) throw error;
    return done(false, messageOf(error));
  }
}

/** Reasons to refuse the store; none: it is fit. */
export function refusals(findings: readonly Finding[]): readonly string[] {
  return findings
    .filter(({ needed, ok }) => needed && ok === false)
    .map(({ ability, note }) => `${ability}: ${note}`);
}

async function cleanUp(store: ObjectStore, folder: string): Promise<void> {
  const { items } = await store.unfinished(folder);
  for (const upload of items) await store.abortUnfinished(upload);
  for (;;) {
    const page = await store.list(folder);
    await store.delete(page.items.map(({ key }) => key));
    if (page.next === null) return;
  }
}
