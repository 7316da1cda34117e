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
  /** Of -maintenance: enable; any other word is disable, as it always was. */
  readonly maintenance: boolean;
  /** Of -putenv and -putmetric, which may be repeated. */
  readonly pairs: Readonly<Record<"putenv" | "putmetric", Readonly<Record<string, string>>>>;
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

Without any of these the configuration is run. Asked of one that runs, over its control socket:
  -reload                       read the configuration again; a broken one changes nothing
  -maintenance enable|disable   out of the catalogue, and back
  -putenv NAME=VALUE            set a variable for jobs that start from now on; may be repeated
  -putmetric NAME=VALUE         record a metric; may be repeated
  -ping                         whether it answers

\`autopilot config check FILE\` checks a configuration and shows every value.
`;

/** Errors: UsageError AP_USAGE. */
export function parseFlags(argv: readonly string[]): Flags {
  const given = new Map<string, string>();
  const pairs = { putenv: {}, putmetric: {} };
  const set = (name: (typeof WITH_VALUE)[number], value: string): void => {
    given.set(name, value);
    if (name === "putenv" || name === "putmetric") Object.assign(pairs[name], pairOf(name, value));
  };
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
    else if (value !== undefined) set(name, value);
    else {
      at += 1;
      const next = argv[at];
      if (next === undefined) throw new UsageError("AP_USAGE", `flag needs an argument: -${name}`);
      set(name, next);
    }
  }
  const on = (name: string): boolean => given.get(name) === "true";
  return {
    help: on("help") || on("h"),
    version: on("version"),
    template: on("template"),
    config: given.get("config") ?? "",
    out: given.get("out") ?? "-",
    maintenance: given.get("maintenance")?.toLowerCase() === "enable",
    pairs,
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
function pairOf(name: string, pair: string): Readonly<Record<string, string>> {
  const at = pair.indexOf("=");
  if (at < 1) throw new UsageError("AP_USAGE", `-${name} wants KEY=VALUE`);
  return { [pair.slice(0, at)]: pair.slice(at + 1) };
}

function unknown(name: string): UsageError {
  const meant = closest(name, [...SWITCHES, ...WITH_VALUE]);
  const hint = meant === null ? "see containerpilot -help" : `did you mean -${meant}?`;
  return new UsageError("AP_USAGE", `flag provided but not defined: -${name}`, { hint });
}
