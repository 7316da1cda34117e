// The command line's grammar. Each verb's work is in a file of its own, loaded when it is called; the recipe's verbs are
// added when the word is none of ours, or when help is asked for.
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { closest } from "../core/edit-distance.ts";
import { UsageError } from "../errors.ts";
import { VERSION } from "../version.ts";

/** The options that every verb has. */
export type Globals = {
  readonly dir?: string;
  readonly consul?: string;
  readonly cluster?: string;
  readonly json?: boolean;
};

/** Runs the verb that `argv` names. Errors: UsageError, and what the verb throws. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  let code = 0;
  const program = grammar((result) => {
    code = result;
  });
  const own = program.commands.map((command) => command.name());
  const word = verbIn(argv);
  if (word === null || word === "help" || !own.includes(word)) {
    const { addRecipeVerbs } = await import("./recipe-verbs.ts");
    await addRecipeVerbs(program, argv, (result) => {
      code = result;
    });
  }
  const all = program.commands.map((command) => command.name());
  if (word !== null && word !== "help" && !all.includes(word)) throw unknownVerb(word, all);
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version end the parsing by an error too.
    if (error.exitCode === 0) return 0;
    if (error.code !== "commander.help") throw new UsageError("AP_USAGE", oneLine(error.message));
    throw new UsageError("AP_USAGE", word === null ? "no verb" : `${word}: which one?`);
  }
  return code;
}

function grammar(done: (code: number) => void): Command {
  const program = new Command("autopilot")
    .description("Applications on autopilot: MySQL replication that fails over by itself.")
    .option("--dir <dir>", "directory of a local cluster (default: .autopilot)")
    .option(
      "--consul <url>",
      "Consul to find the cluster in (default: CONSUL_HTTP_ADDR), or etcd://HOST:PORT,…",
    )
    .option("--cluster <name>", "name of the cluster in Consul")
    .option("--json", "JSON for programs instead of text for people")
    .version(VERSION)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  addLocalVerbs(program, done);
  addNodeVerbs(program, done);
  addOtherVerbs(program, done);
  return program;
}

function addLocalVerbs(program: Command, done: (code: number) => void): void {
  program
    .command("run")
    .description("run one node: the entry point of a container")
    .requiredOption("-c, --config <file>", "configuration of the node (JSON5)")
    .action(() => {}); // main.ts runs it without coming here; this is its help
  program
    .command("up")
    .description("run a whole cluster on this machine")
    .option("--nodes <n>", "how many nodes (default: 3)", integer)
    .option(
      "--base-port <port>",
      "first port: node i has base+10*i and the next (default: 3307)",
      integer,
    )
    .option(
      "--dns-port <port>",
      "the embedded Consul's DNS (default: base+8, or any free one)",
      integer,
    )
    .option("--recipe <name>", "what to run (default: mysql)")
    .option("--objects <store>", "object store for backups, or none (default: DIR/objects)")
    .option("--restore-from <store>", "a new cluster whose data comes from this object store")
    .action(async (_, command: Command) => {
      const { runUp } = await import("./up.ts");
      done(await runUp(command.optsWithGlobals()));
    });
  program
    .command("secrets <dir>")
    .description("make what the nodes of a cluster share (passwords) below <dir>/secrets, once")
    .option("--recipe <name>", "whose (default: mysql)")
    .action(async (dir: string, options: { recipe?: string }) => {
      const { makeSecrets } = await import("./secrets.ts");
      done(await makeSecrets(dir, options));
    });
  program
    .command("stop")
    .description("stop the whole cluster in order")
    .action(async (_, command: Command) => {
      const { stopCluster } = await import("./stop.ts");
      done(await stopCluster(command.optsWithGlobals()));
    });
  program
    .command("dev-agent", { hidden: true })
    .requiredOption("--port <port>", "port on loopback", integer)
    .requiredOption("--file <file>", "where the keys are kept")
    .option("--dns-port <port>", "answer DNS there", integer)
    .action(async (options: { port: number; file: string; dnsPort?: number }) => {
      const { runDevAgent } = await import("./dev-agent.ts");
      done(await runDevAgent(options));
    });
}

function addNodeVerbs(program: Command, done: (code: number) => void): void {
  const node = program.command("node").description("nodes of the local cluster").exitOverride();
  const summaries = {
    stop: "stop a node in good order",
    start: "start a node that does not run",
  } as const;
  for (const [verb, summary] of Object.entries(summaries)) {
    node
      .command(`${verb} <name>`)
      .description(summary)
      .action(async (name: string, _, command: Command) => {
        const { nodeVerb } = await import("./node.ts");
        done(await nodeVerb(verb as keyof typeof summaries, name, command.optsWithGlobals()));
      });
  }
  node
    .command("add [name]")
    .description("add a node, which provisions itself")
    .action(async (name: string | undefined, _, command: Command) => {
      const { nodeVerb } = await import("./node.ts");
      done(await nodeVerb("add", name ?? "", command.optsWithGlobals()));
    });
  node
    .command("kill <name>")
    .description("send a signal to a node's agent and its server")
    .option("--signal <signal>", "which", "KILL")
    .option("--only <who>", "agent, or the server's name")
    .action(async (name: string, _, command: Command) => {
      const { killNode } = await import("./node-kill.ts");
      done(await killNode(name, command.optsWithGlobals()));
    });
}

function addOtherVerbs(program: Command, done: (code: number) => void): void {
  program
    .command("events")
    .description("what happened on the nodes of the local cluster")
    .option("--follow", "and what happens from now on")
    .action(async (_, command: Command) => {
      const { showEvents } = await import("./events.ts");
      done(await showEvents(command.optsWithGlobals()));
    });
  const config = program.command("config").description("configuration files").exitOverride();
  config.command("resolve <file>", { hidden: true }).action(async (file: string) => {
    const { resolveConfig } = await import("./config-check.ts");
    done(await resolveConfig(file));
  });
  config
    .command("check <file> [command...]")
    .description(
      "all problems at once, or every value with its origin; also ContainerPilot's files",
    )
    .option("--as-v3", "ContainerPilot's version 1 or 2 translated to version 3")
    .action(async (file: string, words: string[], _, command: Command) => {
      const { checkConfig } = await import("./config-check.ts");
      done(await checkConfig(file, words, command.optsWithGlobals()));
    });
  const objects = program.command("objects").description("object stores").exitOverride();
  objects
    .command("check <store>")
    .description("what a store (s3://bucket/prefix?…, or a directory) can do for backups")
    .action(async (store: string, _, command: Command) => {
      const { checkObjects } = await import("./objects-check.ts");
      done(await checkObjects(store, command.optsWithGlobals()));
    });
  addRender(program, done);
  program
    .command("explain [code]")
    .description("what an error code means; without a code, all of them")
    .action(async (code: string | undefined, _, command: Command) => {
      const { explain } = await import("./explain.ts");
      done(explain(code, command.optsWithGlobals()));
    });
  program
    .command("tools")
    .description("find (or fetch) the programs that the recipe needs")
    .option("--recipe <name>", "whose")
    .action(async (_, command: Command) => {
      const { showTools } = await import("./tools.ts");
      done(await showTools(command.optsWithGlobals()));
    });
}

function addRender(program: Command, done: (code: number) => void): void {
  program
    .command("render <target...>")
    .description("write files from templates and the catalogue; TARGET is TEMPLATE:OUT[:COMMAND]")
    .option("--once", "until every file is written, then end")
    .option("--wait <min[:max]>", "quiet time before files are written again", "100ms")
    .option("--dry", "show on stdout, write and run nothing; implies --once")
    .option("--timeout <duration>", "how long a command may take", "30s")
    .option("--limit <duration>", "how long --once waits for answers", "60s")
    .action(async (targets: string[], _, command: Command) => {
      const { runRender } = await import("./render.ts");
      done(await runRender(targets, command.optsWithGlobals()));
    });
}

const WITH_VALUE = ["--dir", "--consul", "--cluster"];

/** The first word of `argv` that is neither an option nor the value of one of ours; null: none. */
export function verbIn(argv: readonly string[]): string | null {
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? "";
    if (WITH_VALUE.includes(word)) i += 1;
    else if (!word.startsWith("-")) return word;
  }
  return null;
}

function integer(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("expected a whole number");
  return Number(text);
}

function unknownVerb(word: string, all: readonly string[]): UsageError {
  const meant = closest(word, all);
  const hint = meant === null ? {} : { hint: `did you mean \`autopilot ${meant}\`?` };
  return new UsageError("AP_USAGE", `there is no verb ${JSON.stringify(word)}`, hint);
}

function oneLine(message: string): string {
  return message.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " ");
}
