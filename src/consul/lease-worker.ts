// The lease's thread: asks core/lease.ts for the next call, makes it, publishes what may be believed, sleeps until the
// next. One request at a time. It imports as little as it can, because each import costs its memory once more.
// It must never hold on to a belief that it did not publish, and never print.
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
  type LeaseCall,
  type LeaseState,
} from "../core/lease.ts";
import type { Service } from "../ports.ts";
import type { ConsulConfig } from "./config.ts";
import { createCell, monotonicMs } from "./lease-cell.ts";
import { perform, type LeaseTarget } from "./lease-requests.ts";
import { freshToken } from "./token.ts";

export type LeaseWorkerData = {
  readonly config: ConsulConfig;
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

const given = workerData as LeaseWorkerData;
const cell = createCell(given.memory);
let { service, key, config } = given;
let state = startLeaseState(config.addresses.length, monotonicMs());
if (key !== null) state = wishKey(state, true);
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
    config,
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
    const answer = await perform(call, target());
    calling = null;
    if (!answer.ok && answer.because === "denied")
      config = { ...config, token: freshToken(config) };
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
    session && perform({ do: "destroy", session: session.id }, at),
    registered && perform({ do: "forget", address: state.address }, at),
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

parentPort?.on("message", obey);
publish();
await run();
