// Each of the lease's calls as one request to Consul, and Consul's answer in the words of core/lease.ts.
// It knows Consul 1.8's texts, which stand where later versions have status codes.
import type { LeaseAnswer, LeaseCall } from "../core/lease.ts";
import type { LeaseStore, LeaseTarget } from "../lease/keeper.ts";
import type { ConsulConfig } from "./config.ts";
import { request, type HttpAnswer } from "./lease-http.ts";
import { freshToken } from "./token.ts";

const REQUEST_TIMEOUT_MS = 1000;
/** How much of Consul's text is repeated in an error. */
const TEXT_MAX = 200;

export function consulLeaseStore(given: ConsulConfig): LeaseStore {
  let config = given;
  return {
    addresses: config.addresses.length,
    async perform(call, target) {
      const answer = await perform(config, call, target);
      if (!answer.ok && answer.because === "denied")
        config = { ...config, token: freshToken(config) };
      return answer;
    },
  };
}

async function perform(
  config: ConsulConfig,
  call: LeaseCall,
  target: LeaseTarget,
): Promise<LeaseAnswer> {
  const at = call.do === "forget" ? call.address : target.address;
  const address = config.addresses[at];
  if (address === undefined) return failed("unreachable", "no such address");
  const [path, body] = requestOf(call, target);
  const where = address.socketPath ?? `${address.host}:${address.port}`;
  try {
    const answer = await request(config, address, path, body, REQUEST_TIMEOUT_MS);
    return meaningOf(call, answer, where);
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    // A failed connect to several addresses of a name has no message of its own.
    return failed("unreachable", `consul at ${where}: ${call.do}: ${message || code}`);
  }
}

function requestOf(call: LeaseCall, target: LeaseTarget): [path: string, body: string] {
  const { service, key } = target;
  const id = encodeURIComponent(service.id);
  switch (call.do) {
    case "register":
      return ["/v1/agent/service/register", JSON.stringify(serviceBody(target))];
    case "pass":
      return [`/v1/agent/check/pass/service:${id}`, ""];
    case "open":
      return ["/v1/session/create", JSON.stringify(sessionBody(target))];
    case "destroy":
      return [`/v1/session/destroy/${call.session}`, ""];
    case "renew":
      return [`/v1/session/renew/${call.session}`, ""];
    case "acquire": {
      const { key: name, value } = key ?? { key: "", value: "" };
      const path = name.split("/").map(encodeURIComponent).join("/");
      if (call.first) return [`/v1/kv/${path}?acquire=${call.session}`, value];
      // Linearizable, as a write would be; and it can neither take the key back nor touch its value.
      const check = { KV: { Verb: "check-session", Key: name, Session: call.session } };
      return ["/v1/txn?consistent", JSON.stringify([check])];
    }
    case "uncatalog":
      return ["/v1/catalog/deregister", JSON.stringify({ Node: call.node, ServiceID: service.id })];
    case "forget":
      return [`/v1/agent/service/deregister/${id}`, ""];
  }
}

function serviceBody({ service, checkTtlMs }: LeaseTarget): object {
  const { id, name, address, port, tags, meta } = service;
  return {
    ID: id,
    Name: name,
    Address: address,
    Port: port,
    Tags: tags,
    Meta: meta,
    Check: {
      CheckID: `service:${id}`,
      Name: `Service '${name}' check`,
      TTL: `${checkTtlMs}ms`,
      // A session cannot be bound to a critical check, and the first pass follows at once.
      Status: "passing",
    },
  };
}

/** No node checks: a lost gossip packet must not cost the lock. No lock-delay: the epoch protects, not time. */
function sessionBody({ service, sessionTtlMs }: LeaseTarget): object {
  return {
    Name: service.id,
    TTL: `${sessionTtlMs / 1000}s`,
    LockDelay: "0s",
    Behavior: "release",
    NodeChecks: [],
    ServiceChecks: [{ ID: `service:${service.id}` }],
  };
}

function meaningOf(call: LeaseCall, { status, body }: HttpAnswer, where: string): LeaseAnswer {
  const why = `consul at ${where}: ${call.do}: ${textOf(status, body)}`;
  if (status === 200) return success(call, body, why);
  if (status === 403) return failed("denied", `AP_CONSUL_DENIED: ${why}`);
  if (call.do === "renew" && status === 404) return failed("no-session", why);
  if (call.do === "acquire" && /invalid session/.test(body)) return failed("no-session", why);
  if (call.do === "pass" && (status === 404 || /does not have associated TTL/.test(body)))
    return failed("no-check", why);
  if (call.do === "open" && /Missing check|critical state/.test(body))
    return failed("not-yet", why);
  if (call.do === "acquire" && status === 409) return failed("not-held", why);
  return failed("unreachable", why);
}

function textOf(status: number, body: string): string {
  const text = body.slice(0, TEXT_MAX).replaceAll(/\s+/g, " ").trim();
  return text === "" ? `status ${status}` : text;
}

function success(call: LeaseCall, body: string, why: string): LeaseAnswer {
  try {
    if (call.do === "open") {
      const { ID } = JSON.parse(body) as { readonly ID: string };
      return { ok: true, session: ID };
    }
    if (call.do === "renew") {
      const [info] = JSON.parse(body) as readonly { readonly Node: string }[];
      return info === undefined ? failed("no-session", why) : { ok: true, node: info.Node };
    }
  } catch {
    // Something between us and Consul answers in its place.
    return failed("unreachable", why);
  }
  if (call.do === "acquire" && call.first && body.trim() !== "true")
    return failed("not-held", `${why}: the key is held by another session`);
  return { ok: true };
}

function failed(because: Extract<LeaseAnswer, { ok: false }>["because"], why: string): LeaseAnswer {
  return { ok: false, because, why };
}
