// Whether a datadir is the one that spoke for its uuid before (PROTOCOL §2, S29): a volume that went back in time holds less
// than its record says, or has promised less. What it has lost it may have acknowledged.
import { contains } from "./gtid.ts";
import type { GtidFacts, NodeRecord, PromiseFacts } from "./observation.ts";
import { heldSet } from "./state.ts";

/** Said of this uuid, in Consul or on its disk, by whoever ran it before. */
export function forgotPromise(
  promise: PromiseFacts,
  said: Pick<NodeRecord, "promised" | "amnesiac"> | null,
): boolean {
  if (promise.amnesiac === true) return true;
  // Its record was whole again only after it was outside of V: until the disk says so as well, this is the older word.
  return said !== null && (said.amnesiac || said.promised > promise.epoch);
}

/** Who wrote the record ran this datadir somewhere else, and has not said that it stopped: a copy, or a volume that moved. */
export function isElsewhere(
  said: Pick<NodeRecord, "node" | "host" | "port" | "stopped">,
  me: Pick<NodeRecord, "node" | "host" | "port">,
): boolean {
  return !said.stopped && (said.node !== me.node || said.host !== me.host || said.port !== me.port);
}

/** I5: what was published is there after any restart, so less than that is another disk, or the same one of before. */
export function forgotData(server: GtidFacts, said: GtidFacts): boolean {
  return !contains(heldSet(server), heldSet(said));
}
