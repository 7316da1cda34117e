// What `up` watches while the cluster runs: what each agent tells, for the table and the stream of events, and the
// recipe's view of the whole cluster, until it is ready.
import { UnavailableError, messageOf } from "../errors.ts";
import type { Directory, Kv } from "../ports.ts";
import type { ClusterView, LocalNode } from "../recipe.ts";
import type { AnyRecipe } from "../config/load-recipe.ts";
import { makeAlarm } from "../runtime/alarm.ts";
import { realClock as clock } from "../runtime/clock.ts";
import type { Agents } from "./agents.ts";
import { followEvents } from "./follow-events.ts";
import type { NodeRow, Show } from "./show.ts";
import { controlSocketOf } from "./socket-path.ts";

// The view is read on each change in Consul, but not more often than this, and at least once a second.
const LOOK_AT_MOST_EVERY_MS = 100;
const LOOK_AT_LEAST_EVERY_MS = 1_000;

/** The rows of the table, kept from what the nodes tell. */
export class NodeTable {
  readonly #show: Show;
  readonly #agents: Agents;
  readonly #rows = new Map<string, Omit<NodeRow, "pid">>();

  constructor(show: Show, agents: Agents) {
    this.#show = show;
    this.#agents = agents;
  }

  /** Follows the node until `signal` aborts, through its restarts: the second time for one node only the row changes. */
  follow(node: LocalNode, signal: AbortSignal): void {
    const { name } = node;
    const known = this.#rows.has(name);
    this.set(node, { role: "starting", says: "" });
    if (known) return;
    void followEvents(controlSocketOf(node.dir), signal, (event) => {
      this.#show.event(name, event);
      if (event.type !== "says") return;
      const role = event.facts["role"];
      this.set(node, { role: typeof role === "string" ? role : "", says: event.what });
    }).catch((error: unknown) => {
      // The cluster runs on without this row; the agent's own log has everything.
      this.set(node, { role: "unknown", says: `its events cannot be read: ${messageOf(error)}` });
    });
  }

  /** The agent ended. */
  ended(name: string, says: string): void {
    const row = this.#rows.get(name);
    if (row !== undefined) this.#rows.set(name, { ...row, role: "stopped", says });
    this.#draw();
  }

  set({ name, host, basePort }: LocalNode, now: { role: string; says: string }): void {
    this.#rows.set(name, { name, address: `${host}:${basePort}`, ...now });
    this.#draw();
  }

  #draw(): void {
    this.#show.nodes(
      [...this.#rows.values()].map((row) => ({ ...row, pid: this.#agents.pid(row.name) })),
    );
  }

  /** Each node with its last sentence, for an error that has to say what they wait for. */
  sentences(): string {
    return [...this.#rows.values()].map(({ name, says }) => `${name}: ${says || "-"}`).join("; ");
  }
}

export type Watched = {
  readonly consul: { readonly kv: Kv; readonly directory: Directory };
  readonly recipe: AnyRecipe;
  readonly cluster: string;
  readonly nodes: number;
};

/** The first view of a cluster that is ready. Rejects with the signal's reason. */
export async function whenReady(watched: Watched, signal: AbortSignal): Promise<ClusterView> {
  const { consul, recipe, cluster, nodes } = watched;
  const alarm = makeAlarm(clock);
  const over = new AbortController();
  const watching = AbortSignal.any([signal, over.signal]);
  const onChange = alarm.wake;
  // A failing watch backs off and goes on; the view below says the same more plainly.
  const watch = consul.kv.watch(`autopilot/${cluster}/`, {
    signal: watching,
    onChange,
    onError() {},
  });
  try {
    for (;;) {
      signal.throwIfAborted();
      const view = await recipe.view(consul, cluster, { nodes }).catch(unlessAway);
      if (view?.ready) return view;
      await clock.sleep(LOOK_AT_MOST_EVERY_MS, signal);
      await alarm.wait(LOOK_AT_LEAST_EVERY_MS);
    }
  } finally {
    over.abort();
    await watch;
  }
}

function unlessAway(error: unknown): null {
  if (error instanceof UnavailableError) return null;
  throw error;
}
