// An operator's wish from the CLI's side (PROTOCOL §7a): write it, wait until the nodes have answered, name the one that is
// to act, wait for the outcome. The CLI never acts, and takes its wish back, whatever comes.
import { randomUUID } from "node:crypto";
import {
  ConflictError,
  RefusedError,
  UnavailableError,
  type Kv,
  type VerbCall,
} from "../../../src/index.ts";
import { nameIn, type Asked, type Loss } from "../core/answers.ts";
import type { Intent } from "../core/observation.ts";
import { judgedAs } from "../core/wish.ts";
import { keysOf, parseIntent, parseNode, parseState } from "../keys.ts";
import type { Seen } from "../view.ts";

/** Every node writes its record every 2 s, also into a Consul that lost them all; then a busy machine gets more. */
const ASK_AT_LEAST_MS = 2_500;
const ASK_AT_MOST_MS = 6_000;
const LOOK_EVERY_MS = 250;
/** An election of a node that has to start its server first. */
const OUTCOME_WITHIN_MS = 45_000;

export type Wish = { readonly intent: Intent; readonly index: number };
type Outcome = NonNullable<Intent["outcome"]>;

/** What Consul holds now of everything that a verdict needs. */
async function readAsked(kv: Kv, cluster: string, intent: string): Promise<Asked> {
  const keys = keysOf(cluster);
  const [state, initialize, nodes] = await Promise.all([
    kv.get(keys.state, { consistent: true }),
    kv.get(keys.initialize),
    kv.list(keys.nodes),
  ]);
  return {
    intent,
    state: state === null ? null : parseState(state.value),
    initialize: initialize?.value ?? null,
    records: nodes.flatMap((entry) => parseNode(entry.value) ?? []),
  };
}

/** Asks all nodes; returns what is known when all have answered, or none has anything more to say. */
export async function ask(
  call: VerbCall,
  wish: Pick<Intent, "verb" | "to" | "accept" | "off">,
): Promise<{ readonly wish: Wish; readonly asked: Asked }> {
  const { kv, cluster, clock } = call;
  const keys = keysOf(cluster);
  const before = await readAsked(kv, cluster, "");
  const intent: Intent = {
    ...wish,
    id: `${wish.verb}-${randomUUID()}`,
    uuid: null,
    serverId: null,
    epoch: before.state?.epoch ?? 0,
    ver: before.state?.ver ?? 0,
    by: process.env["USER"] ?? "operator",
    at: new Date().toISOString(),
    outcome: null,
  };
  await dropOthers(kv, cluster);
  const key = keys.intent(intent.id);
  const done = await kv.commit([{ do: "cas", key, value: JSON.stringify(intent), index: 0 }]);
  const index = done.ok ? (done.entries[0]?.index ?? 0) : 0;
  const started = clock.now();
  for (;;) {
    await clock.sleep(LOOK_EVERY_MS, call.signal);
    const asked = await readAsked(kv, cluster, intent.id);
    const all = asked.records.every((r) => r.answer?.intent === intent.id);
    const waited = clock.now() - started;
    if (waited >= ASK_AT_MOST_MS || (all && waited >= ASK_AT_LEAST_MS))
      return { wish: { intent, index }, asked };
  }
}

/** One such wish at a time, the newest: nodes answer only one, and whose CLI was killed has left one behind. */
async function dropOthers(kv: Kv, cluster: string): Promise<void> {
  const keys = keysOf(cluster);
  const wishes = (await kv.list(keys.intents)).flatMap((entry) => parseIntent(entry.value) ?? []);
  const old = wishes.filter((i) => i.verb === "adopt" || i.verb === "failover").slice(0, 60);
  await kv.commit(old.map(({ id }) => ({ do: "delete", key: keys.intent(id) }) as const));
}

/** Names the node that acts. The wish stands for the state that was judged: the node refuses another one. */
export async function go(
  call: VerbCall,
  { intent, index }: Wish,
  { asked, actor }: { readonly asked: Asked; readonly actor: string },
): Promise<void> {
  const { state } = asked;
  const named: Intent = {
    ...intent,
    uuid: actor,
    epoch: state?.epoch ?? 0,
    ver: state?.ver ?? 0,
    judged: judgedAs(state),
    at: new Date().toISOString(),
  };
  const key = keysOf(call.cluster).intent(intent.id);
  const done = await call.kv.commit([{ do: "cas", key, value: JSON.stringify(named), index }]);
  if (!done.ok)
    throw new ConflictError("AP_OUTCOME_TIMEOUT", "another operator's wish has replaced this one");
}

/** Waits by blocking query until a node has answered. Errors: UnavailableError AP_OUTCOME_TIMEOUT. */
export async function outcomeOf(call: VerbCall, { intent }: Wish): Promise<Outcome> {
  const end = new AbortController();
  const timeout = AbortSignal.timeout(OUTCOME_WITHIN_MS);
  let outcome: Intent["outcome"] = null;
  await call.kv.watch(keysOf(call.cluster).intent(intent.id), {
    signal: AbortSignal.any([end.signal, timeout, call.signal]),
    onChange: ([entry]) => {
      outcome = entry === undefined ? null : (parseIntent(entry.value)?.outcome ?? null);
      if (outcome !== null) end.abort();
    },
    onError: () => call.progress("waiting for Consul"),
  });
  call.signal.throwIfAborted();
  if (outcome === null)
    throw new UnavailableError("AP_OUTCOME_TIMEOUT", `${intent.verb} had no outcome within 45 s`);
  return outcome;
}

/** It must not come true when nobody expects it any more. */
export async function takeBack(call: VerbCall, { intent }: Wish): Promise<void> {
  await call.kv.commit([{ do: "delete", key: keysOf(call.cluster).intent(intent.id) }]);
}

/** The primary by name, as `state` says: its own record may come a moment later. */
export function publishedIn({ state, rows }: Seen): string | null {
  return state === null || state.primary === null ? null : nameIn(rows, state.primary);
}

/** What may be lost, in lines for people. */
export function lossLines(loss: Loss, actor: string): readonly string[] {
  const gtids = loss.gtids === "" ? "none that any record names" : loss.gtids;
  return [
    `${actor} goes on with what is here. What was acknowledged in epoch ${loss.epoch} or later may be lost.`,
    `transactions known to be missing: ${gtids}`,
    `nodes whose data does not count: ${loss.missing.length === 0 ? "none" : loss.missing.join(", ")}; ` +
      "what they hold beyond it is set aside as evidence when they come back",
  ];
}

/** A last question on a terminal; elsewhere only --yes is an answer. */
export async function confirm(call: VerbCall, lines: readonly string[]): Promise<void> {
  for (const line of lines) call.progress(line);
  if (call.options["yes"] === true) return;
  const reasons = [...lines];
  if (!process.stdin.isTTY)
    throw new RefusedError("AP_USAGE", "this is not a terminal: nobody can be asked", {
      hint: "say --yes when you have read what may be lost",
      reasons,
      accept: "--yes",
    });
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const typed = await terminal.question(`type the cluster's name (${call.cluster}) to go on: `, {
      signal: call.signal,
    });
    if (typed.trim() === call.cluster) return;
  } finally {
    terminal.close();
  }
  throw new RefusedError("AP_USAGE", "not confirmed: nothing was done", { reasons });
}
