// What all parts of the contract of stores share: the server under test, our client on it, Consul's raw HTTP for what the
// ports do not offer, and names that no other test uses.
import { afterAll, beforeAll } from "vitest";
import { connect, consulAt } from "../../src/consul/client.ts";
import { startLease } from "../../src/consul/lease.ts";
import type { LeaseOptions } from "../../src/lease/lease.ts";
import type { Directory, Kv, KvEntry, Lease, Leaser, Service } from "../../src/ports.ts";
import { until } from "./until.ts";

/** A server that answers when `start` resolves. */
export interface ConsulUnderTest extends AsyncDisposable {
  readonly url: string;
  /** Ends it as a crash would, and starts it again with its data. Resolves when it answers. */
  restart(): Promise<void>;
  /** Of a store that is not Consul. */
  readonly other?: {
    connect(): Ports;
    startLease(options: LeaseOptions): Promise<Lease>;
    /** Code of its errors while nobody answers. */
    readonly awayCode: string;
  };
}

/** What a store offers to everything else. */
export type Ports = {
  readonly kv: Kv;
  readonly directory: Directory;
  readonly leaser: Leaser;
  close(): void;
};

export type StartConsul = () => Promise<ConsulUnderTest>;

/** A server may need a fetch from a package mirror first. */
export const START_LIMIT_MS = 120_000;
export const TEST_LIMIT_MS = 90_000;

export type Raw = { readonly status: number; readonly text: string; readonly headers: Headers };

export type Fixture = {
  server(): ConsulUnderTest;
  consul(): Ports;
  startLease(options: LeaseOptions): Promise<Lease>;
  /** Code of an error while nobody answers. */
  awayCode(): string;
  /** A name of its own for this test, ending in a slash when it is to be a prefix. */
  fresh(): string;
  raw(method: string, path: string, body?: string): Promise<Raw>;
  /** A registered service with a passing check of `ttlSeconds`, and a session bound to it. */
  session(ttlSeconds?: number): Promise<{ readonly id: string; readonly service: Service }>;
};

let names = 0;

/** One server for all tests of the suite that calls this. */
export function useConsul(start: StartConsul): Fixture {
  let server: ConsulUnderTest | undefined;
  let consul: Ports | undefined;
  beforeAll(async () => {
    server = await start();
    consul = server.other?.connect() ?? connect(consulAt(server.url));
  }, START_LIMIT_MS);
  afterAll(async () => {
    consul?.close();
    await server?.[Symbol.asyncDispose]();
  }, START_LIMIT_MS);

  const fixture: Fixture = {
    server: () => given(server),
    consul: () => given(consul),
    startLease(options) {
      const { other, url } = given(server);
      return other?.startLease(options) ?? startLease({ ...options, config: consulAt(url) });
    },
    awayCode: () => given(server).other?.awayCode ?? "AP_CONSUL_UNREACHABLE",
    fresh: () => `contract-${process.pid}-${++names}`,
    async raw(method, path, body) {
      const init = body === undefined ? { method } : { method, body };
      const answer = await fetch(`${given(server).url}/v1/${path}`, init);
      return { status: answer.status, text: await answer.text(), headers: answer.headers };
    },
    async session(ttlSeconds = 60) {
      const service = serviceOf(fixture.fresh());
      const { directory, leaser } = fixture.consul();
      await directory.register(service, ttlSeconds);
      // Nobody renews it. A test on a busy machine may need longer than 10 s, which etcd keeps exactly.
      const own = Math.max(10, ttlSeconds);
      const wanted = { name: "contract", serviceId: service.id, ttlSeconds: own };
      const id = await until("the check is in the catalog and a session can have it", async () => {
        await directory.report(service.id, "passing", "");
        return leaser.open(wanted);
      });
      return { id, service };
    },
  };
  return fixture;
}

export function serviceOf(name: string): Service {
  return { id: `${name}-1`, name, address: "127.0.0.1", port: 3306, tags: [], meta: {} };
}

function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the server did not start");
  return value;
}

/** A running watch and all that it delivered. */
export type Watching = {
  readonly seen: (readonly KvEntry[])[];
  readonly errors: unknown[];
  /** Ends it and waits for its end. */
  stop(): Promise<void>;
};

/** Starts a watch and waits for its first delivery. */
export async function watching(consul: Ports, prefix: string): Promise<Watching> {
  const seen: (readonly KvEntry[])[] = [];
  const errors: unknown[] = [];
  const abort = new AbortController();
  const ended = consul.kv.watch(prefix, {
    signal: abort.signal,
    onChange: (entries) => seen.push(entries),
    onError: (error) => errors.push(error),
  });
  await until("the watch delivered once", () => seen.length > 0);
  return {
    seen,
    errors,
    async stop() {
      abort.abort();
      await ended;
    },
  };
}
