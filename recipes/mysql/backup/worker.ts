// The worker: a process of its own that makes, verifies and archives backups, so that neither memory nor time of it is the
// agent's. Its order is the file that its only argument names; it answers on stdout (job.ts), and dies with the agent.
import { readFileSync } from "node:fs";
import { setPriority } from "node:os";
import { AutopilotError, messageOf } from "../../../src/index.ts";
import type { Job } from "./job.ts";
import { perform } from "./perform.ts";
import { say } from "./worker-log.ts";

async function main(file: string): Promise<number> {
  const job = JSON.parse(readFileSync(file, "utf8")) as Job;
  setPriority(job.nice);
  const stop = new AbortController();
  process.once("SIGTERM", () => stop.abort(new Error("the agent ended it")));
  try {
    const done = await perform(job, { file, signal: stop.signal, say });
    say({ event: "done", ...done });
    return 0;
  } catch (error) {
    const code = error instanceof AutopilotError ? error.code : "AP_BACKUP_WORKER";
    say({ event: "failed", code, why: messageOf(error) });
    return error instanceof AutopilotError ? error.exitCode : 70;
  }
}

// Whatever still holds the process, a connection that nobody waits for, must not keep it.
process.exit(await main(process.argv[2] ?? ""));
