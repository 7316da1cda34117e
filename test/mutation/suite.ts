// The tests of the core against a source that is changed as they load it: one vitest for as many mutants as one likes.
import { basename, join, resolve } from "node:path";
import { createVitest, type TestSpecification, type Vitest } from "vitest/node";

export const ROOT = resolve(import.meta.dirname, "../..");

export type Shown = { readonly file: string; readonly code: string };

export class Suite implements AsyncDisposable {
  readonly #vitest: Vitest;
  readonly #specs: readonly TestSpecification[];
  readonly #show: (shown: Shown | null) => void;

  private constructor(
    vitest: Vitest,
    specs: readonly TestSpecification[],
    show: (shown: Shown | null) => void,
  ) {
    this.#vitest = vitest;
    this.#specs = specs;
    this.#show = show;
  }

  /** `bail`: the first failing test ends a run. */
  static async open(include: readonly string[], bail: boolean): Promise<Suite> {
    let shown: Shown | null = null;
    const vitest = await createVitest(
      {
        watch: false,
        config: false,
        // On by default: it would show every mutant the unchanged code of an earlier run.
        fsModuleCache: false,
        root: ROOT,
        include: [...include],
        reporters: [{}],
        bail: bail ? 1 : 0,
        pool: "threads",
        isolate: false,
        maxWorkers: 1,
        testTimeout: 30_000,
      },
      {
        plugins: [
          {
            name: "mutant",
            enforce: "pre",
            transform: (_, id) =>
              shown !== null && id === join(ROOT, shown.file)
                ? { code: shown.code, map: null }
                : null,
          },
        ],
      },
    );
    await vitest.standalone();
    const specs = await vitest.globTestSpecifications();
    return new Suite(vitest, specs, (next) => {
      for (const it of [shown, next]) if (it !== null) vitest.invalidateFile(join(ROOT, it.file));
      shown = next;
    });
  }

  /**
   * Full names of the tests that fail, of one test file or of all, those near the changed file first; a file that cannot
   * even be loaded counts by its name.
   */
  async failures(mutant: Shown | null, only: string | null = null): Promise<readonly string[]> {
    this.#show(mutant);
    const alone = this.#specs.filter(({ moduleId }) => moduleId === join(ROOT, only ?? ""));
    try {
      for (const some of only === null ? this.#nearFirst(mutant?.file ?? "") : [alone]) {
        const failed = await this.#run(some);
        if (failed.length > 0) return failed;
      }
      return [];
    } finally {
      this.#show(null);
    }
  }

  /** Tests named after the file first: most mutants die there. */
  #nearFirst(file: string): readonly (readonly TestSpecification[])[] {
    const name = basename(file, ".ts");
    const near = this.#specs.filter(({ moduleId }) => basename(moduleId).startsWith(name));
    const rest = this.#specs.filter((spec) => !near.includes(spec));
    return [near, rest].filter((specs) => specs.length > 0);
  }

  /** A run's result holds modules of earlier runs too: only those that were asked for now count. */
  async #run(specs: readonly TestSpecification[]): Promise<readonly string[]> {
    this.#vitest.state.clearErrors();
    const run = await this.#vitest.runTestSpecifications([...specs], false);
    const asked = new Set(specs.map(({ moduleId }) => moduleId));
    const failed = run.testModules
      .filter((module) => asked.has(module.moduleId) && !module.ok())
      .flatMap((module) => {
        const tests = [...module.children.allTests("failed")].map((test) => test.fullName);
        return tests.length > 0 ? tests : [module.moduleId];
      });
    return run.unhandledErrors.length > 0 ? [...failed, "an unhandled error"] : failed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#vitest.close();
  }
}
