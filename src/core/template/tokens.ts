// A cursor over the tokens of a template, with the errors that need a place.
import type { Token } from "./lex.ts";
import { TemplateError, placeOf } from "./template-error.ts";

export type Tokens = {
  readonly peek: (ahead?: number) => Token;
  readonly next: () => Token;
  readonly previous: () => Token;
  /** The action ends here; `what` is its word. */
  readonly expectRight: (what: string) => void;
  /** At the next token, unless told where. */
  readonly fault: (why: string, at?: { readonly at: number }) => TemplateError;
};

export function makeTokens(text: string, all: readonly Token[]): Tokens {
  const end: Token = { kind: "end of template", text: "", at: text.length, spaced: false };
  let position = 0;
  const peek = (ahead = 0): Token => all[position + ahead] ?? end;
  const fault = (why: string, { at } = { at: peek().at }): TemplateError =>
    new TemplateError(why, placeOf(text, at));
  const next = (): Token => {
    const token = peek();
    position += 1;
    return token;
  };
  return {
    peek,
    next,
    previous: () => all[position - 1] ?? end,
    expectRight(what) {
      const token = next();
      if (token.kind === "right") return;
      throw fault(`unexpected ${JSON.stringify(token.text)} in {{${what}}}`, token);
    },
    fault,
  };
}
