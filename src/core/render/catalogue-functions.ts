// What a template asks the catalogue: services, instances, keys; and files. Nothing here reads: `ask` says what is known.
// What is not known yet looks empty, and the rendering that saw it is thrown away (src/render/evaluate.ts).
import type { TemplateFunction } from "../template/function.ts";
import { hostPort } from "../host-port.ts";
import { isIpAddress } from "../ip-address.ts";
import { TemplateError } from "../template/template-error.ts";
import { describe, numberIn, textArgument, type Struct, type Value } from "../template/value.ts";
import { parseServiceQuery, parseStatuses } from "./service-query.ts";
import type { Answers, Ask } from "./source.ts";

export type CatalogueParts = {
  readonly ask: Ask;
  /** A key that has to be there is not: the rendering waits for it. */
  readonly lacks: (key: string) => void;
  /** Why this template may not read files; null: it may. */
  readonly noFiles: string | null;
};

export function catalogueFunctions(parts: CatalogueParts): ReadonlyMap<string, TemplateFunction> {
  const { ask } = parts;
  return new Map<string, TemplateFunction>([
    ["services", { least: 0, most: 0, call: () => (ask({ kind: "names" }) ?? []).map(nameOf) }],
    ["service", { least: 1, most: 2, call: (args) => instances(ask, args) }],
    ["key", { least: 1, most: 1, call: ([path]) => key(parts, path) }],
    ["keyExists", { least: 1, most: 1, call: ([path]) => valueOf(ask, path) !== null }],
    ["keyOrDefault", { least: 2, most: 2, call: ([path, or = null]) => valueOf(ask, path) ?? or }],
    ["ls", { least: 1, most: 1, call: ([path]) => pairs(ask, path, "children") }],
    ["tree", { least: 1, most: 1, call: ([path]) => pairs(ask, path, "all") }],
    ["file", { least: 1, most: 1, call: ([path]) => file(parts, path) }],
    ["hostPort", { least: 2, most: 2, call: address }],
    ["isIP", { least: 1, most: 1, call: ([it]) => isIpAddress(textArgument(it, "isIP")) }],
  ]);
}

function nameOf({ name, tags }: Answers["names"][number]): Struct {
  return struct("Service", { Name: name, Tags: tags });
}

function instances(ask: Ask, [query, states]: readonly Value[]): Value {
  const selector = parseServiceQuery(textArgument(query, "service"));
  const wanted = parseStatuses(states === undefined ? null : textArgument(states, "service"));
  const found = ask({ kind: "instances", ...selector }) ?? [];
  return found.filter(({ status }) => wanted.includes(status)).map(instanceOf);
}

function instanceOf(it: Answers["instances"][number]): Struct {
  return struct("Instance", {
    Node: it.node,
    ID: it.id,
    Name: it.name,
    Address: it.address,
    Port: it.port,
    Tags: it.tags,
    Status: it.status,
    ServiceMeta: { dict: new Map(Object.entries(it.meta)), zero: "" },
  });
}

function struct(name: string, fields: Readonly<Record<string, Value>>): Struct {
  return { struct: name, fields: new Map(Object.entries(fields)) };
}

/** The key's value; a rendering without it waits until somebody writes it. */
function key({ ask, lacks }: CatalogueParts, path: Value | undefined): Value {
  const value = valueOf(ask, path);
  if (value === null) lacks(textArgument(path, "key"));
  return value ?? "";
}

function valueOf(ask: Ask, path: Value | undefined): string | null {
  const wanted = keyPath(path);
  if (wanted === "") throw new TemplateError("a key without a name");
  const entries = ask({ kind: "keys", prefix: wanted }) ?? [];
  return entries.find((entry) => entry.key === wanted)?.value ?? null;
}

/** The folder's own keys, or those of all folders in it: `Path` as it is, `Key` without the folder. */
function pairs(ask: Ask, path: Value | undefined, which: "children" | "all"): Value {
  const wanted = keyPath(path).replace(/\/*$/, "");
  const prefix = wanted === "" ? "" : `${wanted}/`;
  const entries = ask({ kind: "keys", prefix }) ?? [];
  return entries
    .map(({ key: full, value }) => ({ full, value, short: full.slice(prefix.length) }))
    .filter(({ short }) => short !== "" && !short.endsWith("/")) // what Consul's page makes for a folder
    .filter(({ short }) => which === "all" || !short.includes("/"))
    .map(({ full, short, value }) => struct("KeyPair", { Path: full, Key: short, Value: value }));
}

function keyPath(path: Value | undefined): string {
  const text = textArgument(path, "a key");
  if (/@[\w.-]+$/.test(text))
    throw new TemplateError(`${text}: keys of another datacenter are not read`);
  return text.replace(/^\/+/, "");
}

function file({ ask, noFiles }: CatalogueParts, path: Value | undefined): Value {
  const name = textArgument(path, "file");
  if (noFiles !== null) throw new TemplateError(`file ${name}: ${noFiles}`);
  const found = ask({ kind: "file", path: name });
  if (found === null) return "";
  if ("problem" in found) throw new TemplateError(`file ${name}: ${found.problem}`);
  return found.text;
}

/** `hostPort .Address .Port`: with brackets around an IPv6 address. */
function address([host, port]: readonly Value[]): Value {
  const number = numberIn(port ?? null);
  if (number === null) throw new TemplateError(`hostPort wants a port, not ${describe(port)}`);
  return hostPort(textArgument(host, "hostPort"), number);
}
