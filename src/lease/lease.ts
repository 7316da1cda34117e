// The Lease port: a session kept alive from a thread of its own, so that a blocked event loop does not cost it, and one
// key that may be held with it. Here is only the main thread's end: orders go out, the belief is read from shared
// memory. A thread that dies is replaced; until then nothing is believed.
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../errors.ts";
import type { Lease, Service } from "../ports.ts";
import { CELL_BYTES, createCell, NO_BELIEF } from "./cell.ts";
import type { HeldKey, LeaseNews, LeaseOrder } from "./keeper.ts";
import { startLeaseThread, type LeaseProgram } from "./thread.ts";

export type LeaseOptions = {
  readonly service: Service;
  /** The session, the held key or the error changed. Called on the main thread; look at `view()`. */
  readonly onChange: () => void;
};

type KeeperOptions = LeaseOptions & {
  /** The thread of one store: it speaks Consul, or etcd. */
  readonly program: LeaseProgram;
};

/** A dead thread is replaced after this pause: whatever killed it may do so again. */
const REPLACE_AFTER_MS = 1000;
/** Giving back waits for a call under way and is two requests of at most 1 s each, side by side. */
const STOP_LIMIT_MS = 2500;

type Wishes = { service: Service; key: HeldKey };

/**
 * Starts the keeper. Resolves at once, also when the store is not there: the view says so and changes when it comes.
 * `hold` takes the key and proves it anew with each renewal. Once the key is found to be another's, or released, or
 * its session has fallen, it is left alone until `hold` is called again. The value is written only when the key is taken.
 * Disposing destroys the session, deregisters the service and ends the thread, all within 2.5 s.
 */
export function startLeaseKeeper(options: KeeperOptions): Promise<Lease> {
  const wishes: Wishes = { service: options.service, key: null };
  const memory = new SharedArrayBuffer(CELL_BYTES);
  const cell = createCell(memory);
  cell.tick();
  const keeper = startKeeper(options, wishes, memory);
  const lease: Lease = {
    view: () => ({ ...cell.read(), error: keeper.error() }),
    hold(key) {
      wishes.key = key;
      return keeper.hold(key);
    },
    tick: () => cell.tick(),
    announce({ tags, meta }) {
      wishes.service = { ...wishes.service, tags, meta };
      keeper.send({ order: "announce", service: wishes.service });
    },
    [Symbol.asyncDispose]: () => keeper.stop(),
  };
  return Promise.resolve(lease);
}

/** The thread and its successors. */
function startKeeper(options: KeeperOptions, wishes: Wishes, memory: SharedArrayBuffer) {
  const { program, onChange } = options;
  const cell = createCell(memory);
  /** Orders to hold that are not obeyed yet, by id. */
  const holding = new Map<number, () => void>();
  let holds = 0;
  let error: string | null = null;
  let stopped = false;
  let replacement: NodeJS.Timeout | undefined;

  function start() {
    const thread = startLeaseThread(program, { ...wishes, memory });
    thread.on("message", (message: LeaseNews) => {
      if (message.news === "obeyed") return settle(message.id);
      ({ error } = message);
      if (!stopped) onChange();
    });
    thread.on("error", (failure) => {
      error = `the lease's thread: ${messageOf(failure)}`;
    });
    thread.on("exit", () => {
      // Whatever it believed last, nobody keeps it up now, and nothing of it is under way.
      cell.publish(NO_BELIEF);
      for (const id of holding.keys()) settle(id);
      if (stopped) return;
      error ??= "the lease's thread ended";
      onChange();
      replacement = setTimeout(() => (worker = start()), REPLACE_AFTER_MS);
    });
    return thread;
  }

  function settle(id: number): void {
    holding.get(id)?.();
    holding.delete(id);
  }

  let worker = start();
  const send = (order: LeaseOrder): void => worker.postMessage(order);

  return {
    send,
    error: () => error,
    hold(key: HeldKey): Promise<void> {
      const id = ++holds;
      return new Promise((resolve) => {
        // A thread that is gone has nothing under way, and its successor starts with the wish.
        if (stopped || worker.threadId === -1) return resolve();
        holding.set(id, resolve);
        send({ order: "hold", key, id });
      });
    },
    async stop(): Promise<void> {
      if (stopped) return;
      stopped = true;
      clearTimeout(replacement);
      send({ order: "stop" });
      const ended = new Promise((resolve) => worker.once("exit", resolve));
      const limit = new AbortController();
      await Promise.race([ended, sleep(STOP_LIMIT_MS, null, { signal: limit.signal })]);
      limit.abort();
      await worker.terminate();
    },
  };
}
