// TEMPLATE:OUT[:COMMAND], as it is typed. TEMPLATE is a file, or kv:KEY for a template that is a value in the catalogue's
// key-value store. Paths cannot have a colon; the command can.

export type TemplateSource =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "key"; readonly key: string };

export type Target = {
  readonly template: TemplateSource;
  readonly out: string;
  /** For `sh -c`; null: nothing runs. */
  readonly command: string | null;
};

/** The target, or what is wrong with the text. */
export function parseTarget(text: string): Target | string {
  const isKey = text.startsWith("kv:");
  const [template = "", out, ...more] = text.slice(isKey ? "kv:".length : 0).split(":");
  if (template === "") return "it names no template";
  if (out === undefined || out === "") return "it does not say where to write: TEMPLATE:OUT";
  if (text.includes("\0")) return "it has a zero byte";
  const command = more.length === 0 ? null : more.join(":").trim();
  if (command === "") return "its command is empty; leave the last colon out";
  return {
    template: isKey ? { kind: "key", key: template } : { kind: "file", path: template },
    out,
    command,
  };
}

/** How people know the template, also in errors. */
export function templateName(source: TemplateSource): string {
  return source.kind === "file" ? source.path : `kv:${source.key}`;
}
