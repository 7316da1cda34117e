// The npm `etcd3` package, set up for us: one client for each endpoint, a limit for each request, TLS, user; and every
// failure as one of our errors. Of the package only its requests are used: its retries are switched off, because a
// transaction that was sent twice could find its own first answer, and so are its locks, leases and watches, which go on
// by themselves. When an endpoint does not answer, the next call goes to the next one.
import { Etcd3, type IOptions } from "etcd3";
import { ConfigError, messageOf, UnavailableError } from "../errors.ts";
import type { EtcdConfig } from "./config.ts";

/** A request's limit: the lease is good for 5 s, so four tries fit. */
const REQUEST_TIMEOUT_MS = 1000;
/** A list of all keys of a large cluster; gRPC's own limit is 4 MiB. */
const ANSWER_MAX_BYTES = 64 * 1024 * 1024;
/** etcd ends connections whose clients ping more often than every 5 s. */
const PING_EACH_MS = 6000;
const PING_LIMIT_MS = 2000;
/** How much of etcd's text is repeated in an error. */
const TEXT_MAX = 200;

export type Transport = {
  /** Runs one request at the present endpoint. `what` begins the message of its error. */
  call<T>(what: string, request: (client: Etcd3) => Promise<T>): Promise<T>;
  /** The present endpoint, printable. */
  readonly address: () => string;
  readonly close: () => void;
};

export function createTransport(config: EtcdConfig): Transport {
  const clients = new Map<string, Etcd3>();
  let present = 0;
  let closed = false;
  const endpoint = (): string => config.endpoints[present] ?? "";

  function clientOf(name: string): Etcd3 {
    const known = clients.get(name);
    if (known !== undefined) return known;
    const made = new Etcd3(optionsOf(config, name));
    clients.set(name, made);
    return made;
  }

  /** Its connection may hang, or its token be too old: the next call begins anew. Calls under way end by themselves. */
  function drop(name: string, client: Etcd3): void {
    if (clients.get(name) === client) clients.delete(name);
    client.close();
  }

  return {
    async call(what, request) {
      const name = endpoint();
      if (closed) throw new UnavailableError("AP_ETCD_UNREACHABLE", `etcd: ${what}: closed`);
      const client = clientOf(name);
      try {
        return await request(client);
      } catch (error) {
        const failure = failureOf(error, `etcd at ${name}: ${what}`);
        if ("exitCode" in (error as object)) throw failure;
        drop(name, client);
        const next = (present + 1) % config.endpoints.length;
        if (failure instanceof UnavailableError && endpoint() === name) present = next;
        throw failure;
      }
    },
    address: endpoint,
    close() {
      closed = true;
      for (const client of clients.values()) client.close();
      clients.clear();
    },
  };
}

/** What cockatiel's noop is: the call, once. Written out, because the package wants its policies as objects. */
const ONCE = {
  execute: async <T>(call: (context: unknown) => T): Promise<T> => await call({ signal: NEVER }),
} as unknown as NonNullable<NonNullable<IOptions["faultHandling"]>["global"]>;
const NEVER = new AbortController().signal;

function optionsOf(config: EtcdConfig, endpoint: string): IOptions {
  const { ca, cert, key, user } = config;
  return {
    hosts: [endpoint],
    ...(ca === null && cert === null
      ? {}
      : {
          credentials: {
            // Without one of our own the system's roots are good.
            rootCertificate: (ca === null ? null : Buffer.from(ca)) as Buffer,
            ...(key === null ? {} : { privateKey: Buffer.from(key) }),
            ...(cert === null ? {} : { certChain: Buffer.from(cert) }),
          },
        }),
    ...(user === null ? {} : { auth: { username: user.name, password: user.password } }),
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: deadline() }),
    faultHandling: { host: () => ONCE, global: ONCE },
    grpcOptions: {
      "grpc.max_receive_message_length": ANSWER_MAX_BYTES,
      "grpc.keepalive_time_ms": PING_EACH_MS,
      "grpc.keepalive_timeout_ms": PING_LIMIT_MS,
      // A dropped client takes its connection with it: a new one does not share what hangs.
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_retries": 0,
    },
  };
}

/** When a request that begins now is given up. */
export function deadline(): number {
  return Date.now() + REQUEST_TIMEOUT_MS;
}

const DENIED =
  /permission denied|authentication failed|user name is empty|UNAUTHENTICATED|authentication is not enabled/i;
/** Written by any member that reached its quota, or has an alarm of it. */
const FULL = /database space exceeded/;

/** The package's error as one of ours. The original is not kept as the cause: it may hold the call's metadata. */
function failureOf(error: unknown, what: string): Error {
  if (error instanceof Error && "exitCode" in error) return error;
  const said = messageOf(error)
    .replace(/^(\w+Error: )?(\d+ [A-Z_]+: )?/, "")
    .replace(/ ?Resolution note: *$/, "")
    .slice(0, TEXT_MAX);
  const why = `${what}: ${said}`;
  if (DENIED.test(said)) return new ConfigError("AP_ETCD_DENIED", why);
  if (FULL.test(said)) return new UnavailableError("AP_ETCD_FULL", why);
  return new UnavailableError("AP_ETCD_UNREACHABLE", why);
}
