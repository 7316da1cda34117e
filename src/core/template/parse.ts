// Tokens → a template: the control structures of Go's text/template. Pipelines are in parse-pipeline.ts.
import { lex } from "./lex.ts";
import { LIMITS, type Limits } from "./limits.ts";
import type { Node, Pipe, Template } from "./node.ts";
import { parsePipe } from "./parse-pipeline.ts";
import { TemplateError } from "./template-error.ts";
import { makeTokens, type Tokens } from "./tokens.ts";

export type Parsing = {
  readonly tokens: Tokens;
  /** Names of the functions that there are. */
  readonly functions: ReadonlySet<string>;
  /** Variables in scope, innermost last. */
  variables: string[];
  depth: number;
  readonly deepest: number;
};

type State = Parsing & {
  readonly defined: Map<string, readonly Node[]>;
  /** How many ranges are around: break and continue stand in one only. */
  ranges: number;
};

/** The parts of a block, and the word that ended it: "end", "else" or "" for the end of the text. */
type Block = { readonly nodes: readonly Node[]; readonly word: string };

/** Errors: TemplateError with its place. */
export function parseTemplate(
  text: string,
  functions: ReadonlySet<string>,
  limits: Limits = LIMITS,
): Template {
  if (text.length > limits.template)
    throw new TemplateError(`the template has more than ${limits.template} characters`);
  const tokens = makeTokens(text, lex(text));
  const defined = new Map<string, readonly Node[]>();
  const state: State = {
    tokens,
    functions,
    variables: ["$"],
    depth: 0,
    deepest: limits.depth,
    defined,
    ranges: 0,
  };
  const { nodes, word } = parseBlock(state, true);
  if (word !== "") throw tokens.fault(`unexpected {{${word}}}`, tokens.previous());
  return { text, root: nodes, defined };
}

function parseBlock(state: State, isTop: boolean): Block {
  const { tokens } = state;
  const nodes: Node[] = [];
  for (;;) {
    const token = tokens.next();
    if (token.kind === "end of template") {
      if (isTop) return { nodes, word: "" };
      throw tokens.fault("{{end}} is missing", token);
    }
    if (token.kind === "text") {
      nodes.push({ kind: "text", text: token.text });
      continue;
    }
    const { kind, text: word } = tokens.peek();
    if (kind === "word" && (word === "end" || word === "else")) {
      tokens.next();
      if (word === "end") tokens.expectRight("end");
      return { nodes, word };
    }
    if (kind === "word" && word === "define") {
      if (!isTop) throw tokens.fault("{{define}} stands inside another action");
      parseDefinition(state);
    } else nodes.push(parseAction(state));
  }
}

function parseAction(state: State): Node {
  const { tokens } = state;
  const first = tokens.peek();
  const at = first.at;
  if (first.kind !== "word") return { kind: "action", at, pipe: parsePipe(state, "an action") };
  switch (first.text) {
    case "if":
    case "with":
    case "range":
      tokens.next();
      return parseControl(state, first.text, at);
    case "template":
      tokens.next();
      return parseCall(state, at);
    case "block":
      tokens.next();
      return parseInlineBlock(state, at);
    case "break":
    case "continue":
      tokens.next();
      if (state.ranges === 0) throw tokens.fault(`{{${first.text}}} outside of a range`, first);
      tokens.expectRight(first.text);
      return { kind: first.text, at };
    default:
      return { kind: "action", at, pipe: parsePipe(state, "an action") };
  }
}

function parseControl(state: State, kind: "if" | "with" | "range", at: number): Node {
  return scoped(state, () => {
    const pipe = parsePipe(state, kind);
    if (kind === "range") state.ranges += 1;
    const { nodes: body, word } = parseBlock(state, false);
    if (kind === "range") state.ranges -= 1;
    const otherwise = word === "else" ? parseElse(state, kind) : [];
    return { kind, at, pipe, body, otherwise };
  });
}

/** {{else}} … {{end}}, or {{else if …}} and {{else with …}}, which share one {{end}} with what they belong to. */
function parseElse(state: State, kind: "if" | "with" | "range"): readonly Node[] {
  const { tokens } = state;
  const next = tokens.peek();
  if (next.kind === "word" && kind !== "range" && next.text === kind) {
    tokens.next();
    return [parseControl(state, kind, next.at)];
  }
  tokens.expectRight("else");
  const { nodes, word } = parseBlock(state, false);
  if (word !== "end") throw tokens.fault("a second {{else}}", tokens.previous());
  return nodes;
}

function parseCall(state: State, at: number): Node {
  const name = templateName(state, "template");
  const pipe = parseArgument(state);
  return { kind: "template", at, name, pipe };
}

function parseArgument(state: State): Pipe | null {
  if (state.tokens.peek().kind !== "right") return parsePipe(state, "template");
  state.tokens.next();
  return null;
}

/** {{block "name" pipeline}} … {{end}}: a definition, and its call. */
function parseInlineBlock(state: State, at: number): Node {
  const name = templateName(state, "block");
  const pipe = parsePipe(state, "block");
  define(state, name, parseBody(state, "block"));
  return { kind: "template", at, name, pipe };
}

function parseDefinition(state: State): void {
  state.tokens.next();
  const name = templateName(state, "define");
  state.tokens.expectRight("define");
  define(state, name, parseBody(state, "define"));
}

/** A definition sees no variable of what is around it. */
function parseBody(state: State, what: string): readonly Node[] {
  const { variables, ranges } = state;
  state.variables = ["$"];
  state.ranges = 0;
  const { nodes, word } = scoped(state, () => parseBlock(state, false));
  if (word !== "end")
    throw state.tokens.fault(`{{else}} in a {{${what}}}`, state.tokens.previous());
  state.variables = variables;
  state.ranges = ranges;
  return nodes;
}

/** An empty definition gives way to another one of the same name, as in Go. */
function define(state: State, name: string, nodes: readonly Node[]): void {
  const known = state.defined.get(name);
  if (known === undefined || isBlank(known)) state.defined.set(name, nodes);
  else if (!isBlank(nodes))
    throw state.tokens.fault(`a second definition of ${JSON.stringify(name)}`);
}

function isBlank(nodes: readonly Node[]): boolean {
  return nodes.every((node) => node.kind === "text" && node.text.trim() === "");
}

function templateName({ tokens }: State, what: string): string {
  const { kind, value, text, at } = tokens.next();
  if (kind === "constant" && typeof value === "string") return value;
  throw tokens.fault(
    `{{${what}}} wants a name in quotes, not ${JSON.stringify(text || "its end")}`,
    {
      at,
    },
  );
}

function scoped<T>(state: State, parse: () => T): T {
  const { length } = state.variables;
  state.depth += 1;
  if (state.depth > state.deepest)
    throw state.tokens.fault(`more than ${state.deepest} actions inside each other`);
  const parsed = parse();
  state.depth -= 1;
  state.variables.length = Math.min(state.variables.length, length);
  return parsed;
}
