// Consul as one node meets it in a race: everything as it is, but for what the story does to that node alone.
import type { State } from "../../src/consul/dev-agent/state.ts";
import type { KvEntry } from "../../src/ports.ts";
import type { SimNode } from "./node.ts";
import { unavailable, type Caller, type Request, type SimConsul } from "./sim-consul.ts";

export type View = {
  /** Keys of which its watches see no more than this. */
  readonly frozen: Map<string, readonly KvEntry[]>;
  /** Its transactions take effect this much later; null: as usual. */
  writes: { readonly afterMs: number; readonly answered: boolean } | null;
  /** Its reads are refused; what its watches bring, they bring. */
  unread: boolean;
};

const REQUEST_TIMEOUT_MS = 1_000;

/** Before the node starts. */
export function viewOf(consul: SimConsul, node: SimNode): View {
  const view: View = { frozen: new Map(), writes: null, unread: false };
  const entries = (prefix: string, state?: State): readonly KvEntry[] =>
    (state === undefined ? view.frozen.get(prefix) : undefined) ?? consul.entries(prefix, state);
  const seen = (prefix: string): readonly KvEntry[] =>
    view.frozen.get(prefix) ?? consul.seen(prefix);
  const request = <T>(caller: Caller, what: Request, effect: (state: State) => T): Promise<T> => {
    if (view.unread && what !== "write") return Promise.reject(unavailable("refused"));
    return view.writes === null || what !== "write" || caller.life !== node.agent?.main
      ? consul.request(caller, what, effect)
      : late(consul, caller, view.writes, effect);
  };
  const own: Partial<SimConsul> = { entries, seen, request };
  const shown = new Proxy(consul, {
    get: (target, key) => {
      const value: unknown = Reflect.get(key in own ? own : target, key);
      return typeof value === "function" && !(key in own) ? value.bind(target) : value;
    },
  });
  (node.parts as { consul: SimConsul }).consul = shown;
  return view;
}

function late<T>(
  consul: SimConsul,
  { life }: Caller,
  { afterMs, answered }: NonNullable<View["writes"]>,
  effect: (state: State) => T,
): Promise<T> {
  const { world } = consul;
  return new Promise((resolve, failed) => {
    world.after(REQUEST_TIMEOUT_MS, life, () => failed(unavailable("no answer")));
    if (!Number.isFinite(afterMs)) return;
    world.after(afterMs, null, () => {
      const value = consul.now(() => effect(consul.state));
      if (answered) world.after(0, life, () => resolve(value));
    });
  });
}
