// The control socket of one agent: HTTP over a unix socket that only its owner may open (0600). It tells what the agent
// is doing and takes the one order that is the agent's own: stop. Everything about the cluster goes through Consul.
//
//   GET /v1/ping    {pid, node}            GET /v1/events?since=SEQ[&wait=MS]   {pid, events, last}
//   GET /v1/status  {pid, node, …}         POST /v1/stop                        202
import { chmodSync, lstatSync, rmSync } from "node:fs";
import { connect } from "node:net";
import type { Server } from "node:http";
import { ConfigError, UnavailableError } from "../errors.ts";
import type { Clock } from "../ports.ts";
import type { Bus } from "./bus.ts";
import { listen, makeJsonServer, type Answer, type JsonRequest } from "./json-server.ts";

export type ControlParts = {
  readonly path: string;
  readonly node: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly status: () => Readonly<Record<string, unknown>>;
  readonly stop: () => void;
};

// Below the 60 s after which clients and their proxies tend to give up.
const LONGEST_WAIT_MS = 30_000;

/** Errors: UnavailableError AP_NODE_RUNNING when another agent answers on this socket. A dead one's is replaced. */
export async function startControl(parts: ControlParts): Promise<AsyncDisposable> {
  const json = makeJsonServer((request) => answer(parts, request));
  await listenOnSocket(json.server, parts.path);
  return json;
}

function answer(parts: ControlParts, request: JsonRequest): Answer | Promise<Answer> {
  const who = { pid: process.pid, node: parts.node };
  switch (`${request.method} ${request.path}`) {
    case "GET /v1/ping":
      return [200, who];
    case "GET /v1/status":
      return [200, { ...who, ...parts.status() }];
    case "GET /v1/events":
      return events(parts, request);
    case "POST /v1/stop":
      parts.stop();
      return [202, who];
    default:
      return [404, { error: `no ${request.method} ${request.path}` }];
  }
}

async function events({ bus, clock }: ControlParts, request: JsonRequest): Promise<Answer> {
  const since = Number(request.query.get("since") ?? 0);
  const wait = Math.min(Number(request.query.get("wait") ?? 0), LONGEST_WAIT_MS);
  if (!Number.isFinite(since) || !Number.isFinite(wait))
    return [400, { error: "since and wait are numbers" }];
  if (bus.since(since).length === 0 && wait > 0) {
    const some = new AbortController();
    const unsubscribe = bus.subscribe(() => some.abort());
    const over = AbortSignal.any([some.signal, request.signal]);
    // Ends early by an event, or by the client's going away: either way the answer below is right.
    await clock.sleep(wait, over).catch(() => undefined);
    unsubscribe();
  }
  const found = bus.since(since);
  return [200, { pid: process.pid, events: found, last: found.at(-1)?.seq ?? since }];
}

/** Binds `server` to a unix socket of mode 0600, in place of one that nobody answers on. */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  if (await answers(path)) {
    const why = `another process answers on the socket ${path}`;
    throw new UnavailableError("AP_NODE_RUNNING", why);
  }
  removeStale(path);
  // The socket is made inside listen(), so nobody can open it before the chmod.
  const before = process.umask(0o177);
  const listening = listen(server, { path });
  process.umask(before);
  await listening;
  chmodSync(path, 0o600);
}

function removeStale(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (found.isSocket()) return rmSync(path, { force: true });
  const why = `the control socket's path ${path} is taken by something that is no socket`;
  throw new ConfigError("AP_CONFIG_INVALID", why, { hint: "name another controlSocket" });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false)); // ENOENT, or ECONNREFUSED: its process is gone
  });
}
