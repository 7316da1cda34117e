// `npm run sim:mutants`: removes each rule and shows what notices: a race or a schedule in which something is broken that
// must hold, or a test of the core. Prints a table; exit code 1 when a removed rule is not noticed as its entry says.
// Options: --rule PART --jobs N --most N (runs of a race or seeds, at most) --json; --rules prints the text of RULES.md.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, Suite } from "../mutation/suite.ts";
import { edited, type Tried } from "./mutant-child.ts";
import { rulesText } from "./mutant-rules.ts";
import { MUTANTS } from "./mutant-table.ts";
import { EXECUTOR_TESTS, type Kill, type Mutant } from "./mutant.ts";

export type Verdict = {
  readonly rule: string;
  readonly killed: boolean;
  /** The race, the seed, or the test. */
  readonly by: string;
  /** What was broken. */
  readonly kind: string;
  readonly tries: number;
  readonly says: string;
};

/** Any change of the code shifts chance: a race and a seed are tried so often. */
const MOST_TRIES = 5;

type Played = Exclude<Kill, { readonly by: "test" }>;
type Tested = Extract<Kill, { readonly by: "test" }>;

async function playedVerdict(mutant: Mutant, kill: Played, most: number): Promise<Verdict> {
  const { kind, says, tries } = await inAProcess({ edits: mutant.edits, kill, most });
  const by = kill.by === "race" ? kill.race : `seed ${kill.seed}, ${kill.nodes} nodes`;
  const killed = kind === kill.kind;
  return { rule: mutant.rule, killed, by, kind: kill.kind, tries, says };
}

/** A process of its own: what a mutant has loaded stays with it. */
function inAProcess(what: {
  readonly edits: Mutant["edits"];
  readonly kill: Played;
  readonly most: number;
}): Promise<Tried> {
  const argv = [join(import.meta.dirname, "mutant-child.ts"), JSON.stringify(what)];
  // All but the mutated file is the same for each: compiled once, a child needs a third less.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), "autopilot-mutants") };
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "pipe"], env });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((done, failed) => {
    child.on("close", () => {
      const line = out.split("\n").find((text) => text.startsWith("{"));
      if (line === undefined) failed(new Error(`the mutant did not run: ${err.slice(0, 2_000)}`));
      else done(JSON.parse(line) as Tried);
    });
  });
}

async function testedVerdict(suite: Suite, mutant: Mutant, kill: Tested): Promise<Verdict> {
  const [first] = mutant.edits;
  if (first === undefined) throw new Error(`${mutant.rule} removes nothing`);
  const source = readFileSync(join(ROOT, first.file), "utf8");
  const code = edited(first.file, source, mutant.edits);
  const failed = await suite.failures({ file: first.file, code }, kill.file);
  const killed = failed.includes(kill.name);
  const says = killed ? kill.name : `fails instead: ${failed.join("; ") || "nothing"}`;
  return { rule: mutant.rule, killed, by: kill.file, kind: "test", tries: 1, says };
}

type Job = () => Promise<Verdict>;

type Options = {
  readonly jobs: number;
  readonly most: number;
  readonly told: (verdict: Verdict) => void;
};

/** Races side by side; the tests share one vitest and go one after the other, then their worker helps with the races. */
async function judgeAll(mutants: readonly Mutant[], { jobs, most, told }: Options): Promise<void> {
  const kills = mutants.flatMap((mutant) => mutant.kills.map((kill) => ({ mutant, kill })));
  const played: Job[] = kills.flatMap(({ mutant, kill }) =>
    kill.by === "test" ? [] : [() => playedVerdict(mutant, kill, most)],
  );
  const worker = async (): Promise<void> => {
    for (let job = played.shift(); job !== undefined; job = played.shift()) told(await job());
  };
  const others = Array.from({ length: jobs - 1 }, worker);
  await Promise.all([...others, tests(kills, told).then(worker)]);
}

async function tests(
  kills: readonly { readonly mutant: Mutant; readonly kill: Kill }[],
  told: Options["told"],
): Promise<void> {
  if (kills.every(({ kill }) => kill.by !== "test")) return;
  await using suite = await Suite.open(["test/core/**/*.test.ts", EXECUTOR_TESTS], false);
  for (const { mutant, kill } of kills)
    if (kill.by === "test") told(await testedVerdict(suite, mutant, kill));
}

function lineOf({ rule, killed, by, kind, tries, says }: Verdict): string {
  const word = killed ? "killed  " : "SURVIVED";
  const why = killed ? "" : `: ${says.slice(0, 200)}`;
  return `${word} ${rule.padEnd(30)} ${kind.padEnd(16)} ${by} (${tries})${why}`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      rule: { type: "string", default: "" },
      jobs: { type: "string", default: "2" },
      most: { type: "string", default: String(MOST_TRIES) },
      json: { type: "boolean", default: false },
      rules: { type: "boolean", default: false },
    },
  });
  if (values.rules) {
    process.stdout.write(rulesText());
    return 0;
  }
  const mutants = MUTANTS.filter(({ rule }) => rule.includes(values.rule));
  const found: Verdict[] = [];
  const told = (verdict: Verdict): void => {
    found.push(verdict);
    if (!values.json) console.log(lineOf(verdict));
  };
  await judgeAll(mutants, { jobs: Number(values.jobs), most: Number(values.most), told });
  const alive = found.filter(({ killed }) => !killed);
  if (values.json) console.log(JSON.stringify(found));
  else console.log(`${mutants.length} rules removed, ${alive.length} not noticed`);
  return alive.length === 0 ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) {
  process.exitCode = await main();
  process.exit();
}
