// What a recipe says about a tool that it needs (ToolSpec), and the tool once it is found (Tool).
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UnavailableError } from "../../errors.ts";
import { isExecutable, programsOnPath, run, type Surroundings } from "./child.ts";
import { interpreterOf } from "./elf.ts";

type Acceptance =
  | { readonly ok: true; readonly version: string }
  | { readonly ok: false; readonly why: string };

/** What a recipe tells us that it needs; nothing here knows which program it is. */
export type ToolSpec = {
  /** The tool's name in progress lines and in the cache: "mysql". */
  readonly name: string;
  /** The cache key, not a demand: "9.7". What may be used is for `accept` to say. */
  readonly version: string;
  /** The variable that overrides the main binary's path: "AUTOPILOT_MYSQLD". */
  readonly env: string;
  /** The main binary, as looked up on PATH: "mysqld". */
  readonly binary: string;
  /** Arguments that make the main binary print its version and end. */
  readonly versionArgs: readonly string[];
  /** Reads what the main binary printed: its version if acceptable, or the reason why it is not. */
  readonly accept: (output: string) => Acceptance;
  /** Null: no Debian archive has it, so that it is found or not. */
  readonly apt: AptPackages | null;
  /** What a person can do instead: "apt install mysql-server, or set AUTOPILOT_MYSQLD". */
  readonly install: string;
};

type AptPackages = {
  /** The Debian suite that carries it: "sid". */
  readonly suite: string;
  readonly packages: readonly string[];
  /** The main binary inside the unpacked packages: "usr/sbin/mysqld". */
  readonly main: string;
  /** The packages run on any machine's own libraries: fetch them without what they depend on. */
  readonly alone?: boolean;
  /** Directories of its own below the libraries' one, which its programs find by an absolute path: "ceph". */
  readonly libraries?: readonly string[];
};

/** One that can be fetched. */
export type FetchableSpec = ToolSpec & { readonly apt: AptPackages };

export type Tool = {
  readonly version: string;
  readonly origin: "env" | "path" | "cache" | "fetched";
  /** The private directory that holds the whole tool, or null for one that the machine has installed. */
  readonly prefix: string | null;
  /**
   * The start of an argv that runs any program of the tool: its path, or in a private prefix that prefix's loader,
   * `--library-path`, the directories, and then its path. Throws AP_TOOL_MISSING when the tool has no such program.
   */
  command(program: string): readonly string[];
};

/** A binary that was tried: the tool, or the reason why it is not taken. */
export type Tried =
  | { readonly tool: Tool; readonly why?: never }
  | { readonly tool: null; readonly why: string };

// A version print takes 20 ms; a machine that starts a dozen servers at once may take seconds.
const VERSION_LIMIT_MS = 30_000;

/** Tries an installed main binary. Its siblings are looked for beside it (through links too), then on PATH. */
export async function tryInstalled(
  spec: ToolSpec,
  origin: "env" | "path",
  main: string,
  around: Surroundings,
): Promise<Tried> {
  const found = await askVersion(spec, [main], around);
  if (!found.ok) return { tool: null, why: `${main}: ${found.why}` };
  const command = (program: string): readonly string[] => {
    if (program === spec.binary) return [main];
    const beside = [dirname(main), dirname(realpathSync(main))].map((dir) => join(dir, program));
    const path = [...beside.filter(isExecutable), ...programsOnPath(program, around.env)][0];
    return [path ?? missingProgram(spec, program, `beside ${main}, or on PATH`)];
  };
  return { tool: { version: found.version, origin, prefix: null, command } };
}

/** Tries a private prefix: a directory into which the tool's packages were unpacked. */
export async function tryPrefix(
  spec: FetchableSpec,
  origin: "cache" | "fetched",
  prefix: string,
  around: Surroundings,
): Promise<Tried> {
  const main = join(prefix, spec.apt.main);
  if (!isExecutable(main)) return { tool: null, why: `${main} is not there` };
  const found = await askVersion(spec, launch(spec, prefix, main), around);
  if (!found.ok) return { tool: null, why: `${main}: ${found.why}` };
  const command = (program: string): readonly string[] => {
    if (program === spec.binary) return launch(spec, prefix, main);
    const dirs = ["usr/sbin", "usr/bin", "sbin", "bin"].map((dir) => join(prefix, dir, program));
    const path = dirs.find(isExecutable) ?? missingProgram(spec, program, `in ${prefix}`);
    return launch(spec, prefix, path);
  };
  return { tool: { version: found.version, origin, prefix, command } };
}

async function askVersion(
  spec: ToolSpec,
  argv: readonly string[],
  around: Surroundings,
): Promise<Acceptance> {
  const limits = { timeoutMs: VERSION_LIMIT_MS };
  const printed = await run([...argv, ...spec.versionArgs], around, limits);
  if (printed.ok) return spec.accept(printed.output);
  const said = printed.output.trim().split("\n").at(-1) ?? "";
  const why = `${spec.versionArgs.join(" ")} ended with ${printed.why}`;
  return { ok: false, why: said === "" ? why : `${why}: ${said}` };
}

/**
 * Programs of a prefix need the C library they were built for, and that needs its own loader. A prefix without that
 * loader (packages fetched alone), a static program and a script are left to the machine's.
 */
function launch(spec: FetchableSpec, prefix: string, program: string): readonly string[] {
  const interpreter = interpreterOf(program);
  if (interpreter === null) return [program];
  const libraries = libraryDirs(prefix);
  const loaders = libraries.map((dir) => join(dir, basename(interpreter)));
  const loader = loaders.find((path) => existsSync(path));
  if (loader === undefined) return [program];
  const own = libraries.flatMap((dir) => (spec.apt.libraries ?? []).map((name) => join(dir, name)));
  return [loader, "--library-path", [...libraries, ...own].join(":"), program];
}

/** Debian's multiarch directories (lib/x86_64-linux-gnu, lib/aarch64-linux-gnu) below usr and, before usr-merge, below /. */
function libraryDirs(prefix: string): readonly string[] {
  return ["usr/lib", "lib"].flatMap((lib) => {
    const dir = join(prefix, lib);
    if (!existsSync(dir)) return [];
    return readdirSync(dir)
      .filter((name) => name.includes("-linux-gnu"))
      .map((name) => join(dir, name));
  });
}

function missingProgram(spec: ToolSpec, program: string, where: string): never {
  const why = `${spec.name} ${spec.version}: no program ${program} ${where}`;
  throw new UnavailableError("AP_TOOL_MISSING", why, { hint: spec.install });
}
