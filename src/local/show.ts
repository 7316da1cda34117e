// What `up` shows: the interface, and the two ways for programs and pipes. The way for a terminal is in show-table.ts.
import { messageOf, type AutopilotError } from "../errors.ts";
import type { BusEvent } from "../runtime/bus.ts";

export type NodeRow = {
  readonly name: string;
  readonly address: string;
  readonly pid: number | null;
  readonly role: string;
  readonly says: string;
};

export type ReadyFacts = {
  readonly dir: string;
  readonly consul: string;
  /** Keys name, host, port, pid, <server>Pid, controlSocket. */
  readonly nodes: readonly Readonly<Record<string, unknown>>[];
};

export type Show = Disposable & {
  /** A step on the way, or something that happened to `up` itself. */
  progress(line: string): void;
  warn(error: AutopilotError): void;
  event(node: string, event: Pick<BusEvent, "at" | "type" | "what" | "facts">): void;
  /** The table changed. */
  nodes(rows: readonly NodeRow[]): void;
  ready(facts: ReadyFacts, hints: readonly string[]): void;
  stopped(): void;
};

type Print = (line: string) => void;

/** One JSON object per line. */
export function showJson(print: Print): Show {
  const line = (event: string, facts: object): void => print(JSON.stringify({ event, ...facts }));
  return {
    progress: (what) => line("progress", { what }),
    warn: (error) => line("warning", { code: error.code, why: messageOf(error), hint: error.hint }),
    event: (node, { at, type, what, facts }) => line("node", { node, at, type, what, facts }),
    nodes() {},
    ready: (facts) => line("ready", facts),
    stopped: () => line("stopped", {}),
    [Symbol.dispose]() {},
  };
}

/** One readable line per thing that happened; for pipes and files. */
export function showLines(print: Print): Show {
  return {
    progress: print,
    warn: (error) => print(`${messageOf(error)} (hint: ${error.hint}) [${error.code}]`),
    event: (node, event) => print(eventLine(node, event)),
    nodes() {},
    ready(facts, hints) {
      print(`ready: ${facts.nodes.length} nodes in ${facts.dir}, Consul at ${facts.consul}`);
      for (const hint of hints) print(`  ${hint}`);
    },
    stopped: () => print("stopped"),
    [Symbol.dispose]() {},
  };
}

/** "12:03:04.512 mysql-1  primary of epoch 3" */
export function eventLine(node: string, event: Pick<BusEvent, "at" | "type" | "what">): string {
  const mark = event.type === "setback" ? "! " : event.type === "says" ? "" : "→ ";
  return `${event.at.slice(11, 23)} ${node}  ${mark}${event.what}`;
}
