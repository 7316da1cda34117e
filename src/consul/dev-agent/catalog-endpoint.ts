// /v1/catalog/… and /v1/health/…: what is registered anywhere, and how it is.
import {
  nameIndexOf,
  putCheck,
  putNode,
  putService,
  removeCheck,
  removeNode,
  removeService,
} from "./catalog.ts";
import {
  json,
  notAllowed,
  objectAt,
  parseObject,
  stringAt,
  stringsAt,
  text,
  type Call,
  type Query,
  type Reply,
} from "./reply.ts";
import {
  DATACENTER,
  idOf,
  write,
  type CatalogNode,
  type CatalogService,
  type Check,
  type CheckStatus,
  type State,
} from "./state.ts";

export const weights = { Passing: 1, Warning: 1 };

export function printedCheck(check: Check): unknown {
  return {
    Node: check.node,
    CheckID: check.id,
    Name: check.name,
    Status: check.status,
    Notes: check.notes,
    Output: check.output,
    ServiceID: check.serviceId,
    ServiceName: check.serviceName,
    ServiceTags: check.serviceTags,
    Type: check.probe?.kind ?? (check.ttlMs === null ? "" : "ttl"),
    Definition: {},
    CreateIndex: check.createIndex,
    ModifyIndex: check.modifyIndex,
  };
}

function printedNode(node: CatalogNode): Record<string, unknown> {
  return {
    ID: node.id,
    Node: node.name,
    Address: node.address,
    Datacenter: DATACENTER,
    TaggedAddresses: node.taggedAddresses,
    Meta: node.meta,
    CreateIndex: node.createIndex,
    ModifyIndex: node.modifyIndex,
  };
}

function printedService(service: CatalogService): unknown {
  return {
    ID: service.id,
    Service: service.name,
    Tags: service.tags,
    Address: service.address,
    Meta: service.meta,
    Port: service.port,
    Weights: weights,
    EnableTagOverride: false,
    CreateIndex: service.createIndex,
    ModifyIndex: service.modifyIndex,
  };
}

/** A blocking read of the catalog. */
function catalogQuery(run: Query["run"]): Query {
  return { run, concerns: ({ topics }) => topics.has("catalog") };
}

function found(json: unknown, index: number): Reply & { readonly index: number } {
  return { status: 200, json, index };
}

/** The instances of a service, by node and id, perhaps only those with a tag. */
function instancesOf(state: State, name: string, tag: string | null): CatalogService[] {
  const instances = [...state.services.values()].filter(
    (service) => service.name === name && (tag === null || hasTag(service, tag)),
  );
  return instances.sort((a, b) => (idOf(a.node, a.id) < idOf(b.node, b.id) ? -1 : 1));
}

function hasTag(service: CatalogService, tag: string): boolean {
  return service.tags.some((it) => it.toLowerCase() === tag.toLowerCase());
}

function byCheckId(a: Check, b: Check): number {
  return a.id < b.id ? -1 : 1;
}

export function healthService(state: State, call: Call): Reply | Query {
  if (call.method !== "GET") return notAllowed(call.method);
  if (call.rest === "") return text(400, "Missing service name");
  const passing = call.query.has("passing") && call.query.get("passing") !== "false";
  return catalogQuery(() => {
    const list = [];
    for (const service of instancesOf(state, call.rest, call.query.get("tag"))) {
      const checks = [...state.checks.values()].filter(
        ({ node, serviceId }) =>
          node === service.node && (serviceId === service.id || serviceId === ""),
      );
      if (passing && checks.some((check) => check.status !== "passing")) continue;
      const node = state.nodes.get(service.node);
      const first = checks.filter((check) => check.serviceId === "").sort(byCheckId);
      const own = checks.filter((check) => check.serviceId !== "").sort(byCheckId);
      list.push({
        Node: node ? printedNode(node) : null,
        Service: printedService(service),
        Checks: [...first, ...own].map(printedCheck),
      });
    }
    return found(list, nameIndexOf(state, call.rest));
  });
}

export function healthNode(state: State, call: Call): Reply | Query {
  return checkQuery(state, call, (check) => check.node === call.rest);
}

export function healthChecks(state: State, call: Call): Reply | Query {
  return checkQuery(state, call, (check) => check.serviceName === call.rest);
}

export function healthState(state: State, call: Call): Reply | Query {
  return checkQuery(state, call, (check) => call.rest === "any" || check.status === call.rest);
}

function checkQuery(state: State, call: Call, wanted: (check: Check) => boolean): Reply | Query {
  if (call.method !== "GET") return notAllowed(call.method);
  return catalogQuery(() => {
    const checks = [...state.checks.values()].filter(wanted);
    checks.sort((a, b) => (idOf(a.node, a.id) < idOf(b.node, b.id) ? -1 : 1));
    return found(checks.map(printedCheck), state.checkIndex);
  });
}

