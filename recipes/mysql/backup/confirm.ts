// The worker's question to its agent, which alone knows who is primary: are all transactions of this image acknowledged?
// Asked when the image is whole and before it becomes a backup. A replica may hold transactions that an election drops.
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UnavailableError } from "../../../src/index.ts";
import { CONFIRMED_FILE, type Confirmed, type Line } from "./job.ts";

const LOOK_EVERY_MS = 100;
/** The agent gives up sooner, and says why. */
const ANSWER_WITHIN_MS = 120_000;

/** Errors: UnavailableError AP_BACKUP_NOT_CONFIRMED; the signal's reason. */
export async function confirmBy(asked: {
  /** The order's file: the answer comes beside it. */
  readonly file: string;
  readonly gtid: string;
  readonly say: (line: Line) => void;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { file, gtid, say, signal } = asked;
  say({ event: "confirm", gtid });
  const until = performance.now() + ANSWER_WITHIN_MS;
  while (performance.now() < until) {
    const answer = await read(join(dirname(file), CONFIRMED_FILE));
    if (answer?.gtid === gtid && answer.ok) return;
    if (answer?.gtid === gtid) throw new UnavailableError("AP_BACKUP_NOT_CONFIRMED", answer.why);
    await sleep(LOOK_EVERY_MS, null, { signal });
  }
  throw new UnavailableError("AP_BACKUP_NOT_CONFIRMED", "the agent did not answer");
}

/** Null: not there, or half written. */
async function read(path: string): Promise<Confirmed | null> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Confirmed;
  } catch {
    return null;
  }
}
