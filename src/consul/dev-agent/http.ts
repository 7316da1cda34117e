// HTTP around the state: routes, blocking queries, headers. Every answer waits until all that it may have seen is on
// disk, so nobody acts on a key that a crash could take back. Loopback only; it knows no tokens and asks for none.
import { messageOf } from "../../errors.ts";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import {
  agentChecks,
  agentSelf,
  agentServices,
  checkDeregister,
  checkRegister,
  checkReport,
  checkUpdate,
  serviceDeregister,
  serviceRegister,
  statusLeader,
} from "./agent-endpoint.ts";
import { createBlocking } from "./blocking.ts";
import { expire, nextDeadline, putCheck } from "./catalog.ts";
import {
  catalogDeregister,
  catalogNodes,
  catalogRegister,
  catalogService,
  catalogServices,
  healthChecks,
  healthNode,
  healthService,
  healthState,
} from "./catalog-endpoint.ts";
import type { Journal } from "./journal.ts";
import { kvEndpoint, txnEndpoint, VALUE_MAX_BYTES } from "./kv-endpoint.ts";
import { createProber, type Outcome } from "./probe.ts";
import { text, type Call, type Endpoint, type Reply } from "./reply.ts";
import {
  sessionCreate,
  sessionDestroy,
  sessionInfo,
  sessionList,
  sessionNode,
  sessionRenew,
} from "./session-endpoint.ts";
import { DATACENTER, drain, idOf, write, type Check, type State } from "./state.ts";

/** By longest match; a name that ends in a slash takes what follows it as its argument. */
const ROUTES: Readonly<Record<string, Endpoint>> = {
  "kv/": kvEndpoint,
  txn: txnEndpoint,
  "session/create": sessionCreate,
  "session/destroy/": sessionDestroy,
  "session/renew/": sessionRenew,
  "session/info/": sessionInfo,
  "session/node/": sessionNode,
  "session/list": sessionList,
  "agent/self": agentSelf,
  "agent/services": agentServices,
  "agent/checks": agentChecks,
  "agent/service/register": serviceRegister,
  "agent/service/deregister/": serviceDeregister,
  "agent/check/register": checkRegister,
  "agent/check/deregister/": checkDeregister,
  "agent/check/pass/": checkReport("passing"),
  "agent/check/warn/": checkReport("warning"),
  "agent/check/fail/": checkReport("critical"),
  "agent/check/update/": checkUpdate,
  "status/leader": statusLeader,
  "catalog/services": catalogServices,
  "catalog/service/": catalogService,
  "catalog/nodes": catalogNodes,
  "catalog/register": catalogRegister,
  "catalog/deregister": catalogDeregister,
  "health/service/": healthService,
  "health/checks/": healthChecks,
  "health/node/": healthNode,
  "health/state/": healthState,
};

