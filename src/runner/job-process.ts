// One process of a job: started as its configuration says, its output as lines of the log, its exit collected at once
// whoever still holds its output.
import type { ChildProcess } from "node:child_process";
import type { RunEnd } from "../core/runner/event.ts";
import type { Job } from "../core/runner-config.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Clock } from "../ports.ts";
import { launch, type ChildSpec } from "../runtime/launch.ts";
import { accountOf } from "./account.ts";
import { eachLine } from "./lines.ts";

type Parts = { readonly clock: Clock; readonly log: Log };

export type JobProcess = {
  readonly pid: number;
  readonly child: ChildProcess;
  /** With what a job with a metric has printed; null for others. */
  readonly ended: Promise<{ readonly end: RunEnd; readonly printed: string | null }>;
};

/** Of the number that a metric's job prints. */
const LONGEST_NUMBER = 1_024;

/** A text: why it could not be started. */
export async function startProcess(
  job: Job,
  env: Readonly<Record<string, string>>,
  { clock, log }: Parts,
): Promise<JobProcess | string> {
  const spec = specOf(job, env);
  if (typeof spec === "string") return spec;
  const startedAt = clock.now();
  const launched = await launch(job.name, spec);
  if (!launched.ok) return launched.error.message;
  const { child, pid } = launched;
  const out = log.child({ ...job.log.fields, job: job.name, pid });
  out.debug(`started: ${String(job.exec)}`);
  const { stdout, stderr } = child;
  if (stderr !== null) eachLine(stderr, (line) => out.info(line));
  const number = stdout === null || job.metric === null ? null : collect(child);
  if (stdout !== null && number === null) eachLine(stdout, (line) => out.info(line));
  const ended = new Promise<Awaited<JobProcess["ended"]>>((resolve) => {
    child.once("exit", (code, signal) => {
      out.debug(signal === null ? `exited with ${code}` : `ended by ${signal}`);
      const end = { code, signal, afterMs: clock.now() - startedAt };
      if (number === null) resolve({ end, printed: null });
      else void number.then((printed) => resolve({ end, printed }));
    });
  });
  return { pid, child, ended };
}

/** What it prints, to the end of its output; whoever else holds that is not waited for. */
function collect(child: ChildProcess): Promise<string> {
  let text = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    if (text.length < LONGEST_NUMBER) text += chunk.toString();
  });
  child.stdout?.on("error", () => {}); // closed: there is no more to read
  return new Promise((resolve) => {
    const done = (): void => resolve(text);
    child.stdout?.once("close", done);
    child.once("exit", () => setTimeout(done, LATE_OUTPUT_MS));
  });
}

/** What is still in the pipe is read within this, on the busiest machine. */
const LATE_OUTPUT_MS = 250;

function specOf(job: Job, env: Readonly<Record<string, string>>): ChildSpec | string {
  try {
    const account = accountOf(job);
    return {
      argv: job.exec ?? [],
      allEnv: true,
      env: { ...account?.env, ...env, ...job.env },
      // A program that loses us should end as well as it can, not in the middle of something.
      whenOrphaned: "TERM",
      output: job.log.raw && job.metric === null ? "inherit" : "pipe",
      ...(job.cwd === null ? {} : { cwd: job.cwd }),
      ...(account === null ? {} : { user: account.user }),
    };
  } catch (error) {
    return messageOf(error);
  }
}
