// `containerpilot [flags] [command…]`: exit 0 for done, 1 for an error, 2 for wrong flags, as the original. What is not
// built yet says so and fails: nothing is pretended.
import { writeFileSync } from "node:fs";
import { loadRunner } from "../config/containerpilot/load.ts";
import { readSource, type Source } from "../config/containerpilot/read.ts";
import { withoutSecrets } from "../config/containerpilot/values.ts";
import { ConfigError, UsageError, messageOf } from "../errors.ts";
import { renderEnvironment } from "../render/render-environment.ts";
import { HELP, parseFlags, type Flags } from "./containerpilot-flags.ts";
import { printError } from "./print-error.ts";
import { VERSION } from "../version.ts";

const FAILED = 1;
const WRONG_FLAGS = 2;

/** Never throws. */
export function main(argv: readonly string[], env: NodeJS.ProcessEnv): number {
  // Whoever read our output has enough (`| head`).
  process.stdout.on("error", () => process.exit(0));
  let flags: Flags;
  try {
    flags = parseFlags(argv);
  } catch (error) {
    printError(error, { json: false, program: "containerpilot" });
    return WRONG_FLAGS;
  }
  try {
    act(flags, env);
    return 0;
  } catch (error) {
    printError(error, { json: false, program: "containerpilot" });
    return FAILED;
  }
}

/** In the original's order of precedence. */
function act(flags: Flags, env: NodeJS.ProcessEnv): void {
  if (flags.help) return void process.stdout.write(HELP);
  if (flags.version)
    return void process.stdout.write(`Version: ${VERSION}\nGitHash: not recorded\n`);
  const { source, isContainerbuddy } = sourceOf(flags, env);
  if (flags.template) return writeTemplate(source, flags.out, env);
  const [verb] = flags.verbs;
  if (verb !== undefined)
    throw new UsageError("AP_NOT_BUILT", `-${verb}: there is no control socket yet to ask`);
  const { command } = flags;
  const { config, warnings } = loadRunner(source, { env, command, isContainerbuddy });
  for (const line of warnings)
    process.stderr.write(`containerpilot: warning: ${withoutSecrets(line, env)}\n`);
  throw new UsageError(
    "AP_NOT_BUILT",
    `${source.name} is good (jobs: ${config.jobs.length}), but running it is not built yet`,
  );
}

/** The flag, else ContainerPilot's variable, else Containerbuddy's. */
function sourceOf(
  { config }: Flags,
  env: NodeJS.ProcessEnv,
): { readonly source: Source; readonly isContainerbuddy: boolean } {
  const containerpilot = env["CONTAINERPILOT"];
  const containerbuddy = env["CONTAINERBUDDY"];
  if (config) return { source: readSource(config, "-config"), isContainerbuddy: false };
  if (containerpilot)
    return { source: readSource(containerpilot, "CONTAINERPILOT"), isContainerbuddy: false };
  if (containerbuddy)
    return { source: readSource(containerbuddy, "CONTAINERBUDDY"), isContainerbuddy: true };
  throw new ConfigError("AP_CONFIG_UNREADABLE", "-config flag is required", {
    hint: "give -config FILE, or the path in CONTAINERPILOT",
  });
}

function writeTemplate(source: Source, out: string, env: NodeJS.ProcessEnv): void {
  const text = renderEnvironment(source.text, env, source.name);
  if (out === "-" || out === "") return void process.stdout.write(text);
  try {
    writeFileSync(out, text, { mode: 0o644 });
  } catch (error) {
    throw new ConfigError("AP_CONFIG_UNREADABLE", `-out: ${messageOf(error)}`, { cause: error });
  }
}
