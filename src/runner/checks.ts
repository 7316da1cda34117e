// One health check, with its limit: a program that has to end with 0, an address that has to answer 200–399, or a port
// that has to accept. Never throws: whatever goes wrong is a failed check, and the reason is told when it changes.
import { connect } from "node:net";
import type { Check, Job } from "../core/runner-config.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { launch, signalGroup } from "../runtime/launch.ts";
import { eachLine } from "./lines.ts";

// Importing node:http as a module evaluates its lazy exports, WebSocket among them: 13 MB that nobody uses.
const { request: httpRequest } = process.getBuiltinModule("node:http");

/** Null: passed; else why not. */
export type Checker = (job: Job) => Promise<string | null>;

export function makeChecker(log: Log): Checker & { killAll(): void } {
  const groups = new Set<number>();
  const check: Checker = async ({ name, health }) => {
    if (health === null) return null;
    const { timeoutMs } = health;
    switch (health.check.kind) {
      case "exec":
        return runCheck(name, health.check, { timeoutMs, log, groups });
      case "http":
        return askHttp(health.check, timeoutMs);
      case "tcp":
        return askTcp(health.check, timeoutMs);
      case "heartbeat":
        return null;
    }
  };
  return Object.assign(check, {
    killAll() {
      for (const pid of groups) signalGroup(pid, "SIGKILL");
    },
  });
}

type Run = { readonly timeoutMs: number; readonly log: Log; readonly groups: Set<number> };

async function runCheck(
  job: string,
  { argv, raw }: Extract<Check, { kind: "exec" }>,
  { timeoutMs, log, groups }: Run,
): Promise<string | null> {
  const name = `check.${job}`;
  const output = raw ? "inherit" : "pipe";
  const launched = await launch(name, { argv, allEnv: true, output });
  if (!launched.ok) return launched.error.message;
  const { child, pid } = launched;
  groups.add(pid);
  const out = log.child({ check: name, pid });
  for (const stream of [child.stdout, child.stderr])
    if (stream !== null) eachLine(stream, (line) => out.info(line));
  return new Promise((resolve) => {
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      signalGroup(pid, "SIGKILL");
    }, timeoutMs);
    child.once("exit", (code, signal) => {
      clearTimeout(limit);
      groups.delete(pid);
      // What it left behind in its group.
      signalGroup(pid, "SIGKILL");
      // A daemon that holds its output must not hold our file descriptors, one more with each check.
      setImmediate(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      });
      if (late) resolve(`timeout after ${timeoutMs}ms: '${argv.join(" ")}'`);
      else if (code === 0) resolve(null);
      else resolve(signal === null ? `exit code ${code}` : `ended by ${signal}`);
    });
  });
}

function askHttp(
  { url, method }: Extract<Check, { kind: "http" }>,
  timeoutMs: number,
): Promise<string | null> {
  const send = url.startsWith("https:")
    ? process.getBuiltinModule("node:https").request
    : httpRequest;
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(timeoutMs);
    // Without keep-alive: whether it still takes new connections is what is asked.
    const asked = send(url, { method, signal, agent: false }, (response) => {
      const status = response.statusCode ?? 0;
      response.destroy();
      resolve(status >= 200 && status < 400 ? null : `${url} answered ${status}`);
    });
    asked.on("error", (error) =>
      resolve(signal.aborted ? `timeout after ${timeoutMs}ms: ${url}` : messageOf(error)),
    );
    asked.end();
  });
}

function askTcp(
  { host, port }: Extract<Check, { kind: "tcp" }>,
  timeoutMs: number,
): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (why: string | null): void => {
      clearTimeout(limit);
      socket.destroy();
      resolve(why);
    };
    const limit = setTimeout(
      () => done(`timeout after ${timeoutMs}ms: ${host}:${port}`),
      timeoutMs,
    );
    socket.once("connect", () => done(null));
    socket.once("error", (error) => done(messageOf(error)));
  });
}
