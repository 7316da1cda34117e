// The socket on which a running `up` takes orders from the other verbs, because only it can be the parent of agents.
//
//   GET  /v1/cluster       {pid, nodes: [{name, pid}]}        POST /v1/start {name}   {name, pid}
//   POST /v1/add {name}    {name, pid}                        POST /v1/stop           202
import { AutopilotError, messageOf } from "../errors.ts";
import { listenOnSocket } from "../runtime/control.ts";
import { makeJsonServer, type Answer, type JsonRequest } from "../runtime/json-server.ts";

export type UpFacts = {
  readonly pid: number;
  readonly nodes: readonly { readonly name: string; readonly pid: number | null }[];
};

export type NodeStarted = { readonly name: string; readonly pid: number };

export type OrderTakers = {
  facts(): UpFacts;
  /** Errors: UsageError for an unknown node or one that runs. */
  start(name: string): Promise<NodeStarted>;
  /** "": a name is made. */
  add(name: string): Promise<NodeStarted>;
  stop(): void;
};

export async function takeOrders(socket: string, takers: OrderTakers): Promise<AsyncDisposable> {
  const json = makeJsonServer((request) => answer(takers, request));
  await listenOnSocket(json.server, socket);
  return json;
}

async function answer(takers: OrderTakers, request: JsonRequest): Promise<Answer> {
  try {
    switch (`${request.method} ${request.path}`) {
      case "GET /v1/cluster":
        return [200, takers.facts()];
      case "POST /v1/start":
        return [200, await takers.start(nameIn(request.body))];
      case "POST /v1/add":
        return [200, await takers.add(nameIn(request.body))];
      case "POST /v1/stop":
        takers.stop();
        return [202, takers.facts()];
      default:
        return [404, { error: `no ${request.method} ${request.path}` }];
    }
  } catch (error) {
    if (error instanceof AutopilotError) {
      const { code, hint, exitCode } = error;
      return [409, { error: messageOf(error), code, hint, exitCode }];
    }
    throw error;
  }
}

function nameIn(body: string): string {
  const { name } = JSON.parse(body) as { readonly name?: unknown };
  return typeof name === "string" ? name : "";
}
