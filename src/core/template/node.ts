// A parsed template. Offsets are into its text.
import type { Value } from "./value.ts";

export type Operand =
  | { readonly kind: "constant"; readonly value: Value }
  | { readonly kind: "nil" }
  | { readonly kind: "dot" }
  | { readonly kind: "field"; readonly names: readonly string[] }
  | { readonly kind: "variable"; readonly name: string; readonly names: readonly string[] }
  | { readonly kind: "function"; readonly name: string }
  | { readonly kind: "pipe"; readonly pipe: Pipe }
  /** Fields of what an operand gives: (pipeline).A.B */
  | { readonly kind: "chain"; readonly of: Operand; readonly names: readonly string[] };

export type Command = { readonly at: number; readonly operands: readonly Operand[] };

export type Pipe = {
  readonly at: number;
  /** Variables that it sets, with their $; two in a range only. */
  readonly sets: readonly string[];
  /** := makes new variables, = sets existing ones. */
  readonly declares: boolean;
  readonly commands: readonly Command[];
};

export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly at: number; readonly pipe: Pipe }
  | {
      readonly kind: "if" | "with" | "range";
      readonly at: number;
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    }
  | {
      readonly kind: "template";
      readonly at: number;
      readonly name: string;
      readonly pipe: Pipe | null;
    }
  | { readonly kind: "break" | "continue"; readonly at: number };

export type Template = {
  readonly text: string;
  readonly root: readonly Node[];
  /** What {{define}} and {{block}} named. */
  readonly defined: ReadonlyMap<string, readonly Node[]>;
};
