// Where a configuration comes from (a path, file://PATH, or JSON itself), and its text → a tree.
import { readFileSync } from "node:fs";
import JSON5 from "json5";
import { ConfigError, messageOf } from "../../errors.ts";
import { renderEnvironment } from "../../render/render-environment.ts";
import { withoutSecrets } from "./values.ts";

export type Tree = Readonly<Record<string, unknown>>;

export type Source = {
  /** For messages: the path, or what it was given as. */
  readonly name: string;
  readonly text: string;
};

/** A configuration is a few kilobytes. */
const LARGEST = 1024 * 1024;

/** Errors: ConfigError AP_CONFIG_UNREADABLE. */
export function readSource(given: string, name = "-config"): Source {
  if (/^\s*[{[]/.test(given)) return { name, text: given };
  const path = given.replace(/^file:\/\//, "");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError("AP_CONFIG_UNREADABLE", messageOf(error), { cause: error });
  }
  if (text.length <= LARGEST) return { name: path, text: text.replace(/^\uFEFF/, "") };
  throw new ConfigError("AP_CONFIG_UNREADABLE", `${path}: more than ${LARGEST} characters`);
}

/** Renders and parses. Errors: ConfigError AP_TEMPLATE_INVALID, AP_CONFIG_UNREADABLE with line, column and the line itself. */
export function readTree({ name, text }: Source, env: NodeJS.ProcessEnv): Tree {
  const rendered = renderEnvironment(text, env, name);
  const after = rendered === text ? "" : " (after its template was rendered)";
  let tree: unknown;
  try {
    tree = JSON5.parse(rendered);
  } catch (error) {
    const { lineNumber = 0, columnNumber = 0 } = error as Record<string, number>;
    const what = messageOf(error).replace(/^JSON5: | at \d+:\d+$/g, "");
    // Without the cause: it says the same with the place at the end.
    throw new ConfigError(
      "AP_CONFIG_UNREADABLE",
      `${name}:${lineNumber}:${columnNumber}: ${what}${after}`,
      { problems: excerpt(withoutSecrets(rendered, env), lineNumber, columnNumber) },
    );
  }
  if (typeof tree === "object" && tree !== null && !Array.isArray(tree)) return tree as Tree;
  throw new ConfigError("AP_CONFIG_UNREADABLE", `${name}: expected one object in braces`);
}

const WIDEST = 120;

/** The line, the one before it, and a mark below the place. */
function excerpt(text: string, line: number, column: number): readonly string[] {
  const lines = text.split("\n").slice(Math.max(0, line - 2), line);
  if (lines.length === 0 || column > WIDEST) return [];
  return [...lines.map((one) => one.slice(0, WIDEST)), `${"-".repeat(Math.max(0, column - 1))}^`];
}
