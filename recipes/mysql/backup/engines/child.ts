// A program of an engine: its stdin and stdout as streams, its last words kept, dead at the latest when we are done with it.
// It runs with an environment of its own: UTC, because engines write local times into their files, and a home without
// anybody's option files.
import type { Readable, Writable } from "node:stream";
import { launch, signalGroup } from "../../../../src/index.ts";

export type ChildEnd = {
  readonly code: number | null;
  /** "exit code 1", "killed by SIGKILL". */
  readonly says: string;
};

export type EngineChild = AsyncDisposable & {
  readonly stdin: Writable | null;
  readonly stdout: Readable;
  /** Resolves when it is gone and its last words are read. */
  readonly ended: Promise<ChildEnd>;
  /** The newest lines of stderr, oldest first. */
  readonly words: () => readonly string[];
  /** SIGKILL, to whatever it started too. */
  readonly kill: () => void;
};

export type ChildOrder = {
  readonly name: string;
  readonly argv: readonly string[];
  /** A private directory: its home, its working and its temporary directory. */
  readonly run: string;
  readonly input?: "pipe";
  readonly signal: AbortSignal;
  readonly onLine?: (line: string) => void;
};

// An engine writes a line per file and second; what explains a failure stands in the last few.
const KEPT_LINES = 40;
const LINE_LIMIT = 1_000;

/** Errors: UnavailableError AP_SPAWN_FAILED; the signal's reason. Aborting kills it. */
export async function startChild(o: ChildOrder): Promise<EngineChild> {
  o.signal.throwIfAborted();
  const launched = await launch(o.name, {
    argv: o.argv,
    env: { TZ: "UTC", HOME: o.run, TMPDIR: o.run, LC_ALL: "C" },
    cwd: o.run,
    output: "pipe",
    ...(o.input === undefined ? {} : { input: o.input }),
  });
  if (!launched.ok) throw launched.error;
  const { child, pid } = launched;
  const { stdin, stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new TypeError("a child without pipes");
  const words = keepLines(stderr, o.onLine ?? (() => undefined));
  let over = false;
  const ended = new Promise<ChildEnd>((resolve) => {
    child.once("exit", (code, signal) => {
      over = true;
      const says = signal === null ? `exit code ${code}` : `killed by ${signal}`;
      // What it said last may still be in the pipe; a grandchild may hold it open.
      if (stderr.readableEnded) return resolve({ code, says });
      const late = setTimeout(() => resolve({ code, says }), LAST_WORDS_MS);
      stderr.once("end", () => {
        clearTimeout(late);
        resolve({ code, says });
      });
    });
  });
  const kill = (): void => {
    if (!over) signalGroup(pid, "SIGKILL");
  };
  o.signal.addEventListener("abort", kill, { once: true });
  void ended.then(() => o.signal.removeEventListener("abort", kill));
  if (o.signal.aborted) kill();
  // Its end is told by `ended`: a pipe that breaks because of it is no news.
  stdin?.on("error", () => undefined);
  return {
    stdin,
    stdout,
    ended,
    words,
    kill,
    [Symbol.asyncDispose]: async () => {
      kill();
      await ended;
    },
  };
}

const LAST_WORDS_MS = 1_000;

function keepLines(stream: Readable, onLine: (line: string) => void): () => readonly string[] {
  const kept: string[] = [];
  let open = "";
  const take = (line: string): void => {
    if (line.trim() === "") return;
    kept.push(line.trimEnd());
    if (kept.length > KEPT_LINES) kept.shift();
    onLine(line);
  };
  stream.setEncoding("utf8").on("data", (text: string) => {
    const lines = `${open}${text}`.split("\n");
    open = (lines.pop() ?? "").slice(0, LINE_LIMIT);
    for (const line of lines) take(line.slice(0, LINE_LIMIT));
  });
  stream.on("end", () => {
    take(open);
    open = "";
  });
  return () => kept;
}
