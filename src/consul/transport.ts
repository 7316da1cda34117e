// The npm `consul` package, set up for us: keep-alive, one client for requests and one for blocking queries so that
// the latter never take a request's place, TLS, token; and every failure as one of our errors. When an address does
// not answer, the next call goes to the next one; nothing is ever sent twice by itself.
import ConsulPackage from "consul";
import { ConfigError, messageOf, UnavailableError } from "../errors.ts";
import { freshToken } from "./token.ts";
import { printAddress, type ConsulAddress, type ConsulConfig } from "./config.ts";

// Importing node:http as a module evaluates its lazy exports, WebSocket among them: 13 MB that nobody uses.
const { Agent: HttpAgent } = process.getBuiltinModule("node:http");
const { Agent: HttpsAgent } = process.getBuiltinModule("node:https");

/** A request's limit: the lease is good for 5 s, so four tries fit. */
export const REQUEST_TIMEOUT_MS = 1000;
/** More requests at once than this wait for each other. */
const SOCKETS_MAX = 16;
/** A peer that vanished without a word is noticed by TCP keep-alive after about 10 probes, one per second. */
const KEEP_ALIVE_MS = 1000;
/** How much of Consul's text is repeated in an error. */
const TEXT_MAX = 200;

export type Client = InstanceType<typeof ConsulPackage>;

export type Transport = {
  /** Runs one request on the present address. `what` begins the message of its error. */
  call<T>(what: string, request: (client: Client) => Promise<T>): Promise<T>;
  /** The same for a blocking query, which brings its own limit. */
  block<T>(what: string, request: (client: Client) => Promise<T>): Promise<T>;
  /** The present address, printable. */
  readonly address: () => string;
  readonly close: () => void;
};

/** What the package's errors carry beyond Error, when Consul did answer. */
export type Answered = {
  readonly statusCode: number;
  readonly text: string;
  readonly body: unknown;
};

export function createTransport(given: ConsulConfig): Transport {
  let config = given;
  let peers = peersOf(config);
  const retired: typeof peers = [];
  let present = 0;

  /** The next call brings the new token; what is under way keeps its connection until it ends. */
  function renewToken(): void {
    const token = freshToken(config);
    if (token === config.token) return;
    config = { ...config, token };
    retired.push(...peers);
    peers = peersOf(config);
  }

  async function run<T>(
    kind: "requests" | "queries",
    what: string,
    request: (client: Client) => Promise<T>,
  ): Promise<T> {
    const at = present;
    const peer = peers[at];
    if (peer === undefined) throw new ConfigError("AP_CONFIG_INVALID", "consul: no address");
    try {
      return await request(peer[kind]);
    } catch (error) {
      const failure = failureOf(error, `consul at ${peer.name}: ${what}`);
      if (failure instanceof UnavailableError && present === at) present = (at + 1) % peers.length;
      if (answerOf(error)?.statusCode === 403) renewToken();
      throw failure;
    }
  }

  return {
    call: (what, request) => run("requests", what, request),
    block: (what, request) => run("queries", what, request),
    address: () => peers[present]?.name ?? "",
    close() {
      for (const { requests, queries } of [...retired, ...peers]) {
        requests.destroy();
        queries.destroy();
      }
    },
  };
}

function peersOf(config: ConsulConfig) {
  return config.addresses.map((address) => ({
    name: printAddress(address),
    requests: createClient(config, address, SOCKETS_MAX),
    queries: createClient(config, address, Infinity),
  }));
}

function createClient(config: ConsulConfig, address: ConsulAddress, maxSockets: number): Client {
  const agentOptions = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxSockets };
  const tls = {
    ...(config.ca === null ? {} : { ca: config.ca }),
    ...(config.cert === null ? {} : { cert: config.cert }),
    ...(config.key === null ? {} : { key: config.key }),
    ...(config.serverName === null ? {} : { servername: config.serverName }),
    rejectUnauthorized: config.verify,
  };
  const agent = address.secure
    ? new HttpsAgent({ ...agentOptions, ...tls })
    : new HttpAgent(agentOptions);
  // The package hands these on to node:http; its type declarations do not know the last two.
  const options = {
    host: address.host.includes(":") ? `[${address.host}]` : address.host,
    port: address.port,
    secure: address.secure,
    agent,
    ...(config.token === null ? {} : { defaults: { token: config.token } }),
    timeout: REQUEST_TIMEOUT_MS,
    ...(address.socketPath === null ? {} : { socketPath: address.socketPath }),
  };
  return new ConsulPackage(options);
}

/** What Consul answered with an error of the package, or null when it did not answer. */
export function answerOf(error: unknown): Answered | null {
  const response = (error as { response?: { statusCode?: number; body?: unknown } } | null)
    ?.response;
  if (typeof response?.statusCode !== "number") return null;
  const text = typeof response.body === "string" ? response.body.slice(0, TEXT_MAX) : "";
  return { statusCode: response.statusCode, text, body: response.body };
}

/**
 * The package's error as one of ours. The original is not kept as the cause: it holds the request with the token in
 * its headers. Ours, thrown by a request itself, pass.
 */
function failureOf(error: unknown, what: string): Error {
  if (error instanceof Error && "exitCode" in error) return error;
  const answer = answerOf(error);
  const said = answer === null || answer.text === "" ? messageOf(error) : answer.text;
  const why = `${what}: ${said.replaceAll(/\s*\n\s*/g, " ")}`;
  return answer?.statusCode === 403
    ? new ConfigError("AP_CONSUL_DENIED", why)
    : new UnavailableError("AP_CONSUL_UNREACHABLE", why);
}
