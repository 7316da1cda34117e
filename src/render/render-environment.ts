// A configuration's text with the environment put in, as ContainerPilot does it: {{ .NAME }} is a variable's value, or
// nothing; what it may call is in environment-functions.ts.
import { compileTemplate } from "../core/template/template.ts";
import { TemplateError } from "../core/template/template-error.ts";
import type { Dict } from "../core/template/value.ts";
import { ConfigError } from "../errors.ts";
import { environmentFunctions, type Environment } from "./environment-functions.ts";

/** `file` is for the message. Errors: ConfigError AP_TEMPLATE_INVALID with line and column. */
export function renderEnvironment(text: string, env: Environment, file: string): string {
  const variables = Object.entries(env).filter(
    (one): one is [string, string] => one[1] !== undefined,
  );
  const data: Dict = { dict: new Map(variables), zero: "" };
  try {
    const functions = environmentFunctions(env);
    return compileTemplate(text, { functions, missingKey: "zero" }).render(data);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    const place = error.at === null ? "" : `:${error.at.line}:${error.at.column}`;
    // Without the cause: it says the same without its place.
    throw new ConfigError("AP_TEMPLATE_INVALID", `${file}${place}: ${error.message}`);
  }
}
