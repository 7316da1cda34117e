// What is wrong with a template, and where. The place is in the template's own text, both numbers from 1.

export type Place = { readonly line: number; readonly column: number };

/** Raised by the parser, the evaluator and by functions; a function leaves the place to the evaluator. */
export class TemplateError extends Error {
  readonly at: Place | null;
  constructor(why: string, at: Place | null = null) {
    super(why);
    this.name = "TemplateError";
    this.at = at;
  }
}

export function placeOf(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return { line, column: Array.from(before.slice(before.lastIndexOf("\n") + 1)).length + 1 };
}
