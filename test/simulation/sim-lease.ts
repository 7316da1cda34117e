// The Lease port: the product's own pure keeper (src/core/lease.ts) in a thread of its own, as lease-worker.ts runs it,
// its requests on the simulated Consul.
import {
  putCheck,
  putService,
  removeService,
  reportCheck,
} from "../../src/consul/dev-agent/catalog.ts";
import { lockKey } from "../../src/consul/dev-agent/keys.ts";
import { renewSession } from "../../src/consul/dev-agent/sessions.ts";
import { NODE, write } from "../../src/consul/dev-agent/state.ts";
import {
  afterCall,
  CHECK_TTL_MS,
  leaseView,
  nextCall,
  SESSION_TTL_MS,
  startLeaseState,
  wakeAt,
  wishKey,
  type LeaseAnswer,
  type LeaseCall,
} from "../../src/core/lease.ts";
import { ConfigError } from "../../src/errors.ts";
import type { Clock, Lease, LeaseView } from "../../src/ports.ts";
import { destroySession, openSession } from "./sim-kv.ts";
import type { Caller, Request, SimConsul } from "./sim-consul.ts";
import type { Life } from "./world.ts";

type HeldKey = { readonly key: string; readonly value: string } | null;

type Parts = {
  readonly consul: SimConsul;
  readonly node: string;
  readonly serviceId: string;
  /** The agent's main thread, and the keeper's own. */
  readonly main: Life;
  readonly thread: Life;
  readonly clock: Clock;
  readonly onChange: () => void;
};

/** A message between two threads. */
const MESSAGE_MS = 0.02;

export function startSimLease(parts: Parts): Lease {
  const { consul, main, thread, clock, onChange } = parts;
  const { world } = consul;
  const caller: Caller = { node: parts.node, life: thread };
  let state = startLeaseState(1, clock.now());
  let published: LeaseView = leaseView(state);
  let tickedAt = clock.now();
  let key: HeldKey = null;
  let told = "";
  let stopping = false;
  let calling: LeaseCall["do"] | null = null;
  let waiting: (() => void)[] = [];
  let interrupt: (() => void) | null = null;
  let gone: () => void = () => {};
  const ended = new Promise<void>((resolve) => (gone = resolve));

  const publish = (): void => {
    published = leaseView(state);
    const worth = JSON.stringify([
      published.session,
      published.heldUntil !== null,
      published.error,
    ]);
    if (worth === told) return;
    told = worth;
    world.after(MESSAGE_MS, main, onChange);
  };
  const sleepUntil = (at: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = world.after(Math.max(1, Math.ceil(at - clock.now())), thread, resolve);
      interrupt = () => {
        world.cancel(timer);
        resolve();
      };
    });
  const run = async (): Promise<void> => {
    while (!stopping) {
      state = { ...state, tickedAt };
      const call = nextCall(state, clock.now());
      if (call === null) {
        await sleepUntil(wakeAt(state, clock.now()));
        interrupt = null;
        continue;
      }
      const sentAt = clock.now();
      calling = call.do;
      const answer = await perform(parts, caller, call, key);
      calling = null;
      state = afterCall(state, call, answer, sentAt, clock.now());
      publish();
      for (const settle of waiting) world.after(MESSAGE_MS, main, settle);
      waiting = [];
    }
    const { session } = state;
    state = { ...state, session: null };
    publish();
    const forget = perform(parts, caller, { do: "forget", address: 0 }, null);
    const destroy = session && perform(parts, caller, { do: "destroy", session: session.id }, null);
    await Promise.all([forget, destroy]);
    world.after(MESSAGE_MS, main, gone);
  };
  void run();

  return {
    view: () => published,
    hold: (wish) =>
      new Promise((resolve) => {
        world.after(MESSAGE_MS, thread, () => {
          if (calling === "acquire") waiting.push(resolve);
          else world.after(MESSAGE_MS, main, resolve);
          if (state.key !== "lost" && JSON.stringify(wish) === JSON.stringify(key)) return;
          key = wish;
          state = wishKey(state, key !== null);
          publish();
          interrupt?.();
        });
      }),
    tick: () => void (tickedAt = clock.now()),
    announce: () => {},
    [Symbol.asyncDispose]: () => {
      world.after(MESSAGE_MS, thread, () => {
        stopping = true;
        interrupt?.();
      });
      return ended;
    },
  };
}

/** What the agent beside the node answers by itself, and what it asks the servers. */
const KINDS: Readonly<Record<LeaseCall["do"], Request>> = {
  register: "local",
  pass: "local",
  forget: "local",
  open: "write",
  destroy: "write",
  renew: "write",
  acquire: "write",
  uncatalog: "write",
};

/** Never rejects: a failure is an answer too. */
async function perform(
  parts: Parts,
  caller: Caller,
  call: LeaseCall,
  key: HeldKey,
): Promise<LeaseAnswer> {
  try {
    return await parts.consul.request(caller, KINDS[call.do], () => effect(parts, call, key));
  } catch (error) {
    const denied = error instanceof ConfigError;
    return failed(denied ? "denied" : "unreachable", (error as Error).message);
  }
}

function effect({ consul, serviceId }: Parts, call: LeaseCall, key: HeldKey): LeaseAnswer {
  const { state, world } = consul;
  switch (call.do) {
    case "register":
      register(consul, serviceId);
      return { ok: true };
    case "pass":
      return write(state, (index) =>
        reportCheck(state, index, `service:${serviceId}`, "passing", "", world.now),
      )
        ? { ok: true }
        : failed("no-check");
    case "open": {
      const made = openSession(consul, serviceId, serviceId, SESSION_TTL_MS);
      return typeof made === "string" ? failed("not-yet") : { ok: true, session: made.id };
    }
    case "destroy":
      destroySession(consul, call.session);
      return { ok: true };
    case "renew":
      return renewSession(state, call.session, world.now) === null
        ? failed("no-session")
        : { ok: true, node: NODE };
    case "acquire":
      return acquire(consul, call.session, call.first, key);
    case "uncatalog":
      return { ok: true };
    case "forget":
      write(state, (index) => removeService(state, index, NODE, serviceId, world.now));
      return { ok: true };
  }
}

function acquire({ state }: SimConsul, session: string, first: boolean, key: HeldKey): LeaseAnswer {
  if (key === null) return failed("not-held");
  if (!first) return state.kv.get(key.key)?.session === session ? { ok: true } : failed("not-held");
  const value = Buffer.from(key.value);
  const taken = write(state, (index) =>
    lockKey(state, index, { key: key.key, value, flags: 0, index: 0, session }),
  );
  if (typeof taken === "string") return failed("no-session");
  return taken === false ? failed("not-held") : { ok: true };
}

function register({ state, world }: SimConsul, id: string): void {
  const service = { node: NODE, id, name: "mysql", tags: [], address: "", port: 3306 };
  write(state, (index) => {
    putService(state, index, { ...service, meta: {}, local: true }, world.now);
    const check = {
      node: NODE,
      id: `service:${id}`,
      name: "check",
      status: state.checks.get(`${NODE}\0service:${id}`)?.status ?? "passing",
      notes: "",
      output: "",
      serviceId: id,
      serviceName: "mysql",
      serviceTags: [],
      ttlMs: CHECK_TTL_MS,
      local: true,
    };
    const deadline = check.status === "critical" ? null : world.now + CHECK_TTL_MS;
    putCheck(state, index, { ...check, deadline }, world.now);
  });
}

function failed(
  because: Extract<LeaseAnswer, { ok: false }>["because"],
  why: string = because,
): LeaseAnswer {
  return { ok: false, because, why };
}
