// What `up` shows on a terminal: events scroll by above a table of the nodes, which is redrawn in place.
import { styleText } from "node:util";
import { eventLine, showLines, type NodeRow, type Show } from "./show.ts";

type Screen = {
  readonly write: (text: string) => void;
  readonly columns: () => number;
};

const COLOURS: Readonly<Record<string, Parameters<typeof styleText>[0]>> = {
  primary: "green",
  replica: "cyan",
  candidate: "yellow",
  provisioning: "yellow",
  fenced: "red",
};
// A burst of events redraws once; faster nobody sees.
const REDRAW_MS = 50;
const CLEAR_BELOW = "\u001b[0J";
const up = (lines: number): string => (lines === 0 ? "" : `\u001b[${lines}A\r`);

export function showTable(screen: Screen): Show {
  let rows: readonly NodeRow[] = [];
  let pending: string[] = [];
  let drawn = 0;
  let timer: NodeJS.Timeout | null = null;

  function redraw(): void {
    timer = null;
    const table = tableOf(rows, screen.columns());
    const above = pending.map((line) => `${line}\n`).join("");
    screen.write(`${up(drawn)}${CLEAR_BELOW}${above}${table.map((line) => `${line}\n`).join("")}`);
    drawn = table.length;
    pending = [];
  }
  function soon(): void {
    timer ??= setTimeout(redraw, REDRAW_MS);
  }
  const print = (line: string): void => {
    pending.push(cut(line, screen.columns()));
    soon();
  };
  return {
    ...showLines(print),
    event: (node, event) => print(coloured(node, event)),
    nodes(changed) {
      rows = changed;
      soon();
    },
    [Symbol.dispose]() {
      if (timer !== null) clearTimeout(timer);
      if (pending.length > 0) redraw();
    },
  };
}

function coloured(node: string, event: Parameters<typeof eventLine>[1]): string {
  const line = eventLine(node, event);
  if (event.type === "setback") return styleText("yellow", line);
  return event.type === "says" ? styleText("gray", line) : line;
}

function tableOf(rows: readonly NodeRow[], columns: number): readonly string[] {
  if (rows.length === 0) return [];
  const width = (pick: (row: NodeRow) => string, least: number): number =>
    Math.max(least, ...rows.map((row) => pick(row).length));
  const name = width((row) => row.name, 4);
  const role = width((row) => row.role, 4);
  const address = width((row) => row.address, 7);
  const head = `${"NODE".padEnd(name)}  ${"ROLE".padEnd(role)}  ${"ADDRESS".padEnd(address)}  SAYS`;
  const lines = rows.map((row) => {
    const left = `${row.name.padEnd(name)}  `;
    const right = `  ${row.address.padEnd(address)}  ${row.says}`;
    const rest = cut(right, columns - left.length - role);
    return `${left}${styleText(COLOURS[row.role] ?? "gray", row.role.padEnd(role))}${rest}`;
  });
  return ["", styleText("bold", cut(head, columns)), ...lines];
}

/** A line that wraps would break the counting of lines. */
function cut(line: string, columns: number): string {
  return line.length < columns ? line : `${line.slice(0, Math.max(1, columns - 2))}…`;
}
