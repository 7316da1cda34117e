// The Kv and Leaser ports of one node on the simulated Consul: transactions by the development agent's own code, watches
// as blocking queries, one at a time, with the real watch's back-off.
import { deleteBelow } from "../../src/consul/dev-agent/keys.ts";
import { createSession, endSession, renewSession } from "../../src/consul/dev-agent/sessions.ts";
import { NODE, write } from "../../src/consul/dev-agent/state.ts";
import { refusals, transact } from "../../src/consul/dev-agent/transaction.ts";
import type { TransactionOp } from "../../src/consul/dev-agent/transaction.ts";
import type { Commit, Kv, KvEntry, KvOp, KvWatcher, Leaser, Read } from "../../src/ports.ts";
import type { Caller, SimConsul } from "./sim-consul.ts";
import { unavailable } from "./sim-consul.ts";

const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 5_000;

export function simKv(consul: SimConsul, caller: Caller): Kv {
  const how = (read?: Read) => (read?.consistent === true ? "consistent" : "read");
  return {
    get: (key, read) =>
      consul.request(caller, how(read), ({ kv }) => {
        const entry = kv.get(key);
        return entry === undefined ? null : consul.entry(entry);
      }),
    list: (prefix, read) =>
      consul.request(caller, how(read), (state) => consul.entries(prefix, state)),
    commit: (ops) => consul.request(caller, "write", () => commit(consul, ops)),
    watch: (prefix, watcher) => watch(consul, caller, prefix, watcher),
  };
}

const NOTHING = Buffer.alloc(0);

function operationOf(op: KvOp): TransactionOp {
  return {
    verb: op.do,
    key: op.key,
    value: "value" in op ? Buffer.from(op.value) : NOTHING,
    flags: 0,
    index: "index" in op ? op.index : 0,
    session: "session" in op ? op.session : "",
  };
}

function commit(consul: SimConsul, ops: readonly KvOp[]): Commit {
  const { state, world } = consul;
  const operations = ops.map(operationOf);
  const refused = refusals(state, operations, world.now);
  const done =
    refused.length > 0
      ? { results: [], errors: refused }
      : write(state, (index) => transact(state, index, operations));
  if (done.errors.length > 0)
    return { ok: false, why: done.errors.map((error) => error.What).join("; ") };
  const answered = ops.filter((op) => !op.do.startsWith("delete"));
  const entries = answered.flatMap((op, at) => {
    const entry = done.results[at]?.entry;
    return entry !== undefined && "value" in op ? [consul.entry(entry)] : [];
  });
  return { ok: true, entries };
}

/** Resolves when the signal aborts. */
function watch(consul: SimConsul, caller: Caller, prefix: string, watcher: KvWatcher) {
  const { world, net } = consul;
  const { node, life } = caller;
  const { signal, onChange, onError } = watcher;
  let seen: string | null = null;
  let backoffMs = BACKOFF_MIN_MS;
  let leave: () => void = () => {};

  const fail = (afterMs: number, error: Error = unavailable(`watch ${prefix}`)): void => {
    world.after(afterMs, life, () => {
      if (signal.aborted) return;
      onError(error);
      world.after(backoffMs, life, ask);
      backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS);
    });
  };
  const deliver = (entries: readonly KvEntry[], now: string, againMs: number): void => {
    if (signal.aborted) return;
    // The answer is under way when the path is cut: TCP brings it after the heal.
    if (net.isBlocked("consul", node))
      return net.onHeal(node, "consul", () => world.after(0, life, ask));
    backoffMs = BACKOFF_MIN_MS;
    if (now !== seen) {
      seen = now;
      onChange(entries);
    }
    if (againMs === 0) ask();
    else world.after(againMs, life, ask);
  };
  const arrive = (): void => {
    if (signal.aborted || !life.alive) return;
    const no = consul.refusal(node, "read");
    if (no !== null) return fail(1, no);
    if (consul.trouble === "leaderless") return fail(1);
    const entries = consul.seen(prefix);
    const now = fingerprint(entries);
    // A server that is behind blocks until it has caught up.
    const againMs = now === fingerprint(consul.entries(prefix)) ? 0 : consul.weather.staleMs;
    if (now === seen) {
      if (againMs > 0) return void world.after(againMs, null, arrive);
      leave = consul.park(prefix, arrive);
      return;
    }
    world.after(net.latency(), life, () => deliver(entries, now, againMs));
  };
  const ask = (): void => {
    if (signal.aborted) return;
    if (net.isCut(node, "consul")) return fail(1_000);
    world.after(net.latency(), null, arrive);
  };
  ask();
  return new Promise<void>((resolve) => {
    const end = (): void => {
      leave();
      resolve();
    };
    if (signal.aborted) return end();
    signal.addEventListener("abort", end, { once: true });
  });
}

function fingerprint(entries: readonly KvEntry[]): string {
  let text = "";
  for (const { key, index, session } of entries) text += `${key} ${index} ${session ?? ""};`;
  return text;
}

export function simLeaser(consul: SimConsul, caller: Caller): Leaser {
  return {
    async open({ name, serviceId, ttlSeconds }) {
      const made = await consul.request(caller, "write", () =>
        openSession(consul, name, serviceId, ttlSeconds * 1_000),
      );
      if (typeof made === "string") throw unavailable(made);
      return made.id;
    },
    renew: async (session) =>
      (await consul.request(caller, "write", () =>
        renewSession(consul.state, session, consul.world.now),
      )) !== null,
    destroy: (session) => consul.request(caller, "write", () => destroySession(consul, session)),
  };
}

export function openSession(consul: SimConsul, name: string, serviceId: string, ttlMs: number) {
  const { state, world } = consul;
  const wish = {
    name,
    node: NODE,
    lockDelayMs: 0,
    behavior: "release",
    ttl: `${ttlMs / 1_000}s`,
    ttlMs,
    nodeChecks: [],
    serviceChecks: [{ ID: `service:${serviceId}`, Namespace: "" }],
  };
  const id = world.random.uuid();
  return write(state, (index) => createSession(state, index, id, wish, world.now));
}

export function destroySession(consul: SimConsul, session: string): void {
  const { state, world } = consul;
  write(state, (index) => endSession(state, index, session, world.now));
}

/** For faults and set-ups: no network in between. */
export function removeKeys(consul: SimConsul, prefix: string): void {
  write(consul.state, (index) => deleteBelow(consul.state, index, prefix));
}
