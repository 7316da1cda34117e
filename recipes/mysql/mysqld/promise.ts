// The promise file (PROTOCOL §1, I2): the highest epoch promised, the highest `state` ever read, and the note (§7a).
// It never decreases, and it is on disk before anything that depends on it is said to anybody.
import { ConfigError, invariant } from "../../../src/index.ts";
import type { PromiseFacts } from "../core/observation.ts";
import { textOf } from "./datadir.ts";
import { writeDurable } from "./durable.ts";
import { layout } from "./layout.ts";

const NOTHING: PromiseFacts = { epoch: 0, ver: 0, seenEpoch: 0 };

// One write at a time per file: each compares with what the one before it has written.
const writers = new Map<string, Promise<unknown>>();

/** All zero when nothing was promised yet. Errors: ConfigError when the file is damaged: a promise is never guessed. */
export async function readPromise(dir: string): Promise<PromiseFacts> {
  const path = layout(dir).promise;
  const text = await textOf(path);
  if (text === null) return NOTHING;
  const promise = parse(text);
  if (promise === null) {
    throw new ConfigError("AP_DATADIR_FOREIGN", `${path} is damaged: ${text.slice(0, 80)}`, {
      hint: "this node cannot tell what it has promised: remove its whole directory, it is provisioned anew",
    });
  }
  return promise;
}

/** Durable when it returns. Errors: InvariantError when any number would decrease; ConfigError when it cannot be written. */
export async function writePromise(dir: string, next: PromiseFacts): Promise<void> {
  const path = layout(dir).promise;
  const before = writers.get(path) ?? Promise.resolve();
  const write = before.then(async () => {
    const now = await readPromise(dir);
    const kept = next.epoch >= now.epoch && next.ver >= now.ver && next.seenEpoch >= now.seenEpoch;
    const says = `promise ${JSON.stringify(next)} after ${JSON.stringify(now)}`;
    invariant(kept && parse(JSON.stringify(next)) !== null, "AP_BUG_INVARIANT", says);
    const { epoch, ver, seenEpoch, noted, pending, amnesiac } = next;
    const all = { epoch, ver, seenEpoch, noted, pending, amnesiac };
    await writeDurable(path, `${JSON.stringify(all)}\n`);
  });
  // The next writer waits for this one, whatever became of it; its failure is this caller's.
  writers.set(
    path,
    write.catch(() => undefined),
  );
  await write;
}

function parse(text: string): PromiseFacts | null {
  try {
    const { epoch, ver, seenEpoch, ...notes } = JSON.parse(text) as Partial<PromiseFacts>;
    const all = [epoch, ver, seenEpoch];
    if (!all.every((n) => Number.isSafeInteger(n) && Number(n) >= 0)) return null;
    const { noted, pending, amnesiac } = notes;
    if (![noted, pending].every(isNote)) return null;
    if (amnesiac !== undefined && typeof amnesiac !== "boolean") return null;
    return {
      epoch: Number(epoch),
      ver: Number(ver),
      seenEpoch: Number(seenEpoch),
      ...(noted === undefined ? {} : { noted }),
      ...(pending === undefined ? {} : { pending }),
      ...(amnesiac === undefined ? {} : { amnesiac }),
    };
  } catch {
    return null; // not JSON: damaged, which the caller says
  }
}

/** A file of before there were notes has none. */
function isNote(note: PromiseFacts["noted"]): boolean {
  if (note === undefined || note === null) return true;
  const numbers = [note.ver, note.epoch, note.acks].every((n) => Number.isSafeInteger(n));
  return numbers && Array.isArray(note.voters) && note.voters.every((v) => typeof v === "string");
}
