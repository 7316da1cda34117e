// `npm run sim:mutants`: removes each rule in a copy of the code and looks for a schedule that notices.
// Options: --rule NAME, --seeds N (tried for a rule without a known killer, or all with --search), --verify (known ones only).
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { MUTANTS } from "./mutant-table.ts";
import type { Edit, Mutant } from "./mutant.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** A change of the code shifts what chance a seed draws when: so many seeds from the recorded one on are tried. */
const WITHIN = 40;

/** How often the text that an edit replaces is in the code: once, or the mutant is out of date. */
export function occurrences({ file, text }: Edit): number {
  return readFileSync(join(ROOT, file), "utf8").split(text).length - 1;
}

/** A copy of the code without this rule. Errors: its text is not there exactly once. */
export function without(mutant: Mutant): string {
  const dir = mkdtempSync(join(tmpdir(), `sim-mutant-`));
  for (const part of ["recipes", "src", "test/simulation", "package.json"])
    cpSync(join(ROOT, part), join(dir, part), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
  for (const { file, text, instead } of mutant.edits) {
    const path = join(dir, file);
    const parts = readFileSync(path, "utf8").split(text);
    if (parts.length !== 2)
      throw new Error(`${mutant.rule}: found ${parts.length - 1} times in ${file}: ${text}`);
    writeFileSync(path, parts.join(instead));
  }
  return dir;
}

export type Verdict = { readonly killed: boolean; readonly says: string };

/** Runs schedules in the copy until one breaks something. */
export function hunt(mutant: Mutant, options: readonly string[]): Verdict {
  const dir = without(mutant);
  try {
    const argv = [join(dir, "test/simulation/main.ts"), "--noshrink", ...options];
    const { stdout, stderr, status } = spawnSync(process.execPath, argv, { encoding: "utf8" });
    const line = stdout.split("\n").find((it) => it.startsWith("seed ")) ?? "";
    if (status !== 0 && line === "") throw new Error(`${mutant.rule}: ${stderr.slice(0, 2_000)}`);
    return { killed: line !== "", says: line };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export function verify(mutant: Mutant): Verdict {
  const { killer } = mutant;
  if (killer === null) return { killed: false, says: "no killing seed is known" };
  const { seed, nodes } = killer;
  const from = ["--from", String(seed), "--seeds", String(WITHIN)];
  return hunt(mutant, [...from, "--nodes", String(nodes), "--minutes", "2"]);
}

function main(): number {
  const { values } = parseArgs({
    options: {
      rule: { type: "string" },
      seeds: { type: "string", default: "400" },
      from: { type: "string", default: "1" },
      nodes: { type: "string", default: "3" },
      search: { type: "boolean", default: false },
      verify: { type: "boolean", default: false },
    },
  });
  let survived = 0;
  for (const mutant of MUTANTS) {
    if (values.rule !== undefined && mutant.rule !== values.rule) continue;
    if (values.verify && mutant.killer === null) continue;
    const known = mutant.killer !== null && !values.search;
    const { seeds, nodes, from } = values;
    const verdict = known
      ? verify(mutant)
      : hunt(mutant, ["--from", from, "--seeds", seeds, "--minutes", "2", "--nodes", nodes]);
    if (!verdict.killed) survived += 1;
    console.log(
      `${verdict.killed ? "killed  " : "SURVIVED"} ${mutant.rule.padEnd(30)} ${verdict.says.slice(0, 170)}`,
    );
  }
  return survived === 0 ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) process.exitCode = main();
