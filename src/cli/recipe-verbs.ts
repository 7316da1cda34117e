// The recipe's verbs as commands: their syntax is the recipe's, what they are called with is found here.
import type { Command } from "commander";
import { DEFAULT_RECIPE, loadRecipe, type AnyRecipe } from "../config/load-recipe.ts";
import type { LabCall, LabVerb, StoreVerb, VerbCall } from "../recipe.ts";
import { SILENT } from "../log.ts";
import { readCluster } from "../local/cluster-file.ts";
import { realClock } from "../runtime/clock.ts";
import { connectStore } from "../store.ts";
import { findCluster } from "./find-cluster.ts";
import type { Globals } from "./program.ts";

/** Adds the verbs of the local cluster's recipe, or of the default one; our own words win. */
export async function addRecipeVerbs(
  program: Command,
  argv: readonly string[],
  done: (code: number) => void,
): Promise<void> {
  const at = argv.indexOf("--dir");
  const dir = at < 0 ? undefined : argv[at + 1];
  const recipe = await loadRecipe(readCluster(dir ?? ".autopilot")?.recipe ?? DEFAULT_RECIPE);
  const taken = new Set(program.commands.map((command) => command.name()));
  for (const verb of recipe.verbs) {
    if (taken.has(verb.name)) continue;
    const command = program.command(verb.name).description(verb.summary).exitOverride();
    for (const [syntax, help] of Object.entries(verb.args ?? {})) command.argument(syntax, help);
    for (const [flags, help] of Object.entries(verb.options)) command.option(flags, help);
    command.action(async () => {
      const args = command.processedArgs.flat().filter((arg) => typeof arg === "string");
      if ("run" in verb) return done(await callVerb((call) => verb.run(call), command, args));
      if ("runAnywhere" in verb) return done(await callAnywhere(verb, command, args));
      done(await callInLab(verb, { command, args, recipe }));
    });
  }
}

async function callVerb(
  use: (call: VerbCall) => Promise<number>,
  command: Command,
  args: readonly string[],
): Promise<number> {
  const globals: Globals = command.optsWithGlobals();
  const found = await findCluster(globals, process.env);
  const consul = await connectStore(found.store);
  try {
    return await use({
      ...anyCall(command, args),
      cluster: found.name,
      kv: consul.kv,
      directory: consul.directory,
      leaser: consul.leaser,
      dir: found.local?.dir ?? null,
    });
  } finally {
    consul.close();
  }
}

async function callAnywhere(
  verb: StoreVerb,
  command: Command,
  args: readonly string[],
): Promise<number> {
  return verb.runAnywhere({
    ...anyCall(command, args),
    named: command.optsWithGlobals<Globals>().cluster ?? null,
    env: process.env,
    inCluster: (use) => callVerb(use, command, args),
  });
}

async function callInLab(
  verb: LabVerb,
  typed: {
    readonly command: Command;
    readonly args: readonly string[];
    readonly recipe: AnyRecipe;
  },
): Promise<number> {
  const { command, args, recipe } = typed;
  const { makeLab } = await import("../local/lab.ts");
  const call = anyCall(command, args);
  const log = { ...SILENT, warn: call.progress, error: call.progress };
  return await verb.runInLab({
    ...call,
    lab: makeLab({ log, recipe }),
  });
}

/** What every verb is called with. */
function anyCall(command: Command, args: readonly string[]): Omit<LabCall, "lab"> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  const json = command.optsWithGlobals<Globals>().json === true;
  return {
    clock: realClock,
    options: command.opts(),
    args,
    json,
    print: (text) => process.stdout.write(`${text}\n`),
    progress: (text) => json || process.stderr.write(`${text}\n`),
    signal: interrupted.signal,
  };
}
