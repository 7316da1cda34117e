// A stream → lines, bounded: a line that is too long becomes several. What the stream breaks off with is a line too.
import { StringDecoder } from "node:string_decoder";
import type { Readable } from "node:stream";

/** Longer lines are cut: a program that never ends its line must not fill our memory. */
const LONGEST = 16 * 1024;

export function eachLine(stream: Readable, take: (line: string) => void): void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  stream.on("data", (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) pieces(line, take);
    while (rest.length > LONGEST) {
      take(rest.slice(0, LONGEST));
      rest = rest.slice(LONGEST);
    }
  });
  stream.on("error", () => {}); // the program closed it: there is no more to read
  stream.once("close", () => {
    if (rest !== "") pieces(rest, take);
  });
}

function pieces(line: string, take: (line: string) => void): void {
  const text = line.endsWith("\r") ? line.slice(0, -1) : line;
  for (let at = 0; at === 0 || at < text.length; at += LONGEST) take(text.slice(at, at + LONGEST));
}
