// The protocol's rules as the code has them, each with the edit that removes it, and a seed whose schedule then breaks an
// invariant (found by `npm run sim:mutants`). Names as in test/model/protocol.py where the rule is one of its.

export type Edit = { readonly file: string; readonly text: string; readonly instead: string };

export type Mutant = {
  readonly rule: string;
  /** PROTOCOL.md section. */
  readonly section: string;
  readonly edits: readonly Edit[];
  /**
   * A schedule that noticed; null: none is known. Any change of the code shifts what a seed's chance is used for, so the
   * seeds behind it are tried as well.
   */
  readonly killer: { readonly seed: number; readonly nodes: number } | null;
  /** Why nothing notices, or (OPEN) that nothing has noticed yet. */
  readonly unnoticed?: string;
};

export const CORE = "recipes/mysql/core";
export const EXECUTE = "recipes/mysql/execute";

export const edit = (file: string, text: string, instead: string): Edit => ({
  file,
  text,
  instead,
});

export const mutant = (
  rule: string,
  section: string,
  edits: readonly Edit[],
  killer: Mutant["killer"],
  unnoticed?: string,
): Mutant => ({ rule, section, edits, killer, ...(unnoticed === undefined ? {} : { unnoticed }) });
