// `autopilot up`: picks how to show things, listens for the wish to stop, and hands over to src/local/up.ts.
import { up } from "../local/up.ts";
import type { UpOptions } from "../local/plan.ts";
import { showTable } from "../local/show-table.ts";
import { showJson, showLines, type Show } from "../local/show.ts";
import { SILENT, type Log } from "../log.ts";
import type { Globals } from "./program.ts";

type Options = Globals & Omit<UpOptions, "dir">;

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export async function runUp(options: Options): Promise<number> {
  using show = pickShow(options.json === true);
  const stop = new AbortController();
  const hurry = new AbortController();
  const onSignal = (): void => {
    if (stop.signal.aborted) hurry.abort();
    else stop.abort();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  const { json: _, ...rest } = options;
  const asked = { ...rest, dir: options.dir ?? ".autopilot" };
  const log = logInto(show);
  return await up(asked, { env: process.env, show, log, stop, hurry: hurry.signal });
}

function pickShow(json: boolean): Show {
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  if (json) return showJson(print);
  if (!process.stdout.isTTY) return showLines(print);
  return showTable({
    write: (text) => void process.stdout.write(text),
    columns: () => process.stdout.columns || 80,
  });
}

/** What the framework has to say to people goes where all the rest goes. */
function logInto(show: Show): Log {
  const say = (msg: string): void => show.progress(msg);
  return { ...SILENT, error: say, warn: say, info: say };
}
