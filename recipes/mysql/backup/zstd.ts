// The zstd program between two streams: a process of its own, so that compressing takes another core than reading and
// sending. It is given nothing but its streams: when we die, it sees their ends.
import { spawn, type ChildProcessByStdio } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { RefusedError, UnavailableError, messageOf, type ToolSpec } from "../../../src/index.ts";

export const zstdSpec: ToolSpec = {
  name: "zstd",
  version: "1.5",
  env: "AUTOPILOT_ZSTD",
  binary: "zstd",
  versionArgs: ["--version"],
  accept: (output) => {
    const [, version = "", major = "", minor = ""] = /\bv((\d+)\.(\d+)\.\d+)/.exec(output) ?? [];
    if (version === "") return { ok: false, why: "it does not say that it is zstd" };
    // From 1.5 on it tells to the byte what it read and wrote.
    if (Number(major) * 1000 + Number(minor) >= 1005) return { ok: true, version };
    return { ok: false, why: `zstd ${version} is older than 1.5` };
  },
  apt: { suite: "sid", packages: ["zstd"], main: "usr/bin/zstd" },
  install: "install zstd (apt install zstd), or set AUTOPILOT_ZSTD",
};

/** How much of its last words is kept. */
const WORDS_MAX = 2_000;

export interface Zstd extends AsyncDisposable {
  /** All of `source`, as fast as it takes it. Errors: those of the source; its own end, when it came too early. */
  feed(source: AsyncIterable<Uint8Array>): Promise<void>;
  /** What it makes of it. Errors: its own, also at the end. */
  read(): AsyncGenerator<Buffer, void>;
  kill(): void;
}

/**
 * Errors: UnavailableError AP_BACKUP_ZSTD_FAILED, also when it did not read all that it was fed, or not all that it
 * wrote was read. `argv`: the start of its command line.
 */
export function compress(argv: readonly string[], level: number): Zstd {
  const words = ["-vv", "--no-progress", "-c"];
  return start([...argv, `-${level}`, ...words], (says) => failed(says), requireAll);
}

/** Its own count of bytes against ours. */
function requireAll(words: string, { fed, got }: Counts): void {
  const [, read, written] = /\(\s*(\d+) B\s*=>\s*(\d+) B/.exec(words) ?? [];
  if (read === undefined) throw failed("it does not say how much it read");
  if (Number(read) === fed && Number(written) === got) return;
  const why = `it read ${read} of ${fed} bytes, and of ${written} that it wrote ${got} came`;
  throw failed(why);
}

/** Errors: also RefusedError AP_BACKUP_DAMAGED, for bytes that are none of its own. */
export function decompress(argv: readonly string[]): Zstd {
  return start([...argv, "-d", "-q", "-c"], (says, byItself) => {
    if (!byItself) return failed(says);
    return new RefusedError("AP_BACKUP_DAMAGED", `what was stored cannot be decompressed: ${says}`);
  });
}

function failed(says: string): UnavailableError {
  return new UnavailableError("AP_BACKUP_ZSTD_FAILED", `zstd: ${says}`);
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;
/** Bytes that went in and came out. */
type Counts = { fed: number; got: number };

function start(
  argv: readonly string[],
  errorOf: (says: string, byItself: boolean) => Error,
  check: (words: string, counts: Counts) => void = () => {},
): Zstd {
  const [file = "", ...args] = argv;
  const env = { PATH: process.env["PATH"] ?? "", LC_ALL: "C" };
  // A session of its own: a terminal's Ctrl-C is ours to answer.
  const child: Child = spawn(file, args, { env, stdio: ["pipe", "pipe", "pipe"], detached: true });
  // Node throws away what a child wrote when it has ended before anybody began to read.
  child.stdout.on("readable", () => {});
  const counts: Counts = { fed: 0, got: 0 };
  const ended = endOf(child, errorOf);
  ended.catch(() => {});
  return {
    feed: (source) => feed(child, { source, counts, ended }),
    async *read() {
      yield* read(child, counts, ended);
      check(await ended, counts);
    },
    kill: () => void child.kill("SIGKILL"),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      // A consumer that stopped in the middle left them open.
      child.stdin.destroy();
      child.stdout.destroy();
      await ended.catch(() => {});
    },
  };
}

/** Its last words. */
async function endOf(
  child: Child,
  errorOf: (says: string, byItself: boolean) => Error,
): Promise<string> {
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    words = (words + text).slice(-WORDS_MAX);
  });
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(failed(messageOf(error))));
    child.once("close", (code, signal) => {
      if (code === 0) return resolve(words);
      const said = words.trim().split("\n").at(-1) ?? "";
      const how = signal === null ? `exit code ${code}` : `killed by ${signal}`;
      reject(errorOf(said === "" ? how : `${how}: ${said}`, signal === null));
    });
  });
}

async function* read(
  { stdout }: Child,
  counts: Counts,
  ended: Promise<unknown>,
): AsyncGenerator<Buffer, void> {
  try {
    for await (const chunk of stdout as AsyncIterable<Buffer>) {
      counts.got += chunk.length;
      yield chunk;
    }
  } catch (error) {
    // A pipe that broke is the consequence of how it ended.
    await ended;
    throw failed(messageOf(error));
  }
}

type Feeding = {
  readonly source: AsyncIterable<Uint8Array>;
  readonly counts: Counts;
  readonly ended: Promise<unknown>;
};

async function feed({ stdin }: Child, { source, counts, ended }: Feeding): Promise<void> {
  let broken = false;
  // EPIPE is the consequence: what the child says at its end is the cause.
  stdin.on("error", () => (broken = true));
  for await (const chunk of source) {
    counts.fed += chunk.length;
    if (!broken && !stdin.destroyed && !stdin.write(chunk)) await writable(stdin);
    if (!broken && !stdin.destroyed) continue;
    await ended;
    throw failed("it ended before its input did");
  }
  stdin.end();
}

function writable(stdin: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stdin.off("drain", done).off("close", done).off("error", done);
      resolve();
    };
    stdin.once("drain", done).once("close", done).once("error", done);
  });
}
