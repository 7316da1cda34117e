// A parsed template and its data → text, as Go's text/template does it.
import type { MissingKey } from "./field.ts";
import { printValue } from "./format.ts";
import type { TemplateFunction } from "./function.ts";
import { LIMITS, makeBudget, type Budget, type Limits, type TextBuilder } from "./limits.ts";
import type { Node, Pipe, Template } from "./node.ts";
import { assign, evaluatePipe, type Scope } from "./pipeline.ts";
import { TemplateError, placeOf } from "./template-error.ts";
import { describe, isList, isTrue, sortedEntries, type Value } from "./value.ts";

export type Rendering = {
  readonly data: Value;
  readonly functions: ReadonlyMap<string, TemplateFunction>;
  readonly missingKey?: MissingKey;
  readonly limits?: Limits;
};

type State = Scope & {
  readonly template: Template;
  readonly budget: Budget;
  readonly out: TextBuilder;
  depth: number;
};

/** How a list of nodes ended: at its end, or by a word of the range around it. */
type Ended = "break" | "continue" | null;

/** Errors: TemplateError with its place. */
export function renderTemplate(template: Template, rendering: Rendering): string {
  const { data, functions, missingKey = "default", limits = LIMITS } = rendering;
  const budget = makeBudget(limits);
  const state: State = {
    template,
    budget,
    functions,
    missingKey,
    variables: [{ name: "$", value: data }],
    out: budget.text(),
    depth: 0,
  };
  walk(state, template.root, data);
  return state.out.done();
}

/** An error of a function, or of a limit, gets the place of the action that it happened in. */
function located({ text }: Template, at: number, error: unknown): unknown {
  if (error instanceof TemplateError && error.at === null)
    return new TemplateError(error.message, placeOf(text, at));
  return error;
}

function walk(state: State, nodes: readonly Node[], dot: Value): Ended {
  const { calls } = state.budget.limits;
  if (state.depth >= calls) throw new TemplateError(`more than ${calls} blocks inside each other`);
  state.depth += 1;
  const ended = walkNodes(state, nodes, dot);
  state.depth -= 1;
  return ended;
}

function walkNodes(state: State, nodes: readonly Node[], dot: Value): Ended {
  for (const node of nodes) {
    if (node.kind === "text") state.out.add(node.text);
    else {
      try {
        const ended = walkAction(state, node, dot);
        if (ended !== null) return ended;
      } catch (error) {
        throw located(state.template, node.at, error);
      }
    }
  }
  return null;
}

function walkAction(state: State, node: Exclude<Node, { kind: "text" }>, dot: Value): Ended {
  state.budget.step();
  switch (node.kind) {
    case "action": {
      const value = evaluatePipe(state, node.pipe, dot);
      if (node.pipe.sets.length === 0) printValue(value, state.out);
      return null;
    }
    case "if":
    case "with":
      return scoped(state, () => {
        const value = evaluatePipe(state, node.pipe, dot);
        if (!isTrue(value)) return walk(state, node.otherwise, dot);
        return walk(state, node.body, node.kind === "with" ? value : dot);
      });
    case "range":
      return scoped(state, () => walkRange(state, node, dot));
    case "template":
      call(state, node, dot);
      return null;
    case "break":
    case "continue":
      return node.kind;
  }
}

type Range = Extract<Node, { kind: "if" | "with" | "range" }>;

function walkRange(state: State, { pipe, body, otherwise }: Range, dot: Value): Ended {
  const value = evaluatePipe(state, { ...pipe, sets: [] }, dot);
  let isEmpty = true;
  for (const [key, element] of elementsOf(value, pipe)) {
    isEmpty = false;
    state.budget.step();
    const ended = scoped(state, () => {
      setVariables(state, pipe, key, element);
      return walk(state, body, element);
    });
    if (ended === "break") break;
  }
  return isEmpty ? walk(state, otherwise, dot) : null;
}

/** Keys and elements: of a list, of a map in the order of its keys, of an int from 0. */
function* elementsOf(value: Value, pipe: Pipe): Iterable<readonly [Value, Value]> {
  if (value === null) return;
  if (isList(value)) yield* value.entries();
  else if (typeof value === "number" && Number.isInteger(value)) {
    if (pipe.sets.length > 1)
      throw new TemplateError("a range over a number has no second variable");
    for (let i = 0; i < value; i++) yield [i, i];
  } else if (typeof value === "object" && "dict" in value) yield* sortedEntries(value);
  else throw new TemplateError(`a range cannot go over ${describe(value)}`);
}

function setVariables(state: State, { sets, declares }: Pipe, key: Value, element: Value): void {
  const values = sets.length === 2 ? [key, element] : [element];
  for (const [i, name] of sets.entries()) {
    const value = values[i] ?? null;
    if (declares) state.variables.push({ name, value });
    else assign(state, name, value);
  }
}

/** Another template sees its argument as `.` and as `$`, and none of our variables. */
function call(state: State, node: Extract<Node, { kind: "template" }>, dot: Value): void {
  const nodes = state.template.defined.get(node.name);
  if (nodes === undefined)
    throw new TemplateError(`there is no template ${JSON.stringify(node.name)}`);
  const data = node.pipe === null ? null : evaluatePipe(state, node.pipe, dot);
  walk({ ...state, variables: [{ name: "$", value: data }] }, nodes, data);
}

function scoped<T>(state: State, run: () => T): T {
  const { length } = state.variables;
  const result = run();
  state.variables.length = length;
  return result;
}
