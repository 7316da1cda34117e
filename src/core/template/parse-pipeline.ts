// One pipeline: variables it sets, commands separated by |, operands with their fields.
import type { Token } from "./lex.ts";
import type { Command, Operand, Pipe } from "./node.ts";
import type { Parsing } from "./parse.ts";

// They begin an action and are nothing's name.
const KEYWORDS = new Set("block break continue define else end if range template with".split(" "));

/** A pipeline with the end of its action. `what` it belongs to: "range" may set two variables. */
export function parsePipe(state: Parsing, what: string): Pipe {
  const pipe = parseUntil(state, what, "right");
  state.tokens.expectRight(what);
  return pipe;
}

function parseUntil(state: Parsing, what: string, end: "right" | ")"): Pipe {
  const { tokens } = state;
  const { at } = tokens.peek();
  const { sets, declares } = parseVariables(state, what);
  const commands: Command[] = [];
  for (;;) {
    const command = parseCommand(state);
    if (command.operands.length === 0) {
      const why = commands.length === 0 ? `a value is missing in ${what}` : "nothing follows the |";
      throw tokens.fault(why);
    }
    if (commands.length > 0 && isConstant(command.operands[0]))
      throw tokens.fault("a value stands after a |, where a function has to", command);
    commands.push(command);
    const next = tokens.peek();
    if (next.kind === "mark" && next.text === "|") {
      tokens.next();
      continue;
    }
    if (next.kind === end || (next.kind === "mark" && next.text === end)) break;
    throw tokens.fault(unexpected(next, end));
  }
  // Known from here on: a pipeline cannot use what it declares.
  if (declares) state.variables.push(...sets);
  return { at, sets, declares, commands };
}

function unexpected(token: Token, end: string): string {
  if (token.kind === "right" && end === ")") return "a ) is missing";
  return `unexpected ${JSON.stringify(token.text || "end")} in a pipeline`;
}

function parseVariables(
  state: Parsing,
  what: string,
): { readonly sets: readonly string[]; readonly declares: boolean } {
  const { tokens } = state;
  const none = { sets: [], declares: false };
  if (tokens.peek().kind !== "variable") return none;
  const follows = tokens.peek(1);
  if (follows.kind !== "mark") return none;
  if (follows.text === ":=" || follows.text === "=")
    return declared(state, [tokens.next().text], tokens.next().text);
  if (follows.text !== ",") return none;
  if (what !== "range") throw tokens.fault("only a range sets two variables", follows);
  const [first, second, sets] = [tokens.next(), [tokens.next(), tokens.next()][1], tokens.next()];
  if (second?.kind !== "variable" || (sets.text !== ":=" && sets.text !== "="))
    throw tokens.fault("expected {{range $index, $element := …}}", first);
  return declared(state, [first.text, second.text], sets.text);
}

function declared(state: Parsing, sets: readonly string[], how: string) {
  const unknown = sets.find((name) => !state.variables.includes(name));
  if (how === "=" && unknown !== undefined)
    throw state.tokens.fault(`there is no variable ${unknown}`, state.tokens.previous());
  return { sets, declares: how === ":=" };
}

function parseCommand(state: Parsing): Command {
  const { tokens } = state;
  const { at } = tokens.peek();
  const operands: Operand[] = [];
  for (;;) {
    const next = tokens.peek();
    const operand = parseOperand(state);
    if (operand === null) return { at, operands };
    if (operands.length > 0 && !next.spaced)
      throw tokens.fault(`a space is missing before ${JSON.stringify(next.text)}`, next);
    operands.push(operand);
  }
}

/** One operand with the fields that follow it without a space; null: something else stands here. */
function parseOperand(state: Parsing): Operand | null {
  const { tokens } = state;
  const first = tokens.peek();
  const term = parseTerm(state);
  if (term === null) return null;
  const names: string[] = [];
  while (tokens.peek().kind === "field" && !tokens.peek().spaced) names.push(tokens.next().text);
  if (names.length === 0) return term;
  if (term.kind === "field") return { kind: "field", names: [...term.names, ...names] };
  if (term.kind === "variable") return { ...term, names };
  if (term.kind === "constant" || term.kind === "nil" || term.kind === "dot")
    throw tokens.fault(`${first.text} has no fields`, first);
  return { kind: "chain", of: term, names };
}

function parseTerm(state: Parsing): Operand | null {
  const { tokens } = state;
  const token = tokens.peek();
  switch (token.kind) {
    case "field":
      tokens.next();
      return { kind: "field", names: [token.text] };
    case "constant":
      tokens.next();
      return { kind: "constant", value: token.value ?? null };
    case "variable":
      tokens.next();
      if (state.variables.includes(token.text))
        return { kind: "variable", name: token.text, names: [] };
      throw tokens.fault(`there is no variable ${token.text}`, token);
    case "word":
      tokens.next();
      return parseWord(state, token);
    case "mark":
      return parseMark(state, token);
    case "left":
    case "right":
    case "text":
    case "end of template":
      return null;
  }
}

function parseWord({ functions, tokens }: Parsing, token: Token): Operand {
  if (token.text === "nil") return { kind: "nil" };
  if (KEYWORDS.has(token.text)) throw tokens.fault(`{{${token.text}}} does not belong here`, token);
  if (!functions.has(token.text)) throw tokens.fault(`there is no function ${token.text}`, token);
  return { kind: "function", name: token.text };
}

function parseMark(state: Parsing, token: Token): Operand | null {
  const { tokens } = state;
  if (token.text === ".") {
    tokens.next();
    return { kind: "dot" };
  }
  if (token.text !== "(") return null;
  tokens.next();
  state.depth += 1;
  if (state.depth > state.deepest)
    throw tokens.fault(`more than ${state.deepest} actions inside each other`, token);
  const pipe = parseUntil(state, "parentheses", ")");
  state.depth -= 1;
  tokens.next();
  return { kind: "pipe", pipe };
}

function isConstant(operand: Operand | undefined): boolean {
  return operand !== undefined && ["constant", "nil", "dot"].includes(operand.kind);
}
