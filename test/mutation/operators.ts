// Small wrong versions of a source: one condition, comparison, operand or flag changed in each. Works on the syntax tree
// of the parser that vitest brings; types are left alone, and so are the tests of loops (a mutant has to end).
import { parseAst } from "vitest/node";

export type Edit = { readonly start: number; readonly end: number; readonly instead: string };

export type Variant = {
  /** Where it is and what it does, without line numbers: the same after edits elsewhere in the file. */
  readonly id: string;
  readonly line: number;
  readonly code: string;
};

type Node = { readonly type: string; readonly start: number; readonly end: number } & Readonly<
  Record<string, unknown>
>;

const COMPARISONS: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "==": "!=",
  "!=": "==",
  "-": "+",
};

/** Calls whose removal or exchange changes which elements count. */
const CALLS: Readonly<Record<string, string>> = {
  some: "every",
  every: "some",
  min: "max",
  max: "min",
};

export function variantsOf(file: string, source: string): readonly Variant[] {
  const made: Variant[] = [];
  const seen = new Map<string, number>();
  const visit = (node: Node, inside: string, inLoop: boolean): void => {
    if (isType(node)) return;
    const name = nameOf(node) ?? inside;
    for (const edit of inLoop ? [] : editsOf(node, source)) {
      const was = oneLine(source.slice(edit.start, edit.end));
      const base = `${file} ${name}: ${was} → ${oneLine(edit.instead)}`;
      const times = (seen.get(base) ?? 0) + 1;
      seen.set(base, times);
      const code = source.slice(0, edit.start) + edit.instead + source.slice(edit.end);
      const line = source.slice(0, edit.start).split("\n").length;
      made.push({ id: times === 1 ? base : `${base} (${times})`, line, code });
    }
    for (const [key, child] of childrenOf(node))
      visit(child, name, inLoop || (isLoop(node) && key !== "body" && key !== "right"));
  };
  visit(parseAst(source, { lang: "ts" }) as unknown as Node, "", false);
  return made.toSorted((a, b) => a.line - b.line);
}

function editsOf(node: Node, source: string): readonly Edit[] {
  const text = (of: Node): string => source.slice(of.start, of.end);
  const put = (of: Node, instead: string): Edit => ({ start: of.start, end: of.end, instead });
  const at = (key: string): Node => node[key] as Node;
  switch (node.type) {
    case "IfStatement":
      return [put(at("test"), "false"), put(at("test"), "true")];
    case "ConditionalExpression":
      return [put(node, `(${text(at("consequent"))})`), put(node, `(${text(at("alternate"))})`)];
    case "LogicalExpression":
      return [put(node, `(${text(at("left"))})`), put(node, `(${text(at("right"))})`)];
    case "BinaryExpression": {
      const [left, right] = [at("left"), at("right")];
      const other = COMPARISONS[String(node["operator"])];
      return other === undefined ? [] : [put(node, `${text(left)} ${other} ${text(right)}`)];
    }
    case "UnaryExpression":
      return node["operator"] === "!" ? [put(node, `(${text(at("argument"))})`)] : [];
    case "Literal":
      return typeof node["value"] === "boolean" ? [put(node, String(!node["value"]))] : [];
    case "CallExpression":
      return callEdits(node, text, put);
    case "ExpressionStatement":
      return [put(node, ";")];
    default:
      return [];
  }
}

function callEdits(
  node: Node,
  text: (of: Node) => string,
  put: (of: Node, instead: string) => Edit,
): readonly Edit[] {
  const callee = node["callee"] as Node;
  if (callee.type !== "MemberExpression") return [];
  const property = callee["property"] as Node;
  const name = text(property);
  if (name === "filter") return [put(node, text(callee["object"] as Node))];
  const other = CALLS[name];
  return other === undefined ? [] : [put(property, other)];
}

function isType({ type }: Node): boolean {
  const holdsValue = ["TSAsExpression", "TSSatisfiesExpression", "TSNonNullExpression"];
  return (type.startsWith("TS") && !holdsValue.includes(type)) || type === "ImportDeclaration";
}

const isLoop = ({ type }: Node): boolean =>
  type.startsWith("For") || type.endsWith("WhileStatement");

/** The function or constant that a mutant is in. */
function nameOf(node: Node): string | null {
  if (node.type !== "FunctionDeclaration" && node.type !== "VariableDeclarator") return null;
  const id = node["id"] as { readonly name?: string } | null;
  const init = node["init"] as Node | null | undefined;
  const named = node.type === "FunctionDeclaration" || init?.type === "ArrowFunctionExpression";
  return named ? (id?.name ?? null) : null;
}

function childrenOf(node: Node): readonly (readonly [key: string, child: Node])[] {
  return Object.entries(node).flatMap(([key, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter((it): it is Node => typeof (it as Node | null)?.type === "string")
      .map((child) => [key, child] as const),
  );
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
