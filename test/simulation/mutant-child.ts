// One process for one mutant: its sources are changed as they are loaded, then its killing race or seeds are run.
// `node mutant-child.ts RULE at KILL tries`; prints one line of JSON.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Edit, Kill } from "./mutant.ts";

const ROOT = resolve(import.meta.dirname, "../..");

export type Tried = {
  /** What the first violation was called; null: there was none. */
  readonly kind: string | null;
  readonly says: string;
  /** So many runs, the violating one included. */
  readonly tries: number;
};

/** The source with these edits. Errors: a text is not there exactly once. */
export function edited(file: string, source: string, edits: readonly Edit[]): string {
  return edits
    .filter((edit) => edit.file === file)
    .reduce((text, edit) => {
      const parts = text.split(edit.text);
      if (parts.length !== 2)
        throw new Error(`found ${parts.length - 1} times in ${file}: ${edit.text}`);
      return parts.join(edit.instead);
    }, source);
}

/** From here on, what is imported is the mutant. */
function mutate(edits: readonly Edit[]): void {
  const sources = new Map(
    [...new Set(edits.map((edit) => edit.file))].map((file) => {
      const path = join(ROOT, file);
      return [pathToFileURL(path).href, edited(file, readFileSync(path, "utf8"), edits)] as const;
    }),
  );
  registerHooks({
    load(url, context, next) {
      const source = sources.get(url);
      return source === undefined
        ? next(url, context)
        : { format: "module-typescript", source, shortCircuit: true };
    },
  });
}

/** Runs until something of this kind is broken, so often at most. Another kind's violation does not count. */
export async function hunt(
  edits: readonly Edit[],
  kill: Exclude<Kill, { readonly by: "test" }>,
  most: number,
): Promise<Tried> {
  mutate(edits);
  let other: Tried = { kind: null, says: "nothing was broken", tries: most };
  for (let tries = 1; tries <= most; tries++) {
    const broken = await (kill.by === "race"
      ? raced(kill.race, tries)
      : scheduled(kill, tries - 1));
    if (broken === null) continue;
    const tried = { kind: broken.rule, says: broken.message, tries };
    if (broken.rule === kill.kind) return tried;
    other = tried;
  }
  return other;
}

type Broken = { readonly rule: string; readonly message: string } | null;

async function raced(name: string, seed: number): Promise<Broken> {
  const { raceOf } = await import("./mutant-races.ts");
  const { play } = await import("./mutant-play.ts");
  return (await play(raceOf(name), seed)).violation;
}

async function scheduled(
  kill: Extract<Kill, { readonly by: "seed" }>,
  further: number,
): Promise<Broken> {
  const { scheduleOf } = await import("./schedule.ts");
  const { simulate } = await import("./simulate.ts");
  return (await simulate(scheduleOf(kill.seed + further, kill.nodes))).violation;
}

if (process.argv[1] === import.meta.filename) {
  const { edits, kill, most } = JSON.parse(process.argv[2] ?? "{}") as {
    readonly edits: readonly Edit[];
    readonly kill: Exclude<Kill, { readonly by: "test" }>;
    readonly most: number;
  };
  console.log(JSON.stringify(await hunt(edits, kill, most)));
  process.exit();
}
