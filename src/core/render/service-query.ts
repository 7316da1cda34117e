// What `service` in a template is asked for: "[TAG.]NAME[@DATACENTER]", and which states of health count.
import type { ServiceSelector } from "./source.ts";
import { TemplateError } from "../template/template-error.ts";

export type Status = "passing" | "warning" | "critical";

/** The part before the last dot is the tag: a name with a dot could not be told from one. */
const QUERY = /^(?:([\w=:.-]+)\.)?([\w-]+)(?:@([\w.-]+))?$/;

/** Errors: TemplateError. */
export function parseServiceQuery(text: string): ServiceSelector {
  const [, tag = null, service = "", dc = null] = QUERY.exec(text) ?? [];
  if (service !== "") return { service, tag, dc };
  throw new TemplateError(
    `service wants "NAME", "TAG.NAME" or either with "@DATACENTER", not ${JSON.stringify(text)}`,
  );
}

const ALL: readonly Status[] = ["passing", "warning", "critical"];

/** "passing" (also when nothing is said), "any", or several: "passing,warning". Errors: TemplateError. */
export function parseStatuses(text: string | null): readonly Status[] {
  if (text === null) return ["passing"];
  const words = text.split(",").map((word) => word.trim());
  if (words.length === 1 && words[0] === "any") return ALL;
  const statuses = ALL.filter((one) => words.includes(one));
  if (words.every((word) => ALL.some((one) => one === word))) return statuses;
  throw new TemplateError(
    `the second word of service is "any", or some of "passing,warning,critical", not ${JSON.stringify(text)}`,
  );
}
