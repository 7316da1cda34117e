// Keeps the errant transactions of a stopped datadir where a person finds them: errant/<time>-<uuid8>/ with a binary log
// of just these transactions, the same as text, and a note. Durable before it has its name. They are rows of the
// application's users: nobody but the agent's own user may read them.
import { mkdir, readdir, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, type Log, type Supervise, type Tool } from "../../../src/index.ts";
import { formatGtidSet, isEmpty, size, subtract, union } from "../core/gtid.ts";
import type { Evidence, Story } from "../machine.ts";
import { decode } from "./decode.ts";
import { renameDurable, syncTree, writeDurable } from "./durable.ts";
import { copyTransactions, findErrant, type Found } from "./errant-log.ts";
import { noteOf } from "./evidence-note.ts";
import { asideName, layout } from "./layout.ts";

export type EvidenceParts = {
  readonly dir: string;
  readonly tool: Tool;
  readonly spawn: Supervise;
  readonly log: Log;
};

/** A node is away while it extracts: what takes longer is left to the datadir, which is kept then. */
const WITHIN_MS = 10 * 60_000;
const MOST_BYTES = 1024 ** 3;
/** Rows as text are several times as long as in the log. */
const MOST_TEXT_BYTES = 4 * 1024 ** 3;
/** Of the free space, each: the rest is the new copy's. */
const SHARE_OF_FREE = 0.25;

export const COPY = "transactions.binlog";
export const TEXT = "transactions.txt";
const NOTE = "note.md";

/**
 * Extracts what the primary lacks. What cannot be extracted is no error: it is told in the note and in the log, and the
 * evidence is incomplete. Errors: the signal's reason.
 */
export async function keepEvidence(
  parts: EvidenceParts,
  story: Story,
  signal: AbortSignal,
): Promise<Evidence> {
  const at = layout(parts.dir);
  const over = performance.now() + WITHIN_MS;
  const limits = { signal, late: () => performance.now() > over };
  const found = await findErrant(at.data, story, limits);
  const gtids = formatGtidSet(union(found.gtids, found.missing));
  if (gtids === "" && found.problems.length === 0)
    return { place: null, gtids, complete: true, problems: [] };
  try {
    const { place, problems } = await extract(parts, { story, found, limits });
    for (const problem of problems) parts.log.warn("errant transactions", { place, problem });
    return { place, gtids, complete: problems.length === 0, problems };
  } catch (error) {
    signal.throwIfAborted();
    const problem = `not extracted: ${messageOf(error)}`;
    parts.log.error("errant transactions", { gtids, problem });
    return { place: null, gtids, complete: false, problems: [...found.problems, problem] };
  }
}

type Extraction = {
  readonly story: Story;
  readonly found: Found;
  readonly limits: { readonly signal: AbortSignal; readonly late: () => boolean };
};

async function extract(
  parts: EvidenceParts,
  { story, found, limits }: Extraction,
): Promise<{ readonly place: string; readonly problems: readonly string[] }> {
  const { errant } = layout(parts.dir);
  const name = asideName(story.at, story.uuid.slice(0, 8));
  const half = join(errant, `half-${name}`);
  await removeHalves(errant);
  await mkdir(half, { recursive: true, mode: 0o700 });
  const { bavail, bsize } = await statfs(parts.dir);
  const share = bavail * bsize * SHARE_OF_FREE;
  const problems = [...found.problems];
  const bytes = Math.min(MOST_BYTES, share);
  const left = await copyTransactions(found.transactions, join(half, COPY), { ...limits, bytes });
  const lost = [
    ["in no log any more", found.missing],
    ["too large, or too many, to be kept here", left],
  ] as const;
  for (const [why, set] of lost) if (!isEmpty(set)) problems.push(`${why}: ${formatGtidSet(set)}`);
  const text = { ...limits, bytes: Math.min(MOST_TEXT_BYTES, share) };
  const why = await decode(parts, { from: join(half, COPY), to: join(half, TEXT) }, text);
  if (why !== null) problems.push(`${TEXT} is not whole: ${why}`);
  const kept = subtract(found.gtids, left);
  const note = noteOf(story, { gtids: formatGtidSet(kept), count: size(kept), problems });
  await writeDurable(join(half, NOTE), note);
  await syncTree(half);
  await renameDurable(half, join(errant, name));
  return { place: join(errant, name), problems };
}

/** What a run that did not finish has left. */
async function removeHalves(errant: string): Promise<void> {
  await mkdir(errant, { recursive: true, mode: 0o700 });
  for (const name of await readdir(errant))
    if (name.startsWith("half-")) await rm(join(errant, name), { recursive: true, force: true });
}
