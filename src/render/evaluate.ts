// One rendering of one template on what is known now: its text, what it waits for, or what is wrong with it; and in any
// case what it asked for, so that all of it can be watched. Dependencies are found by running the template: what one
// answer says (the names of services) decides what is asked next (the instances of each).
import { catalogueFunctions } from "../core/render/catalogue-functions.ts";
import { LIST_FUNCTIONS } from "../core/render/list-functions.ts";
import {
  sourceId,
  sourceName,
  type Answers,
  type Ask,
  type Source,
} from "../core/render/source.ts";
import { templateName, type TemplateSource } from "../core/render/target.ts";
import { TEXT_FUNCTIONS } from "../core/render/text-functions.ts";
import type { TemplateFunction } from "../core/template/function.ts";
import { compileTemplate } from "../core/template/template.ts";
import { TemplateError } from "../core/template/template-error.ts";
import { ConfigError } from "../errors.ts";
import { environmentFunctions, type Environment } from "./environment-functions.ts";

export type Outcome =
  | { readonly kind: "text"; readonly text: string }
  /** For sources that have not answered yet, or, when all have, for keys that somebody has to write. */
  | {
      readonly kind: "waits";
      readonly answers: readonly string[];
      readonly keys: readonly string[];
    }
  | { readonly kind: "failed"; readonly error: ConfigError };

export type Evaluation = { readonly outcome: Outcome; readonly used: ReadonlyMap<string, Source> };

export type Evaluating = {
  readonly ask: Ask;
  readonly env: Environment;
  /** The wall clock, ms since 1970. */
  readonly now: number;
};

/** Each is a query that Consul holds open; its default is 200 connections for each client. */
const MOST_SOURCES = 1_000;

/** What one rendering asked for, and what it did not get. */
type Asked = {
  readonly ask: Ask;
  readonly used: Map<string, Source>;
  readonly answers: Set<string>;
  readonly keys: Set<string>;
};

export function evaluate(source: TemplateSource, evaluating: Evaluating): Evaluation {
  const asked = listen(evaluating.ask);
  return { outcome: render(source, asked, evaluating), used: asked.used };
}

function listen(ask: Ask): Asked {
  const used = new Map<string, Source>();
  const answers = new Set<string>();
  return {
    used,
    answers,
    keys: new Set(),
    ask: <K extends Source["kind"]>(wanted: Extract<Source, { kind: K }>) => {
      used.set(sourceId(wanted), wanted);
      if (used.size > MOST_SOURCES)
        throw new TemplateError(`it asks for more than ${MOST_SOURCES} services, keys and files`);
      const answer: Answers[K] | null = ask(wanted);
      if (answer === null) answers.add(sourceName(wanted));
      return answer;
    },
  };
}

function render(source: TemplateSource, asked: Asked, { env, now }: Evaluating): Outcome {
  const waits = (): Outcome | null =>
    asked.answers.size + asked.keys.size === 0
      ? null
      : { kind: "waits", answers: [...asked.answers], keys: [...asked.keys] };
  try {
    const template = templateText(source, asked);
    const functions = renderFunctions({ asked, source, env, now });
    const text = compileTemplate(template, { functions, missingKey: "zero" }).render(null);
    return waits() ?? { kind: "text", text };
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    // What is not there yet may be all that is wrong.
    return waits() ?? { kind: "failed", error: located(error, templateName(source)) };
  }
}

/** The template itself is a source. */
function templateText(source: TemplateSource, { ask, keys }: Asked): string {
  if (source.kind === "file") {
    const found = ask({ kind: "file", path: source.path });
    if (found !== null && "problem" in found) throw new TemplateError(found.problem);
    return found?.text ?? "";
  }
  const entries = ask({ kind: "keys", prefix: source.key });
  const found = entries?.find((entry) => entry.key === source.key);
  if (entries !== null && found === undefined) keys.add(source.key);
  return found?.value ?? "";
}

type Rendering = {
  readonly asked: Asked;
  readonly source: TemplateSource;
  readonly env: Environment;
  readonly now: number;
};

function renderFunctions(rendering: Rendering): ReadonlyMap<string, TemplateFunction> {
  const { asked, source, env, now } = rendering;
  const { ask, keys } = asked;
  const lacks = (key: string): void => void keys.add(key);
  // Whoever may write a key must not read our files by it.
  const refusal = "a template that comes from a key may not read files";
  const noFiles = source.kind === "key" ? refusal : null;
  return new Map<string, TemplateFunction>([
    ...environmentFunctions(withoutToken(env)),
    ...TEXT_FUNCTIONS,
    ...LIST_FUNCTIONS,
    ...catalogueFunctions({ ask, lacks, noFiles }),
    ["timestamp", { least: 0, most: 1, call: ([format]) => timestamp(format, now) }],
  ]);
}

/** Our own token is for asking Consul, not for being written into a file. */
function withoutToken(env: Environment): Environment {
  return { ...env, CONSUL_HTTP_TOKEN: undefined };
}

/** Of this rendering, in UTC: RFC 3339, or seconds with "unix". */
function timestamp(format: unknown, now: number): string {
  if (format === undefined) return new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
  if (format === "unix") return String(Math.floor(now / 1000));
  throw new TemplateError('timestamp has one format beside RFC 3339: timestamp "unix"');
}

function located({ message, at }: TemplateError, name: string): ConfigError {
  const place = at === null ? "" : `:${at.line}:${at.column}`;
  return new ConfigError("AP_TEMPLATE_INVALID", `${name}${place}: ${message}`);
}
