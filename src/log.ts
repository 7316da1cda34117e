// The log: JSON lines on stdout for programs, one readable line each for a terminal. Written synchronously, so that the
// last line before a crash is there, and without threads, so that an agent stays small.
// Keys are fixed: level, time, msg, cluster, node, epoch, role, tick, action, why, ms, err. Registered secrets are
// replaced in every line, whatever field they came in.
import { pino, type DestinationStream } from "pino";
import { AutopilotError, messageOf } from "./errors.ts";
import type { LogLevel } from "./log-levels.ts";
import { prettyLine } from "./log-pretty.ts";
import { makeRedactor, type Redactor } from "./redactor.ts";

export type Fields = Readonly<Record<string, unknown>>;

export type Log = {
  error(msg: string, fields?: Fields): void;
  warn(msg: string, fields?: Fields): void;
  info(msg: string, fields?: Fields): void;
  debug(msg: string, fields?: Fields): void;
  /** The same log with more fields in each line. */
  child(fields: Fields): Log;
  /** From now on this text is printed as *** by this log and all its relatives. Shorter than 4 characters: ignored. */
  redact(secret: string): void;
};

/** The root of a process's log. */
export type RootLog = Log & {
  /** Fields of the present moment (epoch, role, tick), carried by each later line of all relatives. */
  moment(fields: Fields): void;
  /** The text without its secrets. */
  readonly clean: (text: string) => string;
};

export type LogOptions = {
  readonly level: LogLevel;
  /** Readable lines instead of JSON. */
  readonly pretty: boolean;
  readonly fields: Fields;
  /** Where lines go; stdout unless a test says otherwise. */
  readonly to?: DestinationStream;
};

export function createLog(options: LogOptions): RootLog {
  const redactor = makeRedactor();
  let moment: Fields = {};
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
      mixin: () => ({ ...moment }),
      hooks: {
        streamWrite: (line) => redactor.clean(options.pretty ? prettyLine(line) : line),
      },
    },
    options.to ?? stdout(),
  );
  return {
    ...wrap(logger.child(options.fields), redactor),
    clean: redactor.clean,
    moment: (fields) => {
      moment = fields;
    },
  };
}

/** A log that says nothing. */
export const SILENT: Log = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  child: () => SILENT,
  redact() {},
};

type Logger = ReturnType<ReturnType<typeof pino>["child"]>;

function wrap(logger: Logger, redactor: Redactor): Log {
  return {
    error: (msg, fields = {}) => logger.error(fields, msg),
    warn: (msg, fields = {}) => logger.warn(fields, msg),
    info: (msg, fields = {}) => logger.info(fields, msg),
    debug: (msg, fields = {}) => logger.debug(fields, msg),
    child: (fields) => wrap(logger.child(fields), redactor),
    redact: redactor.add,
  };
}

/** Only what we know to be harmless: database errors carry whole statements in fields of their own. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return messageOf(error);
  const code = (error as { code?: unknown }).code;
  return {
    type: error.name,
    message: messageOf(error),
    ...(typeof code === "string" ? { code } : {}),
    // An error that we raised on purpose says all in its message; of any other the place is needed.
    ...(error instanceof AutopilotError && error.exitCode !== 70
      ? {}
      : { stack: origin(error).stack }),
  };
}

/** Where it began: the innermost cause. */
function origin(error: Error): Error {
  let at = error;
  while (at.cause instanceof Error) at = at.cause;
  return at;
}

function stdout(): DestinationStream {
  const destination = pino.destination({ dest: 1, sync: true });
  // Nobody reads stdout any more, or its disk is full: losing lines is better than losing the node.
  destination.on("error", () => {});
  return destination;
}
