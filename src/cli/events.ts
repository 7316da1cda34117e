// `autopilot events [--follow]`: what the nodes of a local cluster tell, in the order of their clocks, which on one
// machine are one clock.
import { UnavailableError } from "../errors.ts";
import { localNodes } from "../local/cluster-file.ts";
import { eventsNow, followEvents } from "../local/follow-events.ts";
import { eventLine } from "../local/show.ts";
import { controlSocketOf } from "../local/socket-path.ts";
import type { BusEvent } from "../runtime/bus.ts";
import { findLocal } from "./find-cluster.ts";
import type { Globals } from "./program.ts";

type NodeEvent = BusEvent & { readonly node: string };

export async function showEvents(options: Globals & { readonly follow?: true }): Promise<number> {
  const { dir, cluster } = findLocal(options);
  const nodes = localNodes(dir, cluster);
  const print = (event: NodeEvent): void => {
    const line = options.json ? JSON.stringify(event) : eventLine(event.node, event);
    process.stdout.write(`${line}\n`);
  };
  const asked = nodes.map(async (node) => {
    const events = await eventsNow(controlSocketOf(node.dir)).catch(unlessDown);
    return events.map((event) => ({ ...event, node: node.name }));
  });
  const told = (await Promise.all(asked)).flat();
  for (const event of told.toSorted((a, b) => a.at.localeCompare(b.at))) print(event);
  if (!options.follow) return 0;
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  const shown = new Set(told.map(identity));
  const following = nodes.map(({ name, dir: of }) =>
    followEvents(controlSocketOf(of), stop.signal, (event) => {
      const named = { ...event, node: name };
      if (!shown.delete(identity(named))) print(named);
    }),
  );
  await Promise.all(following);
  return 0;
}

function identity({ node, seq, at }: NodeEvent): string {
  return `${node} ${seq} ${at}`;
}

/** A node that does not run has nothing to tell. */
function unlessDown(error: unknown): readonly BusEvent[] {
  if (error instanceof UnavailableError) return [];
  throw error;
}
