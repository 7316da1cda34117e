// The runner's log: its own words and the output of its jobs, in one of ContainerPilot's formats, to stdout, stderr or a
// file that is opened again on request. Written at once, so that the last line before an end is there. What cannot be
// written is lost, and counted: a full disk or a reader that went away must not stop what runs here.
import { closeSync, openSync, writeSync } from "node:fs";
import type { RunnerConfig } from "../core/runner-config.ts";
import { ConfigError, messageOf } from "../errors.ts";
import type { Fields, Log } from "../log.ts";
import { makeRedactor } from "../redactor.ts";
import { formatLine, isShown, type LineLevel } from "./log-format.ts";

type Settings = RunnerConfig["log"];

export type RunnerLog = Log & {
  /** Other settings from now on. Errors: ConfigError AP_CONFIG_UNREADABLE (the file); then nothing has changed. */
  configure(settings: Settings): void;
  /** After the file was moved away: the next line goes to a new one. */
  reopen(): void;
  fatal(msg: string): void;
  /** Lines that could not be written so far. */
  lost(): number;
};

/** Where a reader is slower than we write: this long, and then the line is lost. */
const PATIENCE_MS = 1_000;

export function createRunnerLog(first: Settings): RunnerLog {
  const redactor = makeRedactor();
  let settings = first;
  let fd = openOutput(settings.output);
  let lost = 0;

  function write(level: LineLevel, msg: string, fields: Fields): void {
    if (!isShown(level, settings.level)) return;
    const time = new Date().toISOString();
    const { err, ...rest } = fields;
    const said = err === undefined ? msg : `${msg}: ${messageOf(err)}`;
    const line = formatLine({ time, level, msg: said, fields: rest }, settings.format);
    if (!writeAll(fd, redactor.clean(line))) lost += 1;
  }

  function configure(next: Settings): void {
    const opened = openOutput(next.output);
    closeOutput(fd);
    [settings, fd] = [next, opened];
  }

  const child = (own: Fields): Log => ({
    error: (msg, fields = {}) => write("error", msg, { ...own, ...fields }),
    warn: (msg, fields = {}) => write("warning", msg, { ...own, ...fields }),
    info: (msg, fields = {}) => write("info", msg, { ...own, ...fields }),
    debug: (msg, fields = {}) => write("debug", msg, { ...own, ...fields }),
    child: (more) => child({ ...own, ...more }),
    redact: redactor.add,
  });

  return {
    ...child({}),
    configure,
    reopen: () => configure(settings),
    fatal: (msg) => write("fatal", msg, {}),
    lost: () => lost,
  };
}

function openOutput(output: string): number {
  if (output === "stdout") return 1;
  if (output === "stderr") return 2;
  try {
    return openSync(output, "a", 0o644);
  } catch (error) {
    const why = `logging.output: ${messageOf(error)}`;
    throw new ConfigError("AP_CONFIG_UNREADABLE", why, { cause: error });
  }
}

function closeOutput(fd: number): void {
  if (fd > 2) closeSync(fd);
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4));

/** False: it could not be written. */
function writeAll(fd: number, text: string): boolean {
  const bytes = Buffer.from(text);
  for (let at = 0, waited = 0; at < bytes.length;) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN" || waited >= PATIENCE_MS) return false;
      Atomics.wait(PAUSE, 0, 0, 1);
      waited += 1;
    }
  }
  return true;
}
