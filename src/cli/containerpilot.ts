// `containerpilot [flags] [command…]`: exit 0 for done, 1 for an error, 2 for wrong flags, as the original; a runner ends
// with the code of its jobs. What a runner does not need is loaded only by the verb that needs it.
import { ConfigError, messageOf } from "../errors.ts";
import type { ResolveRequest } from "../runner/resolve.ts";
import { VERSION } from "../version.ts";
import { HELP, parseFlags, type Flags, type Verb } from "./containerpilot-flags.ts";
import { printError } from "./print-error.ts";

const FAILED = 1;
const WRONG_FLAGS = 2;

/** `entry`: the file that this program was started by. Never throws. */
export async function main(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  entry: string,
): Promise<number> {
  let flags: Flags;
  try {
    flags = parseFlags(argv);
  } catch (error) {
    printError(error, { json: false, program: "containerpilot" });
    return WRONG_FLAGS;
  }
  try {
    return await act(flags, { argv, env, entry });
  } catch (error) {
    const code = printError(error, { json: false, program: "containerpilot" });
    return code === OUR_BUG ? code : FAILED;
  }
}

const OUR_BUG = 70;

type Call = {
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly entry: string;
};

/** In the original's order of precedence. */
async function act(flags: Flags, { argv, env, entry }: Call): Promise<number> {
  const print = (text: string): number => {
    // Whoever read our output has enough (`| head`).
    process.stdout.on("error", () => process.exit(0));
    process.stdout.write(text);
    return 0;
  };
  if (flags.help) return print(HELP);
  if (flags.version) return print(`Version: ${VERSION}\nGitHash: not recorded\n`);
  const request = requestOf(flags, env);
  if (flags.template) return writeTemplate(request, flags.out, env, print);
  const [verb] = flags.verbs;
  if (verb !== undefined) return ask(verb, { flags, request, env, print });
  const { runHere } = await import("../runner/here.ts");
  return runHere(request, { entry, argv, env });
}

/** The flag, else ContainerPilot's variable, else Containerbuddy's. */
function requestOf({ config, command }: Flags, env: NodeJS.ProcessEnv): ResolveRequest {
  const containerpilot = env["CONTAINERPILOT"];
  const containerbuddy = env["CONTAINERBUDDY"];
  const request = { command, isContainerbuddy: false };
  if (config) return { ...request, given: config, name: "-config" };
  if (containerpilot) return { ...request, given: containerpilot, name: "CONTAINERPILOT" };
  if (containerbuddy)
    return { command, given: containerbuddy, name: "CONTAINERBUDDY", isContainerbuddy: true };
  throw new ConfigError("AP_CONFIG_UNREADABLE", "-config flag is required", {
    hint: "give -config FILE, or the path in CONTAINERPILOT",
  });
}

type Print = (text: string) => number;

async function writeTemplate(
  { given, name }: ResolveRequest,
  out: string,
  env: NodeJS.ProcessEnv,
  print: Print,
): Promise<number> {
  const { readSource } = await import("../config/containerpilot/read.ts");
  const { renderEnvironment } = await import("../render/render-environment.ts");
  const source = readSource(given, name);
  const text = renderEnvironment(source.text, env, source.name);
  if (out === "-" || out === "") return print(text);
  const { writeFileSync } = await import("node:fs");
  try {
    writeFileSync(out, text, { mode: 0o644 });
  } catch (error) {
    throw new ConfigError("AP_CONFIG_UNREADABLE", `-out: ${messageOf(error)}`, { cause: error });
  }
  return 0;
}

type Asked = {
  readonly flags: Flags;
  readonly request: ResolveRequest;
  readonly env: NodeJS.ProcessEnv;
  readonly print: Print;
};

/** Asks the runner of this configuration, which says where its socket is. */
async function ask(verb: Verb, { flags, request, env, print }: Asked): Promise<number> {
  const { answer } = await import("../runner/resolve-answer.ts");
  const told = answer(request, env);
  if ("error" in told)
    throw new ConfigError(told.error.code, told.error.why, {
      hint: told.error.hint,
      problems: told.error.problems,
    });
  const { control } = told.config;
  if (control === null)
    throw new ConfigError("AP_CONFIG_INVALID", "control.socket is empty: nobody can be asked", {
      hint: "name a socket in the configuration, or use signals",
    });
  const { askRunner } = await import("../runner/control-client.ts");
  const { maintenance, pairs } = flags;
  switch (verb) {
    case "reload":
      await askRunner(control.socket, "/v3/reload");
      return 0;
    case "maintenance":
      await askRunner(control.socket, `/v3/maintenance/${maintenance ? "enable" : "disable"}`);
      return 0;
    case "putenv":
      await askRunner(control.socket, "/v3/environ", pairs.putenv);
      return 0;
    case "putmetric":
      await askRunner(control.socket, "/v3/metric", pairs.putmetric);
      return 0;
    case "ping":
      return print(await askRunner(control.socket, "/v3/ping"));
  }
}
