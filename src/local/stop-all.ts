// Ends all agents of a local cluster, in the order that loses nothing and takes no longer than it must:
//
//   a writable cluster: the wish that the whole cluster stops, for the recipe to carry out in order
//   not writable, or the wish is not heard in time, or asked again: SIGTERM to each agent
//   still running: SIGKILL, said aloud
import { messageOf } from "../errors.ts";
import type { AnyRecipe } from "../config/load-recipe.ts";
import type { Directory, Kv } from "../ports.ts";
import { realClock as clock } from "../runtime/clock.ts";
import type { Agents } from "./agents.ts";

export type StopParts = {
  readonly agents: Agents;
  readonly recipe: AnyRecipe;
  readonly consul: { readonly kv: Kv; readonly directory: Directory };
  readonly cluster: string;
  readonly say: (line: string) => void;
  /** Aborts when the user asks a second time. */
  readonly hurry: AbortSignal;
};

// Flushing a large buffer pool takes its time; after this the nodes are asked one by one.
const IN_ORDER_MS = 60_000;
const AFTER_TERM_MS = 40_000;
// Consul may be away: then there is nobody to write the wish to.
const WISH_WITHIN_MS = 3_000;

/** Resolves when no agent runs. */
export async function stopAll(parts: StopParts): Promise<void> {
  const { agents, say, hurry } = parts;
  if (agents.running().length === 0) return;
  if (!hurry.aborted && (await wishRecorded(parts))) {
    say("stopping the cluster in order");
    const limit = AbortSignal.any([hurry, AbortSignal.timeout(IN_ORDER_MS)]);
    if (await ended(agents, limit)) return;
    if (!hurry.aborted) say(`still running: ${agents.running().join(", ")}`);
  }
  say(`stopping ${agents.running().join(", ")}`);
  agents.signalAll("SIGTERM");
  if (await ended(agents, AbortSignal.timeout(AFTER_TERM_MS))) return;
  say(`KILLING what does not stop: ${agents.running().join(", ")}; their servers go with them`);
  agents.signalAll("SIGKILL");
  await ended(agents, AbortSignal.timeout(AFTER_TERM_MS));
}

/** False where nobody is writable (then there is no order to keep), or Consul does not take the wish. */
async function wishRecorded({ recipe, consul, cluster, agents, say }: StopParts): Promise<boolean> {
  const record = async (): Promise<boolean> => {
    const view = await recipe.view(consul, cluster, { nodes: agents.running().length });
    if (!view.writable) return false;
    await recipe.stopCluster(consul.kv, cluster);
    return true;
  };
  const late = clock.sleep(WISH_WITHIN_MS).then(() => {
    throw new Error(`no answer from Consul within ${WISH_WITHIN_MS} ms`);
  });
  try {
    return await Promise.race([record(), late]);
  } catch (error) {
    say(`the cluster's stop could not be recorded (${messageOf(error)})`);
    return false;
  }
}

async function ended(agents: Agents, limit: AbortSignal): Promise<boolean> {
  try {
    await agents.allEnded(limit);
    return true;
  } catch (error) {
    if (!limit.aborted) throw error;
    return false;
  }
}
