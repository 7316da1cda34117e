// /v1/agent/… and /v1/status/leader: this agent's own services and their checks. What is registered here is in the
// catalog at once, where a real agent needs some milliseconds.
import { putCheck, putService, removeCheck, removeService, reportCheck } from "./catalog.ts";
import {
  DONE,
  json,
  notAllowed,
  objectAt,
  parseObject,
  stringAt,
  stringsAt,
  text,
  type Call,
  type Reply,
} from "./reply.ts";
import {
  DATACENTER,
  NODE,
  NODE_ADDRESS,
  idOf,
  write,
  type CheckStatus,
  type Probe,
  type State,
} from "./state.ts";
import { printedCheck, weights } from "./catalog-endpoint.ts";
import { isStatus, wishedCheck, type WishedCheck } from "./wished-check.ts";

type Fields = Readonly<Record<string, unknown>>;

export function agentSelf(): Reply {
  const version = { Revision: "", Server: true, Version: "1.8.7" };
  return json({
    Config: { Datacenter: DATACENTER, NodeName: NODE, ...version, Development: true },
    Member: { Name: NODE, Addr: NODE_ADDRESS, Port: 8301, Status: 1 },
    Meta: {},
  });
}

export function statusLeader(): Reply {
  return json(`${NODE_ADDRESS}:8300`);
}

export function agentServices(state: State): Reply {
  const local = [...state.services.values()].filter((service) => service.local);
  const printed = local.map((service) => [
    service.id,
    {
      ID: service.id,
      Service: service.name,
      Tags: service.tags,
      Meta: service.meta ?? {},
      Port: service.port,
      Address: service.address,
      Weights: weights,
      EnableTagOverride: false,
    },
  ]);
  return json(Object.fromEntries(printed));
}

export function agentChecks(state: State): Reply {
  const local = [...state.checks.values()].filter((check) => check.local);
  return json(
    Object.fromEntries(
      local.map((check) => [check.id, printedCheck({ ...check, createIndex: 0, modifyIndex: 0 })]),
    ),
  );
}

export function serviceRegister(state: State, call: Call): Reply {
  if (call.method !== "PUT") return notAllowed(call.method);
  const body = parseObject(call.body);
  if (typeof body === "string") return text(400, body);
  const name = stringAt(body, "Name");
  if (name === "") return text(400, "Missing service name");
  const id = stringAt(body, "ID") || name;
  const single = objectAt(body, "Check");
  const several = (objectAt(body, "Checks") ?? []) as readonly Fields[];
  const given = [...(single ? [single] : []), ...several];
  const wished: WishedCheck[] = [];
  for (const [at, it] of given.entries()) {
    const numbered = given.length > 1 ? `service:${id}:${at + 1}` : `service:${id}`;
    const check = wishedCheck(it, numbered, `Service '${name}' check`);
    if (typeof check === "string") return text(400, check);
    wished.push(check);
  }
  const service = {
    node: NODE,
    id,
    name,
    tags: stringsAt(body, "Tags") ?? [],
    address: stringAt(body, "Address"),
    port: Number(body["Port"] ?? 0),
    meta: objectAt(body, "Meta") as Record<string, string> | null,
    local: true,
  };
  write(state, (at) => {
    putService(state, at, service, call.now);
    for (const check of wished) register(state, at, check, service, call.now);
  });
  return DONE;
}

/** A check that is there already keeps its status and output, as on a real agent; its TTL starts anew. */
function register(
  state: State,
  index: number,
  check: WishedCheck,
  service: { readonly id: string; readonly name: string; readonly tags: readonly string[] } | null,
  now: number,
): void {
  const before = state.checks.get(idOf(NODE, check.id));
  const kept = before?.serviceId === (service?.id ?? "") ? before : undefined;
  putCheck(
    state,
    index,
    {
      node: NODE,
      id: check.id,
      name: check.name,
      status: kept?.status ?? check.status,
      notes: check.notes,
      output: kept?.output ?? "",
      serviceId: service?.id ?? "",
      serviceName: service?.name ?? "",
      serviceTags: service?.tags ?? [],
      ttlMs: check.ttlMs,
      // The same probe goes on: a service that registers itself each second would never be asked otherwise.
      probe: sameProbe(kept?.probe, check.probe),
      dropAfterMs: check.dropAfterMs,
      local: true,
      deadline: check.ttlMs === null ? null : now + check.ttlMs,
    },
    now,
  );
}

function sameProbe(before: Probe | null | undefined, wished: Probe | null): Probe | null {
  return before && JSON.stringify(before) === JSON.stringify(wished) ? before : wished;
}

export function serviceDeregister(state: State, call: Call): Reply {
  if (call.method !== "PUT") return notAllowed(call.method);
  if (call.rest === "") return text(400, "Missing service ID");
  if (state.services.get(idOf(NODE, call.rest))?.local === true)
    write(state, (at) => removeService(state, at, NODE, call.rest, call.now));
  return DONE;
}

export function checkRegister(state: State, call: Call): Reply {
  if (call.method !== "PUT") return notAllowed(call.method);
  const body = parseObject(call.body);
  if (typeof body === "string") return text(400, body);
  const name = stringAt(body, "Name");
  if (name === "") return text(400, "Missing check name");
  const check = wishedCheck(body, name, name);
  if (typeof check === "string") return text(400, check);
  const serviceId = stringAt(body, "ServiceID");
  const service = serviceId === "" ? null : (state.services.get(idOf(NODE, serviceId)) ?? null);
  if (serviceId !== "" && service === null)
    return text(500, `ServiceID "${serviceId}" does not exist`);
  write(state, (at) => register(state, at, check, service, call.now));
  return DONE;
}

export function checkDeregister(state: State, call: Call): Reply {
  if (call.method !== "PUT") return notAllowed(call.method);
  if (state.checks.get(idOf(NODE, call.rest))?.local === true)
    write(state, (at) => removeCheck(state, at, NODE, call.rest, call.now));
  return DONE;
}

/** pass, warn and fail. */
export function checkReport(status: CheckStatus): (state: State, call: Call) => Reply {
  return (state, call) => {
    if (call.method !== "PUT") return notAllowed(call.method);
    return reported(state, call, status, call.query.get("note") ?? "");
  };
}

export function checkUpdate(state: State, call: Call): Reply {
  if (call.method !== "PUT") return notAllowed(call.method);
  const body = parseObject(call.body);
  if (typeof body === "string") return text(400, body);
  const status = stringAt(body, "Status");
  if (!isStatus(status)) return text(400, `Invalid check status: '${status}'`);
  return reported(state, call, status, stringAt(body, "Output"));
}

function reported(state: State, call: Call, status: CheckStatus, note: string): Reply {
  const known = write(state, (at) => reportCheck(state, at, call.rest, status, note, call.now));
  return known ? DONE : text(500, `CheckID "${call.rest}" does not have associated TTL`);
}
