// A worker's stdout: a file, so that what was said before a crash is there. One archives for months, and says how far it is
// every few seconds: its file begins anew now and then.
import { fstatSync, ftruncateSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import type { Line } from "./job.ts";

const LOG_BYTES_MAX = 4 * 1_048_576;
/** A line is a few hundred bytes; what a library prints is not kept. */
const LONGEST_LINE = 65_536;

/** `fd`: opened to be appended to. Of an archive only the newest word counts: older ones may be lost unread. */
export function say(line: Line, fd = 1): void {
  if (line.event === "archived" && fstatSync(fd).size > LOG_BYTES_MAX) ftruncateSync(fd);
  writeSync(fd, `${JSON.stringify(line)}\n`);
}

/** Whole lines that were appended since the last call. */
export function tailOf(path: string): () => Promise<readonly string[]> {
  let at = 0;
  let rest = "";
  return async () => {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    // It began anew.
    if (size < at) [at, rest] = [0, ""];
    const length = Math.min(size - at, 4 * LONGEST_LINE);
    if (length <= 0) return [];
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at);
    at += bytesRead;
    const lines = (rest + buffer.toString("latin1", 0, bytesRead)).split("\n");
    rest = (lines.pop() ?? "").slice(0, LONGEST_LINE);
    return lines.map((line) => Buffer.from(line, "latin1").toString("utf8"));
  };
}
