// The tests of the core against a changed source, many times a second: a process of their own that loads the modules anew
// for each mutant, without a runner in between. Vitest's `expect`, its `describe` and `test` as far as test/core uses them.
import { fork, type ChildProcess } from "node:child_process";
import { globSync } from "node:fs";
import { basename, join } from "node:path";
import { ROOT, type Shown } from "./suite.ts";

/** A mutant may loop for ever. */
const WITHIN_MS = 120_000;
/** Modules of mutants before stay in memory. */
const PER_PROCESS = 80;

/** What the child is asked, and what it answers: the first test that fails, and its file; or null. */
export type Question = { readonly mutant: Shown | null; readonly files: readonly string[] };
export type Answer = { readonly failed: { readonly file: string; readonly test: string } | null };

export class QuickSuite implements AsyncDisposable {
  readonly #files: readonly string[];
  /** How many mutants each test file has noticed. */
  readonly #noticed = new Map<string, number>();
  #child: ChildProcess | null = null;
  #asked = 0;

  constructor(pattern: string) {
    this.#files = globSync(pattern, { cwd: ROOT })
      .map((file) => join(ROOT, file))
      .toSorted();
  }

  /** The first test that fails, or null; one that does not end in time counts. */
  async failure(mutant: Shown | null): Promise<string | null> {
    if (this.#asked >= PER_PROCESS) this.#end();
    this.#asked += 1;
    const child = (this.#child ??= fork(join(import.meta.dirname, "quick-child.ts"), {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    }));
    return new Promise((resolve) => {
      const over = (failed: string | null): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        resolve(failed);
      };
      const timer = setTimeout(() => {
        this.#end();
        over("a test that does not end");
      }, WITHIN_MS);
      child.on("message", ({ failed }: Answer) => {
        if (failed !== null) this.#noticed.set(failed.file, this.#times(failed.file) + 1);
        over(failed?.test ?? null);
      });
      child.on("exit", () => {
        this.#child = null;
        over("the process of the tests ended");
      });
      const files = this.#likelyFirst(mutant?.file ?? "");
      child.send({ mutant, files } satisfies Question);
    });
  }

  #times(file: string): number {
    return this.#noticed.get(file) ?? 0;
  }

  /** Tests that noticed most so far, and before any did those that are named after the file: most mutants die there. */
  #likelyFirst(source: string): readonly string[] {
    const name = basename(source, ".ts");
    const near = (file: string): number => Number(basename(file).startsWith(name));
    return this.#files.toSorted((a, b) => this.#times(b) - this.#times(a) || near(b) - near(a));
  }

  #end(): void {
    this.#child?.removeAllListeners();
    this.#child?.kill("SIGKILL");
    this.#child = null;
    this.#asked = 0;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    return Promise.resolve();
  }
}
