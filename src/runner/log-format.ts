// The three formats of a line, as whoever parses ContainerPilot's logs expects them.
//   default  2018-05-02T12:00:00.123Z app 17 the line
//   text     time="2018-05-02T12:00:00.123Z" level=info msg="the line" job=app pid=17
//   json     {"job":"app","level":"info","msg":"the line","pid":17,"time":"2018-05-02T12:00:00.123Z"}
import type { RunnerConfig } from "../core/runner-config.ts";

export type LineLevel = "debug" | "info" | "warning" | "error" | "fatal";

export type LineFields = Readonly<Record<string, unknown>>;

export type Line = {
  readonly time: string;
  readonly level: LineLevel;
  readonly msg: string;
  readonly fields: LineFields;
};

const WEIGHTS: Readonly<Record<LineLevel, number>> = {
  debug: 0,
  info: 1,
  warning: 2,
  error: 3,
  fatal: 4,
};

const LEAST: Readonly<Record<RunnerConfig["log"]["level"], number>> = {
  DEBUG: 0,
  INFO: 1,
  WARN: 2,
  ERROR: 3,
  FATAL: 4,
  PANIC: 5,
};

export function isShown(level: LineLevel, least: RunnerConfig["log"]["level"]): boolean {
  return WEIGHTS[level] >= LEAST[least];
}

/** One line with its end. */
export function formatLine(
  { time, level, msg, fields }: Line,
  format: RunnerConfig["log"]["format"],
): string {
  if (format === "json") return `${JSON.stringify(sorted({ ...fields, level, msg, time }))}\n`;
  if (format === "text") {
    const rest = Object.entries(sorted(fields));
    const pairs = [["time", time, true], ["level", level], ["msg", msg], ...rest] as const;
    return `${pairs.map(([key, value, quoted]) => `${key}=${asText(value, quoted === true)}`).join(" ")}\n`;
  }
  const { job, check, pid } = fields;
  const who = [job ?? check, pid].filter((part) => part !== undefined).map(String);
  return `${[time, ...who, msg].join(" ")}\n`;
}

function sorted(fields: LineFields): LineFields {
  return Object.fromEntries(Object.entries(fields).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function asText(value: unknown, quoted: boolean): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return !quoted && /^[\w./@^+-]+$/.test(text) ? text : JSON.stringify(text);
}
