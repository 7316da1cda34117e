// Tables and colours for people; plain text when stdout is no terminal or NO_COLOR is set (no-color.org).
import { stripVTControlCharacters, styleText } from "node:util";

export function paint(color: "red" | "green" | "yellow" | "dim", text: string): string {
  return styleText(color, text, { stream: process.stdout });
}

/** Columns as wide as their widest cell; the last one is not padded. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = (cell: string): number => stripVTControlCharacters(cell).length;
  const all = [heads.map((head) => paint("dim", head)), ...rows];
  const widths = heads.map((_, at) => Math.max(...all.map((row) => width(row[at] ?? ""))));
  const pad = (cell: string, at: number): string =>
    at === heads.length - 1 ? cell : cell + " ".repeat((widths[at] ?? 0) - width(cell));
  return all.map((row) => row.map(pad).join("  ").trimEnd()).join("\n");
}
