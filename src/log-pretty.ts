// One JSON log line as a person reads it on a terminal:
//   12:03:04.512 mysql-1 primary e7  promote  (120 ms) why
// Colours mark levels only, and only on a terminal that wants them.
import { styleText } from "node:util";

const MARKS = { error: "red", warn: "yellow", info: "green", debug: "gray" } as const;
const SHOWN = new Set([
  "level",
  "time",
  "msg",
  "cluster",
  "node",
  "epoch",
  "role",
  "tick",
  "ms",
  "action",
]);

/** `line` is one JSON object with a newline, as pino writes it; what is not JSON passes through. */
export function prettyLine(line: string): string {
  const entry = parse(line);
  if (entry === null) return line;
  const level = text(entry["level"]) as keyof typeof MARKS;
  const time = text(entry["time"]).slice(11, 23);
  const epoch = typeof entry["epoch"] === "number" ? `e${entry["epoch"]}` : "";
  const who = [text(entry["node"]), text(entry["role"]), epoch].filter((part) => part !== "");
  const took = typeof entry["ms"] === "number" ? ` (${Math.round(entry["ms"])} ms)` : "";
  const mark = styleText(MARKS[level] ?? "gray", level === "info" ? "·" : level);
  const head = styleText("gray", `${time} ${who.join(" ")}`.trimEnd());
  return `${head} ${mark} ${text(entry["msg"])}${took}${rest(entry)}\n`;
}

function rest(entry: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(entry)
    .filter(([key]) => !SHOWN.has(key))
    .map(([key, value]) => (key === "why" ? text(value) : `${key}=${text(value)}`));
  return parts.length === 0 ? "" : ` ${styleText("gray", parts.join(" "))}`;
}

function text(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  const message = (value as { message?: unknown }).message;
  return typeof message === "string" ? message : JSON.stringify(value);
}

function parse(line: string): Readonly<Record<string, unknown>> | null {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return null; // not ours: shown as it came
  }
}
