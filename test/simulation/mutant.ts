// One removable rule of the protocol: what it serves, the edit that removes it, and what notices. Names as in
// test/model/protocol.py where the rule is one of its.

export type Edit = { readonly file: string; readonly text: string; readonly instead: string };

/** What the judge of a run calls it (judge.ts), or a race's own word for what it watches. */
export type Kind = string;

export type Kill =
  /** A hand-written order of events that provokes exactly this (mutant-races-*.ts). */
  | { readonly by: "race"; readonly race: string; readonly kind: Kind }
  /**
   * A schedule from a seed. Any change of the code shifts what a seed's chance is used for, so the seeds behind it are
   * tried as well.
   */
  | { readonly by: "seed"; readonly seed: number; readonly nodes: number; readonly kind: Kind }
  /** A test of test/core, or of mutant-executors.test.ts, by its full name. */
  | { readonly by: "test"; readonly file: string; readonly name: string };

export type Mutant = {
  readonly rule: string;
  /** What the rule says, in one sentence. */
  readonly says: string;
  /** PROTOCOL.md section. */
  readonly section: string;
  /** Of PROTOCOL.md: invariants (§8 I1–I10), promises ((1)–(4) at its head), or "liveness". */
  readonly serves: readonly string[];
  readonly edits: readonly Edit[];
  readonly kills: readonly Kill[];
  /**
   * Why it takes more than one edit: these rules alone are not missed, because each other one covers it; removed
   * together, they are.
   */
  readonly together?: string;
};

export const CORE = "recipes/mysql/core";
export const EXECUTE = "recipes/mysql/execute";
export const SIM = "test/simulation";
export const EXECUTOR_TESTS = `${SIM}/mutant-executors.test.ts`;

export const edit = (file: string, text: string, instead: string): Edit => ({
  file,
  text,
  instead,
});

export const race = (name: string, kind: Kind): Kill => ({ by: "race", race: name, kind });
export const seed = (from: number, kind: Kind, nodes = 3): Kill => ({
  by: "seed",
  seed: from,
  nodes,
  kind,
});
export const unit = (file: string, name: string): Kill => ({
  by: "test",
  file: `test/core/${file}.test.ts`,
  name,
});

/** A test of an executor's own re-check. */
export const onHands = (name: string): Kill => ({ by: "test", file: EXECUTOR_TESTS, name });

/** A guard of the core, killed by one of its tests. */
export const guard = (
  rule: string,
  section: string,
  serves: string,
  says: string,
  removed: { readonly file: string; readonly text: string; readonly instead: string },
  kill: Kill,
): Mutant => {
  const { file, text, instead } = removed;
  const edits = [edit(`${CORE}/${file}.ts`, text, instead)];
  return { rule, says, section, serves: [serves], edits, kills: [kill] };
};
