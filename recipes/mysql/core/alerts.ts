// What a person should know of a node that works, each with a code that `autopilot explain` explains. The sentence of a
// tick says what the node does; these say what is weaker than it should be.
import { diskFull } from "./candidate.ts";
import { failsafe } from "./detection.ts";
import type { Names, Observation } from "./observation.ts";

/** A heartbeat that waits this long is not just slow (§3). */
const BLOCKED_MS = 1_500;

export function alertsOf(o: Observation): readonly string[] {
  return [...consul(o), ...disk(o), ...primary(o), ...audited(o)];
}

/** Said by the agent itself (/status): what Consul refuses it cannot tell through Consul. */
function consul({ consul: { error } }: Observation): readonly string[] {
  if (error?.includes("AP_CONSUL_DENIED") === true)
    return [
      alert("AP_CONSUL_DENIED", "Consul refuses this node's token: no failover from or to it"),
    ];
  if (error?.includes("AP_ETCD_DENIED") === true)
    return [alert("AP_ETCD_DENIED", "etcd refuses this node's user: no failover from or to it")];
  return [];
}

function disk(o: Observation): readonly string[] {
  if (!diskFull(o)) return [];
  return [alert("AP_DISK_FULL", `${Math.floor((o.diskFree ?? 0) / 1_048_576)} MiB left`)];
}

function primary(o: Observation): readonly string[] {
  const state = o.consul.state?.value;
  if (o.primacy?.stage !== "open" || state === undefined) return [];
  const alerts: string[] = [];
  if (state.acks === 0)
    alerts.push(alert("AP_ALONE", "writes are on one disk, and nobody else may be promoted"));
  if (failsafe(o, state) === "stay")
    alerts.push(
      alert("AP_FAILSAFE", "Consul is away; this primary stays by its acknowledged heartbeats"),
    );
  const { waitingSince } = o.heartbeat;
  if (waitingSince !== null && o.now - waitingSince > BLOCKED_MS)
    alerts.push(alert("AP_WRITES_BLOCKED", "commits wait, for acknowledgements or for the disk"));
  for (const peer of o.consul.peers)
    if (peer.amnesiac && state.voters.includes(peer.uuid))
      alerts.push(alert("AP_VOTER_AMNESIAC", `${peer.node}'s promise does not count`));
  return alerts;
}

/** Found on the open primary; it holds for every node that may follow it. */
function audited({ audit, primacy }: Observation): readonly string[] {
  if (audit === null || primacy?.stage !== "open") return [];
  const { privileged, notTransactional, withoutKey, preparedXa } = audit;
  const alerts: string[] = [];
  if (privileged.first.length > 0)
    alerts.push(alert("AP_ACCOUNT_TOO_STRONG", `${listed(privileged)} may write past a fence`));
  if (notTransactional.first.length > 0)
    alerts.push(alert("AP_TABLE_NOT_TRANSACTIONAL", `${listed(notTransactional)}`));
  if (withoutKey.first.length > 0)
    alerts.push(alert("AP_TABLE_WITHOUT_KEY", `${listed(withoutKey)}`));
  if (preparedXa > 0)
    alerts.push(alert("AP_XA_PREPARED", `${preparedXa} prepared XA transactions`));
  return alerts;
}

const alert = (code: string, what: string): string => `${code}: ${what}`;

function listed({ first, more }: Names): string {
  return `${first.join(", ")}${more ? " and more" : ""}`;
}
