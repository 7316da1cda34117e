// What a fault did, seen where it took effect: a fault that never bites tests nothing. Counted over all schedules of a
// soak, and each must be above zero (simulation.test.ts).

export const EFFECTS = [
  // Processes and machines.
  "mysqld killed",
  "mysqld killed in a commit",
  "agent crashed at an action",
  "node killed",
  "node stopped",
  "cluster stopped",
  "agent paused",
  "loop paused",
  "mysqld paused",
  "power lost",
  "relay log torn",
  "clock drifted",
  "wall clock jumped",
  // Network.
  "path cut",
  "path cut one way",
  "network slow",
  // Consul.
  "Consul away",
  "Consul restarted",
  "Consul without a leader",
  "Consul's write held for a leader",
  "Consul slow",
  "Consul failing",
  "request lost",
  "answer lost",
  "request late",
  "request twice",
  "read stale",
  "token refused",
  "sessions ended",
  "Consul wiped",
  "Consul restored",
  // Disks and data.
  "disk lost",
  "disk restored",
  "disk restored within an epoch",
  "disk full: a commit waits",
  "disk full: a promise fails",
  "disk slow",
  "binlog purged",
  "datadir broken off",
  // Replication.
  "applier slow",
  "applier stopped",
  "receiver slow to stop",
  "long transaction",
  // People.
  "operator wrote on a replica",
  "operator wrote on the primary",
  "switchover asked",
  "rebuild ordered",
  "cluster paused",
  "node added",
  "node removed",
] as const;

export type Effect = (typeof EFFECTS)[number];

/** How often each was seen. */
export type Seen = Readonly<Partial<Record<Effect, number>>>;

export function never(seen: Seen): readonly Effect[] {
  return EFFECTS.filter((effect) => (seen[effect] ?? 0) === 0);
}

export function sum(a: Seen, b: Seen): Seen {
  const all: Partial<Record<Effect, number>> = { ...a };
  for (const effect of EFFECTS) {
    const more = b[effect] ?? 0;
    if (more > 0) all[effect] = (all[effect] ?? 0) + more;
  }
  return all;
}