export function catalogNodes(state: State, call: Call): Reply | Query {
  if (call.method !== "GET") return notAllowed(call.method);
  return catalogQuery(() => found([...state.nodes.values()].map(printedNode), state.nodeIndex));
}

export function catalogServices(state: State, call: Call): Reply | Query {
  if (call.method !== "GET") return notAllowed(call.method);
  return catalogQuery(() => {
    const tags: Record<string, string[]> = {};
    for (const service of state.services.values()) {
      const seen = (tags[service.name] ??= []);
      for (const tag of service.tags) if (!seen.includes(tag)) seen.push(tag);
    }
    return found(tags, Math.max(state.serviceIndex, state.nodeIndex));
  });
}

export function catalogService(state: State, call: Call): Reply | Query {
  if (call.method !== "GET") return notAllowed(call.method);
  if (call.rest === "") return text(400, "Missing service name");
  return catalogQuery(() => {
    const list = instancesOf(state, call.rest, call.query.get("tag")).map((service) => {
      const node = state.nodes.get(service.node);
      const { Meta, ...ofNode } = node ? printedNode(node) : { Meta: null };
      return {
        ...ofNode,
        NodeMeta: Meta,
        ServiceID: service.id,
        ServiceName: service.name,
        ServiceTags: service.tags,
        ServiceAddress: service.address,
        ServiceWeights: weights,
        ServiceMeta: service.meta,
        ServicePort: service.port,
        ServiceEnableTagOverride: false,
        CreateIndex: service.createIndex,
        ModifyIndex: service.modifyIndex,
      };
    });
    return found(list, nameIndexOf(state, call.rest));
  });
}

export function catalogRegister(state: State, call: Call): Reply {
  if (call.method !== "PUT") return notAllowed(call.method);
  const body = parseObject(call.body);
  if (typeof body === "string") return text(400, body);
  const node = stringAt(body, "Node");
  if (node === "") return text(500, "Must provide node");
  const address = stringAt(body, "Address");
  if (address === "") return text(500, "Must provide address if SkipNodeUpdate is not set");
  const service = objectAt(body, "Service");
  const check = objectAt(body, "Check");
  const several = (objectAt(body, "Checks") ?? []) as readonly Record<string, unknown>[];
  write(state, (at) => {
    const meta = objectAt(body, "NodeMeta") as Record<string, string> | null;
    const id = stringAt(body, "ID");
    putNode(state, at, { id, name: node, address, taggedAddresses: null, meta });
    if (service) registerService(state, at, node, service, call.now);
    for (const it of [...(check ? [check] : []), ...several])
      registerCheck(state, at, node, it, call.now);
  });
  return json(true);
}

function registerService(
  state: State,
  index: number,
  node: string,
  given: Readonly<Record<string, unknown>>,
  now: number,
): void {
  const name = stringAt(given, "Service");
  const service = {
    node,
    id: stringAt(given, "ID") || name,
    name,
    tags: stringsAt(given, "Tags") ?? [],
    address: stringAt(given, "Address"),
    port: Number(given["Port"] ?? 0),
    meta: objectAt(given, "Meta") as Record<string, string> | null,
    local: false,
  };
  putService(state, index, service, now);
}

function registerCheck(
  state: State,
  index: number,
  node: string,
  given: Readonly<Record<string, unknown>>,
  now: number,
): void {
  const service = state.services.get(idOf(node, stringAt(given, "ServiceID")));
  const name = stringAt(given, "Name");
  const check = {
    node,
    id: stringAt(given, "CheckID") || name,
    name,
    status: (stringAt(given, "Status") || "critical") as CheckStatus,
    notes: stringAt(given, "Notes"),
    output: stringAt(given, "Output"),
    serviceId: stringAt(given, "ServiceID"),
    serviceName: service?.name ?? "",
    serviceTags: service?.tags ?? [],
    ttlMs: null,
    local: false,
  };
  putCheck(state, index, check, now);
}

/** Unlike here, a real agent registers its own services again when they are taken out of the catalog. */
export function catalogDeregister(state: State, call: Call): Reply {
  if (call.method !== "PUT") return notAllowed(call.method);
  const body = parseObject(call.body);
  if (typeof body === "string") return text(400, body);
  const node = stringAt(body, "Node");
  if (node === "") return text(500, "Must provide node");
  const serviceId = stringAt(body, "ServiceID");
  const checkId = stringAt(body, "CheckID");
  write(state, (at) => {
    if (serviceId !== "") removeService(state, at, node, serviceId, call.now);
    else if (checkId !== "") removeCheck(state, at, node, checkId, call.now);
    else removeNode(state, at, node, call.now);
  });
  return json(true);
}
