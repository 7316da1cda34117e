// Regular expressions with RE2's promise: time grows with the text, never exponentially. JavaScript's own would let one
// template hang a container, and mean something else in a dozen places. All ways through the expression are followed at
// once, in the order of their preference (Pike's machine).
import type { Budget } from "./limits.ts";
import type { Assertion, ParsedRegex } from "./regex-node.ts";
import { parseRegex } from "./regex-parse.ts";
import { compile, type Instruction } from "./regex-program.ts";

/** Replaces every match; $1, ${1}, $name and ${name} in `by` are what a group matched, $$ is a $. */
export function replaceAllMatches(
  pattern: string,
  by: string,
  text: string,
  budget: Budget,
): string {
  const parsed = parseRegex(pattern);
  const program = compile(parsed);
  const subject = subjectOf(text);
  const out = budget.text();
  let copied = 0;
  let from = 0;
  while (from <= subject.codes.length) {
    const found = match(program, subject, from, budget);
    if (found === null) break;
    const [start = 0, end = 0] = found;
    out.add(sliceOf(subject, copied, start));
    // An empty match right after another one does not count.
    if (end > copied || start === 0) expand(by, { found, parsed, subject }, out.add);
    copied = end;
    from = Math.max(end, from + 1);
  }
  out.add(sliceOf(subject, copied, subject.codes.length));
  return out.done();
}

/** Whether it matches anywhere. */
export function matchesSomewhere(pattern: string, text: string, budget: Budget): boolean {
  const program = compile(parseRegex(pattern));
  return match(program, subjectOf(text), 0, budget) !== null;
}

type Subject = { readonly codes: readonly number[] };

function subjectOf(text: string): Subject {
  return { codes: Array.from(text).map((char) => char.codePointAt(0) ?? 0) };
}

/** Where each group began and ended, the whole match first; -1: it took no part. */
type Found = readonly number[];

function sliceOf({ codes }: Subject, from: number, to: number): string {
  let text = "";
  for (const code of codes.slice(from, to)) text += String.fromCodePoint(code);
  return text;
}

function expand(
  by: string,
  { found, parsed, subject }: { found: Found; parsed: ParsedRegex; subject: Subject },
  add: (text: string) => void,
): void {
  let last = 0;
  for (const reference of by.matchAll(/\$(?:\$|\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/gu)) {
    add(by.slice(last, reference.index));
    last = reference.index + reference[0].length;
    const name = reference[1] ?? reference[2];
    if (name === undefined) add("$");
    else {
      const group = /^\d+$/.test(name) ? Number(name) : (parsed.names.get(name) ?? -1);
      const [start = -1, end = -1] = found.slice(group * 2, group * 2 + 2);
      if (group >= 0 && start >= 0) add(sliceOf(subject, start, end));
    }
  }
  add(by.slice(last));
}

type Thread = { readonly at: number; readonly saved: Found };

/** The leftmost match from `from` on, and of those the one that the expression prefers. */
function match(
  program: readonly Instruction[],
  subject: Subject,
  from: number,
  budget: Budget,
): Found | null {
  let threads: Thread[] = [];
  let found: Found | null = null;
  for (let position = from; ; position++) {
    const seen = new Set<number>();
    const now: Thread[] = [];
    for (const thread of threads) follow(program, subject, { thread, position, seen, into: now });
    if (found === null) {
      const thread = { at: 0, saved: [] };
      follow(program, subject, { thread, position, seen, into: now });
    }
    budget.step(seen.size);
    threads = [];
    const code = subject.codes[position];
    for (const { at, saved } of now) {
      const instruction = program[at];
      if (instruction?.op === "match") {
        found = saved;
        break; // whatever comes after it is less preferred
      }
      if (instruction?.op === "character" && code !== undefined && instruction.matches(code))
        threads.push({ at: at + 1, saved });
    }
    if (code === undefined || (found !== null && threads.length === 0)) return found;
  }
}

type Following = {
  readonly thread: Thread;
  readonly position: number;
  readonly seen: Set<number>;
  readonly into: Thread[];
};

/** Goes on from a place without taking a character, to all places where one is needed, preferred ones first. */
function follow(
  program: readonly Instruction[],
  subject: Subject,
  { thread, position, seen, into }: Following,
): void {
  const stack: Thread[] = [thread];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { at, saved } = next;
    if (seen.has(at)) continue;
    seen.add(at);
    const instruction = program[at];
    if (instruction === undefined) continue;
    if (instruction.op === "jump") stack.push({ at: instruction.to, saved });
    else if (instruction.op === "split")
      stack.push({ at: instruction.second, saved }, { at: instruction.first, saved });
    else if (instruction.op === "save") {
      const more = [...saved];
      while (more.length < instruction.slot) more.push(-1);
      more[instruction.slot] = position;
      stack.push({ at: at + 1, saved: more });
    } else if (instruction.op === "assertion") {
      if (holds(instruction.what, subject.codes, position)) stack.push({ at: at + 1, saved });
    } else into.push(next);
  }
}

function holds(what: Assertion, codes: readonly number[], at: number): boolean {
  const [before, after] = [codes[at - 1], codes[at]];
  switch (what) {
    case "text begins":
      return before === undefined;
    case "text ends":
      return after === undefined;
    case "line begins":
      return before === undefined || before === 10;
    case "line ends":
      return after === undefined || after === 10;
    case "word ends or begins":
      return isWord(before) !== isWord(after);
    case "inside or outside of a word":
      return isWord(before) === isWord(after);
  }
}

function isWord(code: number | undefined): boolean {
  return code !== undefined && /[0-9A-Za-z_]/.test(String.fromCodePoint(code));
}
