// What Consul remembers of this node's datadir, held against its disk and its mysqld before anything is done with it
// (PROTOCOL §2 "back in time", "twice"). Its first record would overwrite that.
import { forgotData, forgotPromise, isElsewhere } from "./core/amnesia.ts";
import type { GtidFacts, NodeRecord, ServerFacts } from "./core/observation.ts";
import { MOVED_AFTER_MS } from "./core/policy.ts";
import type { ObserveParts } from "./observe.ts";

type Parts = Pick<ObserveParts, "memory" | "registry" | "clock" | "node" | "config">;

export async function recall(parts: Parts, server: ServerFacts | null): Promise<void> {
  const { memory, registry } = parts;
  const { uuid } = memory;
  if (uuid === null || !registry.facts().loaded) return;
  if (memory.amnesiac === null) {
    const read = await registry.readRecord(uuid);
    if (read === undefined || !isHere(parts, read)) return;
    const said = read?.value ?? null;
    memory.elsewhere = null;
    memory.promisedHigh = said?.promised ?? 0;
    memory.said = said;
    memory.held = said === null ? null : gtidsOf(uuid, said);
    memory.amnesiac = forgotPromise(memory.promise, said);
  }
  if (server !== null && server.uuid === uuid) {
    if (memory.said !== null && forgotData(server, memory.said)) memory.amnesiac = true;
    memory.said = null;
    memory.held = gtidsOf(uuid, server);
  }
  // On the disk with the next promise: until then Consul tells again.
  if (memory.amnesiac && memory.promise.amnesiac !== true)
    memory.promise = { ...memory.promise, amnesiac: true };
}

type Read = { readonly index: number; readonly value: NodeRecord } | null;

/** Nobody runs this datadir at another place: its record is from here, or has not moved for a while. */
function isHere({ memory, clock, node, config }: Parts, read: Read): boolean {
  const me = { node: node.name, host: node.host, port: config.port };
  if (read === null || !isElsewhere(read.value, me)) return true;
  const before = memory.elsewhere;
  const { index, value } = read;
  const now = clock.now();
  if (before?.index === index) return now - before.since >= MOVED_AFTER_MS;
  const { node: name, host, port } = value;
  memory.elsewhere = { node: name, host, port, index, since: now, lives: before !== null };
  return false;
}

function gtidsOf(uuid: string, { executed, retrieved, purged }: GtidFacts) {
  return { uuid, executed, retrieved, purged };
}
