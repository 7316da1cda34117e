// `npm run mutants:core`: every small wrong version of the pure core (recipes/mysql/core, src/core), one at a time, against
// the tests of test/core. Survivors are printed; one that changes nothing is listed in equivalents.ts, with the reason.
// Options: --file PART (only files whose path contains it) --jobs N --json
import { spawn, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { EQUIVALENTS } from "./equivalents.ts";
import { variantsOf, type Variant } from "./operators.ts";
import { QuickSuite } from "./quick.ts";
import { ROOT } from "./suite.ts";

const FOLDERS = ["recipes/mysql/core", "src/core"];

/** Types only, or constants that tests would only repeat. */
const WITHOUT_BEHAVIOUR = ["observation.ts", "records.ts", "action.ts", "policy.ts"];

export type Candidate = Variant & { readonly file: string };

export function candidates(part = ""): readonly Candidate[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith(".ts") && !WITHOUT_BEHAVIOUR.includes(name))
      .map((name) => `${folder}/${name}`)
      .filter((file) => file.includes(part))
      .flatMap((file) =>
        variantsOf(file, readFileSync(join(ROOT, file), "utf8")).map((v) => ({ ...v, file })),
      ),
  );
}

/** Yields those that no test notices. */
async function* survivors(tried: readonly Candidate[]): AsyncGenerator<Candidate> {
  await using suite = new QuickSuite("test/core/**/*.test.ts");
  const whole = async (when: string): Promise<void> => {
    const failed = await suite.failure(null);
    if (failed !== null) throw new Error(`test/core fails ${when} any mutant: ${failed}`);
  };
  await whole("before");
  for (const [at, candidate] of tried.entries()) {
    if (at % 100 === 0) console.error(`${at} of ${tried.length} mutants of this share`);
    if ((await suite.failure(candidate)) === null) yield candidate;
  }
  await whole("after");
}

/** A copy of the sources for the type checker, which remembers what it has checked. */
function typeChecked(): string {
  const dir = mkdtempSync(join(tmpdir(), "core-mutant-"));
  for (const part of ["recipes", "src", "package.json", "tsconfig.json"])
    cpSync(join(ROOT, part), join(dir, part), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
  const project = { extends: "./tsconfig.json", include: ["src", "recipes"] };
  writeFileSync(join(dir, "tsconfig.part.json"), JSON.stringify(project));
  return dir;
}

/** Whether the type checker refuses it: then no test has to. */
function refused(dir: string, { file, code }: Candidate): boolean {
  const argv = ["--noEmit", "--incremental", "--tsBuildInfoFile", "known.json"];
  const more = ["--noUnusedLocals", "false", "-p", "tsconfig.part.json"];
  writeFileSync(join(dir, file), code);
  try {
    const tsc = join(ROOT, "node_modules/.bin/tsc");
    return spawnSync(tsc, [...argv, ...more], { cwd: dir }).status !== 0;
  } finally {
    cpSync(join(ROOT, file), join(dir, file));
  }
}

/** One process of several: prints a line of JSON for each survivor. */
async function share(tried: readonly Candidate[]): Promise<void> {
  const dir = typeChecked();
  try {
    for await (const survivor of survivors(tried)) {
      const { id, file, line } = survivor;
      if (!refused(dir, survivor)) console.log(JSON.stringify({ id, file, line }));
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

type Survivor = Pick<Candidate, "id" | "file" | "line">;

function shareOf(job: number, jobs: number, part: string): Promise<readonly Survivor[]> {
  const argv = [import.meta.filename, "--job", `${job}/${jobs}`, "--file", part];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return new Promise((done, failed) => {
    child.on("close", (code) => {
      if (code !== 0) return failed(new Error(`a share ended with ${code}`));
      const lines = text.split("\n").filter((line) => line.startsWith("{"));
      done(lines.map((line) => JSON.parse(line) as Survivor));
    });
  });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      file: { type: "string", default: "" },
      jobs: { type: "string", default: "2" },
      job: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const all = candidates(values.file);
  if (values.job !== undefined) {
    const [job = 0, jobs = 1] = values.job.split("/").map(Number);
    await share(all.filter((_, at) => at % jobs === job));
    return 0;
  }
  const jobs = Number(values.jobs);
  const found = await Promise.all(
    Array.from({ length: jobs }, (_, job) => shareOf(job, jobs, values.file)),
  );
  const alive = found.flat();
  const known = EQUIVALENTS.filter(({ id }) => id.includes(values.file));
  const unexplained = alive.filter(({ id }) => known.every((it) => it.id !== id));
  const noticed = known.filter(({ id }) => alive.every((it) => it.id !== id));
  const summary = {
    mutants: all.length,
    killed: all.length - alive.length,
    equivalent: known.length - noticed.length,
    survived: unexplained,
    staleEquivalents: noticed.map(({ id }) => id),
  };
  if (values.json) console.log(JSON.stringify(summary));
  else {
    for (const { file, line, id } of unexplained)
      console.log(`SURVIVED ${file}:${line} ${id.slice(file.length + 1)}`);
    for (const { id } of noticed)
      console.log(`NOT EQUIVALENT (a test notices, or it is gone) ${id}`);
    const { mutants, killed, equivalent } = summary;
    console.log(
      `${mutants} mutants: ${killed} killed, ${equivalent} equivalent, ${unexplained.length} survived`,
    );
  }
  return unexplained.length + noticed.length === 0 ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) process.exitCode = await main();
