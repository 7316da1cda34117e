// The lease's thread: asks core/lease.ts for the next call, has it made (consul/lease-worker.ts, etcd/lease-worker.ts),
// publishes what may be believed, sleeps until the next. One request at a time. It imports as little as it can, because
// each import costs its memory once more. It must never hold on to a belief that it did not publish, and never print.
import { parentPort, workerData } from "node:worker_threads";
import {
  afterCall,
  CHECK_TTL_MS,
  leaseView,
  nextCall,
  SESSION_TTL_MS,
  startLeaseState,
  wakeAt,
  wishAnnounced,
  wishKey,
  type LeaseAnswer,
  type LeaseCall,
  type LeaseState,
} from "../core/lease.ts";
import type { Service } from "../ports.ts";
import { createCell, monotonicMs } from "./cell.ts";

export type LeaseThreadData = {
  readonly service: Service;
  readonly key: HeldKey;
  readonly memory: SharedArrayBuffer;
};

export type HeldKey = { readonly key: string; readonly value: string } | null;

/** Main thread to lease thread. */
export type LeaseOrder =
  | { readonly order: "hold"; readonly key: HeldKey; readonly id: number }
  | { readonly order: "announce"; readonly service: Service }
  /** Give everything back and end. */
  | { readonly order: "stop" };

/** Lease thread to main thread. */
export type LeaseNews =
  /** Look at the cell again. */
  | { readonly news: "changed"; readonly error: string | null }
  /** No acquire from before this order to hold is under way any more. */
  | { readonly news: "obeyed"; readonly id: number };

/** What a call is about. */
export type LeaseTarget = {
  /** What is announced now. */
  readonly service: Service;
  readonly key: HeldKey;
  /** Index of the address in use. */
  readonly address: number;
  /** The check's and the session's TTL. */
  readonly checkTtlMs: number;
  readonly sessionTtlMs: number;
};

/** The store that the thread speaks to. */
export type LeaseStore = {
  /** How many agents there are to register at, one after the other; 1 where all addresses lead to the same. */
  readonly addresses: number;
  /** Never rejects: a failure is an answer too. Bounded in time. */
  perform(call: LeaseCall, target: LeaseTarget): Promise<LeaseAnswer>;
};

const given = workerData as LeaseThreadData;
const cell = createCell(given.memory);
let { service, key } = given;
let store: LeaseStore;
let state: LeaseState;
let stopping = false;
let interrupt: (() => void) | null = null;
let told = "";
/** The call that is under way. */
let calling: LeaseCall["do"] | null = null;
/** Orders to hold that wait for it. */
let waiting: number[] = [];

/** Publishes, and tells the main thread when something changed that is worth a tick of its loop. */
function publish(): void {
  const view = leaseView(state);
  cell.publish(view);
  const worth = JSON.stringify([view.session, view.heldUntil !== null, view.error]);
  if (worth === told) return;
  told = worth;
  tell({ news: "changed", error: view.error });
}

function tell(news: LeaseNews): void {
  parentPort?.postMessage(news);
}

function target(): LeaseTarget {
  return {
    service,
    key,
    address: state.address,
    checkTtlMs: CHECK_TTL_MS,
    sessionTtlMs: SESSION_TTL_MS,
  };
}

function withTick(before: LeaseState): LeaseState {
  return { ...before, tickedAt: cell.tickedAt() };
}

async function run(): Promise<void> {
  while (!stopping) {
    state = withTick(state);
    const call = nextCall(state, monotonicMs());
    if (call === null) {
      await sleepUntil(wakeAt(state, monotonicMs()));
      continue;
    }
    const sentAt = monotonicMs();
    calling = call.do;
    const answer = await store.perform(call, target());
    calling = null;
    state = afterCall(state, call, answer, sentAt, monotonicMs());
    publish();
    for (const id of waiting) tell({ news: "obeyed", id });
    waiting = [];
  }
  await giveBack();
  parentPort?.close();
}

/** The session first: its locks are free at once. Both are best effort, bounded by the request's own limit. */
async function giveBack(): Promise<void> {
  const { session, registered } = state;
  const at = target();
  state = { ...state, session: null };
  publish();
  await Promise.all([
    session && store.perform({ do: "destroy", session: session.id }, at),
    registered && store.perform({ do: "forget", address: state.address }, at),
  ]);
}

function sleepUntil(time: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(wake, Math.max(1, Math.ceil(time - monotonicMs())));
    interrupt = wake;
    function wake(): void {
      clearTimeout(timer);
      interrupt = null;
      resolve();
    }
  });
}

function obey(message: LeaseOrder): void {
  switch (message.order) {
    case "hold":
      if (calling === "acquire") waiting.push(message.id);
      else tell({ news: "obeyed", id: message.id });
      // Said again and again by a loop: only a change, or asking again for a lost key, is a new wish.
      if (state.key !== "lost" && JSON.stringify(message.key) === JSON.stringify(key)) return;
      ({ key } = message);
      state = wishKey(state, key !== null);
      publish();
      break;
    case "announce":
      if (JSON.stringify(message.service) === JSON.stringify(service)) return;
      ({ service } = message);
      state = wishAnnounced(state);
      break;
    case "stop":
      stopping = true;
      break;
  }
  interrupt?.();
}

/** The thread's whole life: until it is told to stop, and has given everything back. */
export async function keepLease(its: LeaseStore): Promise<void> {
  store = its;
  state = startLeaseState(store.addresses, monotonicMs());
  if (key !== null) state = wishKey(state, true);
  parentPort?.on("message", obey);
  publish();
  await run();
}
