// What a stand-in was called with, written down for the test; and the fault that the test wishes for. Both lie in the
// directory that STAND_IN names: the wrapper sets it, since the engine hands on no variable of ours.
import { appendFileSync, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export type Recorded = {
  readonly program: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Mode and text of the --defaults-file, if one is given. */
  readonly defaults: { readonly mode: string; readonly text: string } | null;
};

const place = process.env["STAND_IN"] ?? "";

export function record(program: string): void {
  const argv = process.argv.slice(2);
  const file = /^--defaults-file=(.*)$/.exec(argv[0] ?? "")?.[1];
  const defaults =
    file === undefined
      ? null
      : { mode: (statSync(file).mode & 0o777).toString(8), text: readFileSync(file, "utf8") };
  const recorded: Recorded = { program, argv, env: process.env, defaults };
  appendFileSync(join(place, "runs.jsonl"), `${JSON.stringify(recorded)}\n`);
}

/** Empty: none. */
export function fault(): string {
  const path = join(place, "fault");
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/** "0123": the stand-in's own version, "9.7.1-1". */
export function ownVersion(): string {
  return readFileSync(join(place, "version"), "utf8").trim();
}

/** As the real one logs. */
export function say(level: "Note" | "Warning" | "ERROR", text: string): void {
  process.stderr.write(
    `2026-11-20T15:00:00.000000-00:00 0 [${level}] [MY-011825] [Xtrabackup] ${text}\n`,
  );
}

export function die(code: number, text: string): never {
  say("ERROR", text);
  process.exit(code);
}

/** Values of options by name. Exits 255 as the real one does for what it does not know, and for a password. */
export function parseOptions(known: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [at, arg] of process.argv.slice(2).entries()) {
    const [, name = "", value = ""] = /^--([\w-]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (/^--(?:no-defaults|defaults-file=)/.test(arg) && at > 0)
      die(255, `Error: ${arg} must be specified first on the command line`);
    if (/^(?:-p|--password)/.test(arg))
      die(255, "the stand-in was given a password in its arguments");
    if (!known.includes(name)) die(255, `unknown option '${arg}'`);
    found.set(name, value);
  }
  return found;
}
