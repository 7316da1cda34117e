// A parsed regular expression → a program for the machine in regex.ts.
import type { Assertion, Matches, ParsedRegex, Regex } from "./regex-node.ts";
import { TemplateError } from "./template-error.ts";

/** Counted repetitions are written out; a program of this size needs seconds for a long text. */
const LONGEST_PROGRAM = 10_000;

export type Instruction =
  | { readonly op: "character"; readonly matches: Matches }
  | { readonly op: "assertion"; readonly what: Assertion }
  | { readonly op: "save"; readonly slot: number }
  /** Go on at `first`, and where that fails at `second`. */
  | { readonly op: "split"; first: number; second: number }
  | { readonly op: "jump"; to: number }
  | { readonly op: "match" };

/** Errors: TemplateError without a place, when it becomes too large. */
export function compile({ root }: ParsedRegex): readonly Instruction[] {
  const program: Instruction[] = [];
  let parts = 0;
  const visit = (): void => {
    parts += 1; // also of what needs no instruction: (?:){1000}
    if (parts > 2 * LONGEST_PROGRAM) throw tooLarge();
  };
  const emit = <I extends Instruction>(instruction: I): I => {
    if (program.length >= LONGEST_PROGRAM) throw tooLarge();
    program.push(instruction);
    return instruction;
  };
  const group = { kind: "group", index: 0, part: root } as const;
  emitPart(group, { program, emit, visit });
  emit({ op: "match" });
  return program;
}

type Code = {
  readonly program: readonly Instruction[];
  readonly emit: <I extends Instruction>(instruction: I) => I;
  readonly visit: () => void;
};

function tooLarge(): TemplateError {
  return new TemplateError("the regular expression is too large");
}

function emitPart(part: Regex, code: Code): void {
  const { emit } = code;
  code.visit();
  switch (part.kind) {
    case "character":
      emit({ op: "character", matches: part.matches });
      return;
    case "assertion":
      emit({ op: "assertion", what: part.what });
      return;
    case "sequence":
      for (const one of part.parts) emitPart(one, code);
      return;
    case "choice":
      emitChoice(part.options, code);
      return;
    case "group":
      if (part.index !== null) emit({ op: "save", slot: part.index * 2 });
      emitPart(part.part, code);
      if (part.index !== null) emit({ op: "save", slot: part.index * 2 + 1 });
      return;
    case "repeat":
      emitRepeat(part, code);
  }
}

function emitChoice(options: readonly Regex[], code: Code): void {
  const ends: { to: number }[] = [];
  for (const [i, option] of options.entries()) {
    const isLast = i === options.length - 1;
    const split = isLast ? null : code.emit({ op: "split", first: 0, second: 0 });
    if (split !== null) split.first = code.program.length;
    emitPart(option, code);
    if (!isLast) ends.push(code.emit({ op: "jump", to: 0 }));
    if (split !== null) split.second = code.program.length;
  }
  for (const end of ends) end.to = code.program.length;
}

function emitRepeat(
  { part, least, most, greedy }: Extract<Regex, { kind: "repeat" }>,
  code: Code,
): void {
  const way = (split: { first: number; second: number }, into: number, past: number): void => {
    split.first = greedy ? into : past;
    split.second = greedy ? past : into;
  };
  if (most === null) {
    // x* is (x+)?, and x+ asks only after x whether to go on: an empty x then ends the repetition, as in RE2.
    const past = least === 0 ? code.emit({ op: "split", first: 0, second: 0 }) : null;
    const into = code.program.length;
    for (let i = 1; i < least; i++) emitPart(part, code);
    const start = code.program.length;
    emitPart(part, code);
    const split = code.emit({ op: "split", first: 0, second: 0 });
    way(split, start, code.program.length);
    if (past !== null) way(past, into, code.program.length);
    return;
  }
  for (let i = 0; i < least; i++) emitPart(part, code);
  const splits: { readonly split: { first: number; second: number }; readonly into: number }[] = [];
  for (let i = least; i < most; i++) {
    const split = code.emit({ op: "split", first: 0, second: 0 });
    splits.push({ split, into: code.program.length });
    emitPart(part, code);
  }
  for (const { split, into } of splits) way(split, into, code.program.length);
}