/** A body longer than this is not even read. */
const BODY_MAX_BYTES = 2 * VALUE_MAX_BYTES;
/** setTimeout takes no longer delay. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** The HTTP server over a state, not yet listening, and what must be told to stop with it. */
export function createAgentServer(
  state: State,
  journal: Journal,
): { readonly server: Server; readonly advance: () => void; readonly stop: () => void } {
  const blocking = createBlocking();
  const prober = createProber((check, outcome) => {
    noteOutcome(state, check, outcome);
    settle();
  });
  const clock = { timer: undefined as NodeJS.Timeout | undefined };

  /** Journals what changed, wakes who waits for it, and sets the timer of the next TTL. */
  function settle(): void {
    const change = drain(state);
    journal.reserve(state.index);
    if (change !== null) {
      if (change.keys.size > 0)
        journal.append([...change.keys].map((key) => [key, state.kv.get(key) ?? null]));
      blocking.wake(change);
      prober.run(state.checks.values());
    }
    if (journal.isGrown()) journal.rewrite(state.kv.values(), state.index);
    clearTimeout(clock.timer);
    const next = nextDeadline(state);
    if (next === null) return;
    const delay = Math.min(Math.max(0, Math.ceil(next - now())), TIMER_MAX_MS);
    clock.timer = setTimeout(advance, delay);
  }

  /** What is overdue turns critical. */
  function advance(): void {
    expire(state, now());
    settle();
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<Reply> {
    const url = urlOf(request);
    const body = await bodyOf(request);
    if (body === null) return text(413, "Request body too large");
    const route = routeOf(url.pathname);
    if (route === null) return { status: 404 };
    expire(state, now());
    const method = request.method ?? "GET";
    const wanted = url.searchParams.get("dc") ?? "";
    if (wanted !== "" && wanted !== DATACENTER && !url.pathname.startsWith("/v1/agent/"))
      return text(500, "No path to datacenter");
    const call: Call = { method, rest: route.rest, query: url.searchParams, body, now: now() };
    const answer = route.endpoint(state, call);
    settle();
    if (!("run" in answer)) return answer;
    return blocking.answer(answer, url.searchParams, (free) => response.once("close", free));
  }

  const server = createServer((request, response) => {
    void answerWith(response, request, journal, serve(request, response));
  });
  const stop = (): void => {
    clearTimeout(clock.timer);
    prober.stop();
    blocking.clear();
  };
  return { server, advance, stop };
}

/** Not before all that the answer may have seen is on disk; a failed journal answers nothing any more. Never rejects. */
async function answerWith(
  response: ServerResponse,
  request: IncomingMessage,
  journal: Journal,
  coming: Promise<Reply>,
): Promise<void> {
  try {
    const reply = await coming;
    await journal.settled();
    respond(response, urlOf(request), reply);
  } catch (error) {
    // A broken request or disk must not end the agent: the client sees what happened.
    if (!response.headersSent) respond(response, urlOf(request), text(500, messageOf(error)));
  }
}

/** A check that is gone by now is left alone. */
function noteOutcome(state: State, { node, id }: Check, { status, output }: Outcome): void {
  const check = state.checks.get(idOf(node, id));
  if (check === undefined) return;
  write(state, (at) => putCheck(state, at, { ...check, status, output }, now()));
}

/** Never throws: a target such as "//" is a path to nowhere, not a host. */
function urlOf({ url = "/" }: IncomingMessage): URL {
  return new URL(`http://localhost${url.startsWith("/") ? url : "/"}`);
}

function now(): number {
  return performance.now();
}

function routeOf(path: string): { readonly endpoint: Endpoint; readonly rest: string } | null {
  if (!path.startsWith("/v1/")) return null;
  const decoded = decodeURIComponent(path.slice("/v1/".length));
  const exact = ROUTES[decoded];
  if (exact !== undefined) return { endpoint: exact, rest: "" };
  for (let cut = decoded.length; cut > 0; cut = decoded.lastIndexOf("/", cut - 2) + 1) {
    const endpoint = ROUTES[decoded.slice(0, cut)];
    if (endpoint !== undefined && decoded[cut - 1] === "/")
      return { endpoint, rest: decoded.slice(cut) };
  }
  return null;
}

/** The whole body, or null when it is too long. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= BODY_MAX_BYTES) chunks.push(chunk);
  }
  return bytes > BODY_MAX_BYTES ? null : Buffer.concat(chunks);
}

function respond(response: ServerResponse, url: URL, reply: Reply): void {
  if (reply.index !== undefined) {
    response.setHeader("X-Consul-Index", reply.index);
    response.setHeader("X-Consul-Knownleader", "true");
    response.setHeader("X-Consul-Lastcontact", "0");
  }
  const [type, body] = bodyAndType(reply, url.searchParams.has("pretty"));
  if (type !== null) response.setHeader("Content-Type", type);
  response.setHeader("Content-Length", Buffer.byteLength(body));
  response.writeHead(reply.status).end(body);
}

function bodyAndType(reply: Reply, pretty: boolean): [string | null, string | Buffer] {
  if (reply.json !== undefined)
    return ["application/json", JSON.stringify(reply.json, null, pretty ? 4 : 0)];
  if (reply.text !== undefined) return ["text/plain; charset=utf-8", reply.text];
  if (reply.raw !== undefined) return ["text/plain", reply.raw];
  return [null, ""];
}
