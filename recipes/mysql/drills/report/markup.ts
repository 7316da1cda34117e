// HTML and SVG from templates in which every value is escaped, unless it is markup itself: a node's sentence may say
// anything, and none of it can become a tag or an attribute.

export type Markup = { readonly markup: string };
type Value = string | number | Markup | readonly Markup[] | null;

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export function escape(text: string): string {
  // Characters that XML knows no way to write (all but tab and line end below 32) would make an SVG unreadable.
  return text
    .replaceAll(/[&<>"']/g, (one) => ESCAPES[one] ?? "")
    .replaceAll(/(?![\t\n\r])\p{Cc}/gu, "\u{FFFD}");
}

/** `null` is nothing at all. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  const parts = strings.map(
    (text, i) => text + (i < values.length ? textOf(values[i] ?? null) : ""),
  );
  return { markup: parts.join("") };
}

function textOf(value: Value): string {
  if (value === null) return "";
  if (typeof value === "string") return escape(value);
  if (typeof value === "number") return String(value);
  return "markup" in value ? value.markup : value.map(({ markup }) => markup).join("");
}
