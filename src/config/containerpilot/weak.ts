// Values as ContainerPilot takes them: "80" for 80, 80 for "80", "1" for true, one text for a list of one.
import { z } from "zod";
import { parseGoDuration } from "../../core/go-duration.ts";

type Context = {
  addIssue: (issue: { code: "custom"; message: string }) => void;
};

/** A schema of one value: `read` gives it, or says what was expected. */
function leaf<T>(read: (value: unknown) => T | Wrong) {
  return z.unknown().transform((value, context: Context) => {
    const result: T | Wrong = value === undefined ? wrong("it is missing") : read(value);
    if (!isWrong(result)) return result;
    context.addIssue({ code: "custom", message: result.wrong });
    return z.NEVER;
  });
}

type Wrong = { readonly wrong: string };

const wrong = (why: string): Wrong => ({ wrong: why });

function isWrong(value: unknown): value is Wrong {
  return typeof value === "object" && value !== null && "wrong" in value;
}

export function textOf(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "1" : "0";
  return typeof value === "number" ? String(value) : null;
}

/** A fraction is cut off, as there (relations.ts warns). */
export function integerOf(value: unknown): number | null {
  if (typeof value === "boolean") return Number(value);
  if (typeof value === "number" && Number.isFinite(value)) return Math.trunc(value);
  if (typeof value === "string" && /^[+-]?(\d+|0x[\da-f]+)$/i.test(value)) {
    const size = Number(value.replace(/^[+-]/, ""));
    return value.startsWith("-") ? -size : size;
  }
  return null;
}

export const text = leaf((value) => textOf(value) ?? wrong(`expected a text, got ${shown(value)}`));

export const nonBlank = leaf((value) => {
  const given = textOf(value);
  if (given === null) return wrong(`expected a text, got ${shown(value)}`);
  return given.trim() === "" ? wrong("it must not be blank") : given;
});

export function integer(least: number, most: number, name = "it") {
  return leaf((value) => {
    const number = integerOf(value);
    if (number === null) return wrong(`expected a whole number, got ${shown(value)}`);
    if (number < least)
      return wrong(least === 1 ? `${name} must be > 0` : `${name} must be at least ${least}`);
    return number > most ? wrong(`${name} must be at most ${most}`) : number;
  });
}

export const flag = leaf((value) => {
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return value !== 0;
  if (typeof value === "string" && /^(1|t|true)$/i.test(value)) return true;
  if (typeof value === "string" && /^(0|f|false|)$/i.test(value)) return false;
  return wrong(`expected true or false, got ${shown(value)}`);
});

/** Milliseconds. */
export function duration(leastMs: number) {
  return leaf((value) => {
    const given = typeof value === "string" || typeof value === "number" ? value : "";
    const ms = parseGoDuration(given);
    if (ms === null)
      return wrong(`expected a duration like "5s", or whole seconds, got ${shown(value)}`);
    if (ms < leastMs) return wrong(`${shown(value)} cannot be less than ${leastMs}ms`);
    return ms;
  });
}

export const texts = leaf((value) => {
  const all = (Array.isArray(value) ? value : [value]).map(textOf);
  if (all.some((one) => one === null)) return wrong("expected texts in a list");
  return all.filter((one) => one !== null);
});

/** A command: split at each space, without a shell and its quotes; or a list of arguments. */
export const command = leaf((value) => {
  if (typeof value !== "string" && !Array.isArray(value))
    return wrong(`expected a command as a text or a list, got ${shown(value)}`);
  const argv = typeof value === "string" ? value.split(" ") : value.map(textOf);
  if (argv.some((one) => one === null)) return wrong("expected texts in the list of arguments");
  const texts = argv.filter((one) => one !== null);
  if ((texts[0] ?? "") === "") return wrong("the command is empty");
  return texts.some((one) => one.includes("\0")) ? wrong("a zero byte in the command") : texts;
});

/** Any case, as given in `all`. */
export function oneOf<const T extends string>(all: readonly T[], what: string) {
  return leaf((value) => {
    const found = all.find((one) => one.toLowerCase() === textOf(value)?.toLowerCase());
    return found ?? wrong(`${shown(value)} is no ${what}: ${all.join(", ")}`);
  });
}

/** A value for a message, never long. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const written = JSON.stringify(value) ?? String(value);
  return written.length > 60 ? `${written.slice(0, 60)}…` : written;
}

export { leaf, wrong };
