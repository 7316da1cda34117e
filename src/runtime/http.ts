// The agent's HTTP port: /liveness says whether this agent's own loop turns (never whether its server is well), every
// other path is the recipe's, answered from the last tick. Nothing here waits for the supervised server.
import { UnavailableError } from "../errors.ts";
import type { Clock } from "../ports.ts";
import type { LoopFacts } from "./loop.ts";
import { listen, makeJsonServer, type Answer } from "./json-server.ts";

export type HttpParts = {
  readonly clock: Clock;
  /** Address to listen on, and port (0: any free one). */
  readonly host: string;
  readonly port: number;
  readonly facts: () => LoopFacts;
  readonly endpoint: (path: string, query: URLSearchParams) => Answer | null;
};

// The lease keeper stops passing the check after the same time: both say "this agent is dead" together.
const ALIVE_WITHIN_MS = 5_000;

/** Errors: UnavailableError AP_PORT_IN_USE, which names the port. Returns the port that it listens on. */
export async function startHttp(parts: HttpParts): Promise<AsyncDisposable & { port: number }> {
  const json = makeJsonServer(({ method, path, query }) => {
    if (method !== "GET" && method !== "HEAD") return [405, { error: "GET only" }];
    if (path === "/liveness") return liveness(parts.facts(), parts.clock.now());
    return parts.endpoint(path, query) ?? [404, { error: `no endpoint ${path}` }];
  });
  const { host, port } = parts;
  try {
    await listen(json.server, { host, port });
  } catch (error) {
    const why = `the agent's HTTP port ${host}:${port} cannot be listened on`;
    throw new UnavailableError("AP_PORT_IN_USE", why, { cause: error });
  }
  const address = json.server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return { port: bound, [Symbol.asyncDispose]: () => json[Symbol.asyncDispose]() };
}

function liveness({ tick, tickedAt }: LoopFacts, now: number): Answer {
  const ageMs = tickedAt === null ? null : Math.round(now - tickedAt);
  const alive = ageMs !== null && ageMs <= ALIVE_WITHIN_MS;
  return [alive ? 200 : 503, { alive, ageMs, tick }];
}
