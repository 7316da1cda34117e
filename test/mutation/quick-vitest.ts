// `vitest` for quick-child.ts: its own `expect`; `describe` and `test` only collect.
export { expect } from "vitest";

type Run = () => unknown;

/** In the order in which they were declared. */
export const collected: { readonly name: string; readonly run: Run }[] = [];
const path: string[] = [];

export function describe(name: string, declare: () => void): void {
  path.push(name);
  try {
    declare();
  } finally {
    path.pop();
  }
}

function one(name: string, run: Run): void {
  collected.push({ name: [...path, name].join(" > "), run });
}

const each =
  (rows: readonly unknown[]) =>
  (name: string, run: (...row: readonly unknown[]) => unknown): void => {
    for (const row of rows) one(name, () => run(...(Array.isArray(row) ? row : [row])));
  };

export const test = Object.assign(one, { each });
