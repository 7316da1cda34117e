// The value of a pipeline: each command's result is the last argument of the next one.
import { fieldOf, type MissingKey } from "./field.ts";
import type { TemplateFunction } from "./function.ts";
import type { Budget } from "./limits.ts";
import type { Command, Operand, Pipe } from "./node.ts";
import { TemplateError } from "./template-error.ts";
import { isList, isTrue, type Value } from "./value.ts";

export type Scope = {
  readonly functions: ReadonlyMap<string, TemplateFunction>;
  readonly missingKey: MissingKey;
  readonly budget: Budget;
  /** Innermost last. */
  readonly variables: { readonly name: string; value: Value }[];
};

/** What came through the pipe; nothing at its beginning. */
type Piped = readonly [] | readonly [Value];

export function evaluatePipe(scope: Scope, pipe: Pipe, dot: Value): Value {
  let piped: Piped = [];
  for (const command of pipe.commands) piped = [evaluateCommand(scope, command, dot, piped)];
  const value = piped[0] ?? null;
  for (const name of pipe.sets) {
    if (pipe.declares) scope.variables.push({ name, value });
    else assign(scope, name, value);
  }
  return value;
}

export function assign({ variables }: Pick<Scope, "variables">, name: string, value: Value): void {
  const variable = variables.findLast((one) => one.name === name);
  if (variable === undefined) throw new TemplateError(`there is no variable ${name}`);
  variable.value = value;
}

function evaluateCommand(scope: Scope, { operands }: Command, dot: Value, piped: Piped): Value {
  const [first, ...rest] = operands;
  if (first === undefined) throw new TemplateError("an empty command");
  if (first.kind === "function") return callFunction(scope, first.name, { rest, dot, piped });
  if (rest.length > 0 || piped.length > 0)
    throw new TemplateError(`${nameOf(first)} is no function, but it was given arguments`);
  if (first.kind === "nil") throw new TemplateError("nil is no command");
  return evaluateOperand(scope, first, dot);
}

function nameOf(operand: Operand): string {
  if (operand.kind === "field") return `.${operand.names.join(".")}`;
  if (operand.kind === "variable") return [operand.name, ...operand.names].join(".");
  return operand.kind === "dot" ? "." : "a value";
}

function evaluateOperand(scope: Scope, operand: Operand, dot: Value): Value {
  scope.budget.step();
  switch (operand.kind) {
    case "constant":
      return operand.value;
    case "nil":
      return null;
    case "dot":
      return dot;
    case "field":
      return fieldOf(dot, operand.names, scope.missingKey);
    case "variable": {
      const variable = scope.variables.findLast(({ name }) => name === operand.name);
      return fieldOf(variable?.value ?? null, operand.names, scope.missingKey);
    }
    case "function":
      return callFunction(scope, operand.name, { rest: [], dot, piped: [] });
    case "pipe":
      return evaluatePipe(scope, operand.pipe, dot);
    case "chain":
      return fieldOf(evaluateOperand(scope, operand.of, dot), operand.names, scope.missingKey);
  }
}

type Arguments = { readonly rest: readonly Operand[]; readonly dot: Value; readonly piped: Piped };

function callFunction(scope: Scope, name: string, { rest, dot, piped }: Arguments): Value {
  if (name === "and" || name === "or") return shortCircuit(scope, name, { rest, dot, piped });
  const called = scope.functions.get(name);
  if (called === undefined) throw new TemplateError(`there is no function ${name}`);
  const args = [...rest.map((operand) => evaluateOperand(scope, operand, dot)), ...piped];
  if (args.length < called.least || args.length > called.most)
    throw new TemplateError(
      `${name} takes ${countOf(called)}, but was given ${String(args.length)}`,
    );
  for (const arg of args) scope.budget.touch(sizeOf(arg));
  return bounded(scope, called.call(args, scope.budget));
}

/** `and` and `or` evaluate no further than they must. */
function shortCircuit(scope: Scope, name: "and" | "or", given: Arguments): Value {
  const { rest, dot, piped } = given;
  if (rest.length + piped.length === 0) throw new TemplateError(`${name} takes 1 argument or more`);
  let value: Value = null;
  for (const operand of rest) {
    value = evaluateOperand(scope, operand, dot);
    if (isTrue(value) === (name === "or")) return value;
  }
  return piped.length === 0 ? value : piped[0];
}

function countOf({ least, most }: TemplateFunction): string {
  if (least === most) return `${least} argument${least === 1 ? "" : "s"}`;
  return most === Infinity
    ? `${least} argument${least === 1 ? "" : "s"} or more`
    : `${least} to ${most} arguments`;
}

function sizeOf(value: Value): number {
  return typeof value === "string" || isList(value) ? value.length : 0;
}

/** No text or list made on the way may be larger than the whole output. */
function bounded({ budget }: Scope, value: Value): Value {
  const { output } = budget.limits;
  if (sizeOf(value) > output) throw new TemplateError(`it makes more than ${output} characters`);
  return value;
}
