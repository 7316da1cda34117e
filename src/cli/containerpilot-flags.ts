// ContainerPilot's flags, in the syntax of Go's flag package: -name, --name, -name=value, -name value; the first word that
// is no flag ends them, and so does --.
import { closest } from "../core/edit-distance.ts";
import { UsageError } from "../errors.ts";

export type Verb = "reload" | "maintenance" | "putenv" | "putmetric" | "ping";

export type Flags = {
  readonly help: boolean;
  readonly version: boolean;
  readonly template: boolean;
  readonly config: string;
  readonly out: string;
  /** What is asked of a running one, in the order of precedence. */
  readonly verbs: readonly Verb[];
  /** What comes after the flags: the main command of a v2 file. */
  readonly command: readonly string[];
};

const SWITCHES = ["help", "h", "version", "template", "reload", "ping"] as const;
const WITH_VALUE = ["config", "out", "maintenance", "putenv", "putmetric"] as const;
const VERBS: readonly Verb[] = ["reload", "maintenance", "putenv", "putmetric", "ping"];

export const HELP = `Usage: containerpilot [flags] [command …]

  -config FILE     the configuration: a path, file://PATH, or JSON (default: CONTAINERPILOT, then CONTAINERBUDDY)
  -template        only render the configuration's template
  -out FILE        where -template writes to; - is stdout (default: -)
  -version         the version
  -help            this text

Not built yet: running the jobs, -reload, -maintenance, -putenv, -putmetric, -ping.
\`autopilot config check FILE\` checks a configuration and shows every value.
`;

/** Errors: UsageError AP_USAGE. */
export function parseFlags(argv: readonly string[]): Flags {
  const given = new Map<string, string>();
  let at = 0;
  for (; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (word === "--") {
      at += 1;
      break;
    }
    const [, name, value] = /^--?([^-=][^=]*)(?:=([\s\S]*))?$/.exec(word) ?? [];
    if (name === undefined) {
      if (word.startsWith("-") && word !== "-")
        throw new UsageError("AP_USAGE", `bad flag syntax: ${word}`);
      break;
    }
    if (isOneOf(SWITCHES, name)) given.set(name, switchValue(name, value));
    else if (!isOneOf(WITH_VALUE, name)) throw unknown(name);
    else if (value !== undefined) given.set(name, checked(name, value));
    else {
      at += 1;
      const next = argv[at];
      if (next === undefined) throw new UsageError("AP_USAGE", `flag needs an argument: -${name}`);
      given.set(name, checked(name, next));
    }
  }
  const on = (name: string): boolean => given.get(name) === "true";
  return {
    help: on("help") || on("h"),
    version: on("version"),
    template: on("template"),
    config: given.get("config") ?? "",
    out: given.get("out") ?? "-",
    verbs: VERBS.filter((verb) => (isOneOf(SWITCHES, verb) ? on(verb) : given.has(verb))),
    command: argv.slice(at),
  };
}

function isOneOf<T extends string>(all: readonly T[], name: string): name is T {
  return (all as readonly string[]).includes(name);
}

/** Go's strconv.ParseBool. */
function switchValue(name: string, value: string | undefined): string {
  if (value === undefined || /^(1|t|T|true|TRUE|True)$/.test(value)) return "true";
  if (/^(0|f|F|false|FALSE|False)$/.test(value)) return "false";
  throw new UsageError("AP_USAGE", `invalid boolean value ${JSON.stringify(value)} for -${name}`);
}

/** The value of a pair is not repeated: it may be a secret. */
function checked(name: string, value: string): string {
  if ((name === "putenv" || name === "putmetric") && !value.includes("="))
    throw new UsageError("AP_USAGE", `-${name} wants KEY=VALUE`);
  return value;
}

function unknown(name: string): UsageError {
  const meant = closest(name, [...SWITCHES, ...WITH_VALUE]);
  const hint = meant === null ? "see containerpilot -help" : `did you mean -${meant}?`;
  return new UsageError("AP_USAGE", `flag provided but not defined: -${name}`, { hint });
}
