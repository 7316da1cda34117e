// What a template may cost. Configuration and small files are rendered here; whoever needs more renders something else.
import { TemplateError } from "./template-error.ts";

export type Limits = {
  /** Characters of the template's text. */
  readonly template: number;
  /** Characters of the output, and of every text made on the way. */
  readonly output: number;
  /** Nodes evaluated and functions called, and one more for each 256 characters that a call touches. */
  readonly steps: number;
  /** Actions and parentheses inside each other, as written. */
  readonly depth: number;
  /** Blocks and templates inside each other, as they are rendered. */
  readonly calls: number;
};

export const LIMITS: Limits = {
  template: 1024 * 1024,
  output: 8 * 1024 * 1024,
  steps: 1_000_000,
  depth: 100,
  calls: 500,
};

const CHARACTERS_PER_STEP = 256;

/** The allowance of one rendering, shared by everything that happens in it. */
export type Budget = {
  readonly limits: Limits;
  /** Takes so many steps. Errors: TemplateError when there are none left. */
  readonly step: (count?: number) => void;
  /** Takes the steps for touching so many characters or elements. */
  readonly touch: (size: number) => void;
  /** A text that grows; adding more than the output may have is an error. */
  readonly text: () => TextBuilder;
};

export type TextBuilder = {
  readonly add: (text: string) => void;
  readonly done: () => string;
};

export function makeBudget(limits: Limits): Budget {
  let left = limits.steps;
  const step = (count = 1): void => {
    left -= count;
    if (left < 0) throw new TemplateError(`it takes more than ${limits.steps} steps`);
  };
  return {
    limits,
    step,
    touch: (size) => step(Math.ceil(size / CHARACTERS_PER_STEP)),
    text: () => textBuilder(limits.output),
  };
}

function textBuilder(most: number): TextBuilder {
  const parts: string[] = [];
  let size = 0;
  return {
    add(text) {
      size += text.length;
      if (size > most) throw new TemplateError(`it makes more than ${most} characters`);
      parts.push(text);
    },
    done: () => parts.join(""),
  };
}
