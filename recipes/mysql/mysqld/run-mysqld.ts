// Runs a mysqld that does one job on a datadir in the making and ends: --initialize, and the scratch server of a clone.
// It dies with us (Supervise), and at once when the signal aborts. Its words are in the node's error log.
import { open } from "node:fs/promises";
import {
  UnavailableError,
  type Supervise,
  type Supervised,
  type Tool,
} from "../../../src/index.ts";
import { layout } from "./layout.ts";
import { withoutSecrets, type Secrets } from "./secrets.ts";

export type MysqldJob = {
  readonly tool: Tool;
  readonly dir: string;
  readonly secrets: Secrets;
  readonly signal: AbortSignal;
  readonly spawn: Supervise;
};

// Errors of one run stand in the last few lines; a log that somebody else fills must not fill our memory.
const TAIL_BYTES = 16_384;

/** A running one. Dispose of `mysqld`: that kills and waits. */
export type RunningJob = {
  readonly mysqld: Supervised;
  readonly ended: ReturnType<Supervised["exited"]>;
};

/** Runs to the end. Errors: UnavailableError AP_PROVISION_FAILED with the first error that mysqld logged. */
export async function runMysqld(job: MysqldJob, args: readonly string[]): Promise<void> {
  const logged = await logSize(job.dir);
  const running = await startMysqld(job, args);
  await using _ = running.mysqld;
  const end = await running.ended;
  job.signal.throwIfAborted();
  if (end?.code === 0) return;
  throw await provisionError(job, `mysqld: ${end?.says ?? "ended"}`, logged);
}

/** Starts and returns at once. Errors: AP_SPAWN_FAILED as it is; the signal's reason. */
export async function startMysqld(job: MysqldJob, args: readonly string[]): Promise<RunningJob> {
  job.signal.throwIfAborted();
  const at = layout(job.dir);
  const mysqld = job.spawn({ name: "mysqld" });
  const argv = [...job.tool.command("mysqld"), `--defaults-file=${at.myCnf}`, ...args];
  const started = await mysqld.start({ argv, output: { file: at.errorLog } });
  if (!started.ok) throw started.error;
  // Asked for at once: later it could be over already, and its end be unknown.
  const ended = mysqld.exited();
  const kill = (): void => mysqld.kill();
  job.signal.addEventListener("abort", kill, { once: true });
  void ended.then(() => job.signal.removeEventListener("abort", kill));
  if (job.signal.aborted) kill();
  return { mysqld, ended };
}

/** The error to raise: what mysqld logged first as [ERROR] since `from`, without any secret. */
export async function provisionError(
  job: Pick<MysqldJob, "dir" | "secrets">,
  why: string,
  from: number,
): Promise<UnavailableError> {
  const errors = (await logTail(job.dir, from))
    .split("\n")
    .filter((line) => line.includes("[ERROR]"))
    .map((line) => line.replace(/^.*?\[ERROR\] /, ""));
  // The first one is the reason, the others follow from it.
  const said = errors[0];
  const message =
    said === undefined ? `${why}; see ${layout(job.dir).errorLog}` : `${why}: ${said}`;
  return new UnavailableError("AP_PROVISION_FAILED", withoutSecrets(message, job.secrets));
}

/** Bytes in the error log now: what is logged later is about what happens later. */
export async function logSize(dir: string): Promise<number> {
  try {
    await using log = await open(layout(dir).errorLog, "r");
    return (await log.stat()).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}

async function logTail(dir: string, from: number): Promise<string> {
  const size = await logSize(dir);
  const start = Math.max(from, size - TAIL_BYTES);
  if (size <= start) return "";
  await using log = await open(layout(dir).errorLog, "r");
  const { buffer, bytesRead } = await log.read(Buffer.alloc(size - start), 0, size - start, start);
  return buffer.toString("utf8", 0, bytesRead);
}
