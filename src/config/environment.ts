// Values from the environment: AUTOPILOT_NODE_HTTP_PORT sets node.httpPort, for every value that the schema names.
// AUTOPILOT_…_FILE reads the value from a file instead, which is how secrets come into containers.
import { readFileSync } from "node:fs";
import JSON5 from "json5";
import { closest } from "../core/edit-distance.ts";
import { messageOf } from "../errors.ts";
import { leavesOf, type Leaf, type Shape } from "./shape.ts";

export type Override = {
  readonly path: readonly string[];
  /** The variable that it came from. */
  readonly variable: string;
  readonly value: unknown;
};

export type Overrides = {
  readonly values: readonly Override[];
  readonly problems: readonly string[];
};

/** Reads the overrides that `shape` has places for. Unknown variables below a known section are problems. */
export function overridesFrom(env: NodeJS.ProcessEnv, shape: Shape): Overrides {
  const leaves = new Map(leavesOf(shape).map((leaf) => [variableOf(leaf.path), leaf]));
  const sections = [...(shape.keys ?? [])]
    .filter(([, section]) => section.keys !== null)
    .map(([name]) => `${variableOf([name])}_`);
  const values: Override[] = [];
  const problems: string[] = [];
  for (const [variable, text] of Object.entries(env)) {
    if (text === undefined || !variable.startsWith("AUTOPILOT_")) continue;
    const direct = leaves.get(variable);
    const fromFile = leaves.get(variable.replace(/_FILE$/, ""));
    if (direct !== undefined) {
      values.push({ path: direct.path, variable, value: coerce(text, direct) });
    } else if (fromFile?.shape.isFile === true) {
      values.push({ path: fromFile.path, variable, value: text });
    } else if (fromFile !== undefined) {
      const read = readSecret(text);
      if (read.ok)
        values.push({ path: fromFile.path, variable, value: coerce(read.text, fromFile) });
      else problems.push(`${variable}: ${read.why}`);
    } else if (sections.some((section) => variable.startsWith(section))) {
      const meant = closest(variable, [...leaves.keys()]);
      problems.push(
        `${variable}: unknown variable${meant === null ? "" : `, did you mean ${meant}?`}`,
      );
    }
  }
  return { values, problems };
}

/** node.httpPort → AUTOPILOT_NODE_HTTP_PORT */
export function variableOf(path: readonly string[]): string {
  const words = path.map((key) => key.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2"));
  return `AUTOPILOT_${words.join("_").replaceAll("-", "_").toUpperCase()}`;
}

/** What cannot be converted stays text: the schema then says what it expected. */
function coerce(text: string, { shape: { types, keys, each } }: Leaf): unknown {
  if (types.includes("string")) return text;
  const isNumber = types.includes("number") || types.includes("integer");
  if (isNumber && text.trim() !== "" && Number.isFinite(Number(text))) return Number(text);
  if (types.includes("boolean") && (text === "true" || text === "false")) return text === "true";
  if (types.includes("array") && !text.trim().startsWith("[")) return text.split(",");
  if (types.includes("array") || keys !== null || each !== null) return parsed(text);
  return text;
}

function parsed(text: string): unknown {
  try {
    return JSON5.parse(text);
  } catch {
    return text; // the schema says that it is no list or map
  }
}

type Read =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly why: string };

function readSecret(path: string): Read {
  try {
    const text = readFileSync(path, "utf8").replace(/\r?\n$/, "");
    return text === "" ? { ok: false, why: `${path} is empty` } : { ok: true, text };
  } catch (error) {
    return { ok: false, why: messageOf(error) };
  }
}
