// A parsed regular expression, and what its parts match.

/** One code point. */
export type Matches = (code: number) => boolean;

export type Assertion =
  | "text begins"
  | "text ends"
  | "line begins"
  | "line ends"
  | "word ends or begins"
  | "inside or outside of a word";

export type Regex =
  | { readonly kind: "character"; readonly matches: Matches }
  | { readonly kind: "assertion"; readonly what: Assertion }
  | { readonly kind: "sequence"; readonly parts: readonly Regex[] }
  | { readonly kind: "choice"; readonly options: readonly Regex[] }
  | {
      readonly kind: "repeat";
      readonly part: Regex;
      readonly least: number;
      /** null: without end. */
      readonly most: number | null;
      readonly greedy: boolean;
    }
  /** `index` null: it captures nothing. */
  | { readonly kind: "group"; readonly index: number | null; readonly part: Regex };

export type ParsedRegex = {
  readonly root: Regex;
  readonly groups: number;
  /** Of the groups that have one. */
  readonly names: ReadonlyMap<string, number>;
};
