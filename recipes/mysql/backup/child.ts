// The worker as the agent's child: it dies with the agent, and what it says is read from its log, which stays for people.
// Nothing of a backup is loaded into the agent: neither SDK nor streams.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { messageOf, type Clock, type Supervise, type Supervised } from "../../../src/index.ts";
import { parseLine, type Job, type Line } from "./job.ts";
import { tailOf } from "./worker-log.ts";

const WORKER = fileURLToPath(new URL(`./worker${extname(import.meta.url)}`, import.meta.url));
/** It aborts its upload on SIGTERM; what it does not manage in this time is swept later. */
const GRACE_MS = 1_500;
const LOOK_EVERY_MS = 250;

export type LastWord = Extract<Line, { event: "done" | "failed" }>;

export type Child = {
  /** Resolves with its last word when it has ended. Never rejects. */
  readonly ended: Promise<LastWord>;
  /** SIGTERM, then SIGKILL; resolves when it is gone. */
  stop(): Promise<void>;
};

export type StartChild = (
  job: Job,
  how: { readonly name: string; readonly onLine: (line: Line) => void },
) => Promise<Child>;

/** Directory of a node's worker `name`: its order, its log, and what it needs for itself. */
export const workerDir = (dir: string, name: string): string => join(dir, "backup", name);

/** Errors: UnavailableError AP_SPAWN_FAILED. */
export function childStarter(parts: {
  readonly supervise: Supervise;
  readonly clock: Clock;
  readonly worker?: string;
}): StartChild {
  return async (job, { name, onLine }) => {
    const dir = workerDir(job.node.dir, name);
    // What an earlier one left: a worker that was killed cleans nothing up.
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const file = join(dir, "job.json");
    const log = join(dir, "worker.log");
    await writeFile(file, JSON.stringify(job), { mode: 0o600 });
    const child = parts.supervise({ name: `${name} worker` });
    const argv = [process.execPath, ...FLAGS, parts.worker ?? WORKER, file];
    const started = await child.start({ argv, env: workerEnv(), output: { file: log } });
    if (!started.ok) throw started.error;
    return follow({ child, log, onLine, clock: parts.clock, name });
  };
}

/** Streams allocate much and keep little. */
const FLAGS = ["--max-semi-space-size=2"];

/** What stores and tools are found by. The keys of a store are the worker's business; Consul's token is not. */
function workerEnv(): Record<string, string> {
  const wanted =
    /^(AWS_\w+|XDG_CACHE_HOME|AUTOPILOT_(?!MYSQL_|NODE_|CONSUL_|LOG_|HOOKS_)\w+|(HTTPS?|NO)_PROXY|NODE_EXTRA_CA_CERTS)$/i;
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      wanted.test(name) && value !== undefined ? [[name, value]] : [],
    ),
  );
}

type Following = {
  readonly child: Supervised;
  readonly log: string;
  readonly onLine: (line: Line) => void;
  readonly clock: Clock;
  readonly name: string;
};

function follow({ child, log, onLine, clock, name }: Following): Child {
  const tail = tailOf(log);
  const said: { last: LastWord | null } = { last: null };
  const read = async (): Promise<void> => {
    for (let texts = await tail(); texts.length > 0; texts = await tail())
      for (const text of texts) {
        const line = parseLine(text);
        if (line?.event === "done" || line?.event === "failed") said.last = line;
        else if (line !== null) onLine(line);
      }
  };
  const failed = (why: string): LastWord => ({ event: "failed", code: "AP_BACKUP_WORKER", why });
  let over = false;
  const exit = child.exited().finally(() => (over = true));
  const follows = async (): Promise<LastWord> => {
    while (!over) {
      await Promise.race([exit, clock.sleep(LOOK_EVERY_MS)]);
      await read();
    }
    const end = await exit;
    await read();
    const { last } = said;
    if (last !== null && (last.event === "failed" || end?.code === 0)) return last;
    return failed(`its worker ended: ${end?.says ?? "killed"}; see ${log}`);
  };
  const ended = follows().catch((error: unknown) => failed(`${name}: ${messageOf(error)}`));
  return { ended, stop: () => child.stop({ termFirst: true, graceMs: GRACE_MS }) };
}
