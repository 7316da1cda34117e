// Runs one command line to its exit code, and prints what went wrong. `run` goes a short way of its own: an agent must
// not carry the command-line library, nor any other verb, for months.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { CLI } from "../cli-path.ts";
import { UsageError, messageOf } from "../errors.ts";
import { printError } from "./print-error.ts";

/** Never throws. */
export async function main(argv: readonly string[]): Promise<number> {
  process.stdout.on("error", readerGone);
  try {
    if (argv[0] === "run" && !argv.includes("--help") && !argv.includes("-h"))
      return await runAgent(argv.slice(1));
    const { runCommandLine } = await import("./program.ts");
    return await runCommandLine(argv);
  } catch (error) {
    return printError(error, { json: argv.includes("--json") });
  }
}

/**
 * Whoever read our output is gone (`| head`, a closed terminal): a verb ends; what runs something stops it well, as
 * after SIGTERM, and goes on writing into nothing.
 */
function readerGone(): void {
  if (process.listenerCount("SIGTERM") === 0) process.exit(0);
  process.emit("SIGTERM", "SIGTERM");
}

async function runAgent(args: readonly string[]): Promise<number> {
  const { file, json } = parseRun(args);
  if (!namesRecipe(file)) return runRunnerFile(file, args);
  const { runNode } = await import("../run.ts");
  return runNode({ file, json });
}

/** One of ContainerPilot's files: whether a recipe is named is all that is asked here; checking it takes libraries. */
function namesRecipe(file: string): boolean {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return true; // told by whoever reads it next
  }
  const bare = text.replaceAll(/\/\*[\s\S]*?\*\/|(?<![:"'])\/\/[^\n]*/g, "");
  return /(?:^|[\s{,])["']?recipe["']?\s*:/.test(bare);
}

async function runRunnerFile(file: string, args: readonly string[]): Promise<number> {
  const { runHere } = await import("../runner/here.ts");
  const request = { given: file, name: file, command: [], isContainerbuddy: false };
  return runHere(request, { entry: CLI, argv: ["run", ...args], env: process.env });
}

function parseRun(args: readonly string[]): { readonly file: string; readonly json: boolean } {
  const options = {
    config: { type: "string", short: "c" },
    json: { type: "boolean", default: false },
  } as const;
  try {
    const { values } = parseArgs({ args: [...args], options, allowPositionals: false });
    if (values.config !== undefined) return { file: values.config, json: values.json };
  } catch (error) {
    throw new UsageError("AP_USAGE", messageOf(error), { cause: error });
  }
  throw new UsageError("AP_USAGE", "run: no configuration; give -c FILE");
}
