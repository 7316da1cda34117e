// The process in which quick.ts runs the tests of the core: each question loads the tests and the sources anew, one source
// with the mutant's code. Answers with the first test that fails.
import { readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Answer, Question } from "./quick.ts";
import { collected } from "./quick-vitest.ts";
import { ROOT, type Shown } from "./suite.ts";

const OURS = pathToFileURL(join(ROOT, "/")).href;
const VITEST = pathToFileURL(join(import.meta.dirname, "quick-vitest.ts")).href;
const stripped = new Map<string, string>();
let shown: Shown | null = null;
let round = 0;

registerHooks({
  resolve(specifier, context, next) {
    const fromTest = context.parentURL?.includes("?round=") === true;
    if (specifier === "vitest" && fromTest) return { url: VITEST, shortCircuit: true };
    const found = next(specifier, context);
    const ours = found.url.startsWith(OURS) && !found.url.includes("/node_modules/");
    return ours && fromTest ? { ...found, url: `${found.url}?round=${round}` } : found;
  },
  load(url, context, next) {
    if (!url.includes("?round=")) return next(url, context);
    return { format: "module", source: sourceOf(fileURLToPath(url)), shortCircuit: true };
  },
});

function sourceOf(path: string): string {
  if (shown !== null && path === join(ROOT, shown.file)) return stripTypeScriptTypes(shown.code);
  const known = stripped.get(path) ?? stripTypeScriptTypes(readFileSync(path, "utf8"));
  stripped.set(path, known);
  return known;
}

async function firstFailure({ mutant, files }: Question): Promise<Answer["failed"]> {
  shown = mutant;
  round += 1;
  for (const file of files) {
    try {
      await import(`${pathToFileURL(file).href}?round=${round}`);
    } catch {
      return { file, test: file }; // One that cannot even be loaded counts by its name.
    } finally {
      if (collected.length > 0) collected.reverse();
    }
    for (let test = collected.pop(); test !== undefined; test = collected.pop()) {
      try {
        await test.run();
      } catch {
        collected.length = 0;
        return { file, test: test.name }; // Why is told by Vitest, for whoever looks at one mutant.
      }
    }
  }
  return null;
}

process.on("message", (question: Question) => {
  void firstFailure(question).then((failed) => process.send?.({ failed } satisfies Answer));
});
