// From an empty directory to a running, closed server: found a cluster, or provision from a donor (PROTOCOL §7).
// A half-made datadir is never used, a foreign one never touched.
import { hold, type Action } from "./action.ts";
import { makeRoom } from "./aside.ts";
import { endGhost } from "./electing.ts";
import type { Observation, Peer } from "./observation.ts";
import { FRESH_MS } from "./policy.ts";
import { holdsLock, isSettled } from "./state.ts";

/** Everything up to a datadir that belongs to this cluster. */
export function bootstrapOrProvision(o: Observation): readonly Action[] | null {
  const { datadir, consul } = o;
  if (datadir.kind === "foreign")
    return hold(
      "the data directory holds something that autopilot did not make",
      "AP_DATADIR_FOREIGN",
    );
  if (!consul.loaded)
    return o.process.running ? null : hold(`waiting for Consul: ${consul.error ?? "not read yet"}`);
  // A server that is stopped to be set aside must not be started beside that.
  if (o.job?.running === true) return hold(o.job.says);
  if (datadir.kind === "ready") return checkCluster(o);
  if (o.process.running) return [{ do: "kill-mysqld", why: "its datadir is gone" }];
  if (o.me.serverId === null)
    return [{ do: "claim-server-id", why: "a new datadir needs a server_id of its own" }];
  if (o.job !== null && o.job.failure !== null && o.now < o.job.retryAt)
    return hold(`${o.job.name} failed: ${o.job.failure}; trying again`);
  return consul.initialize === null ? foundCluster(o) : provision(o);
}

/** A datadir of ours: of this cluster, or of a bootstrap that is not finished. */
function checkCluster(o: Observation): readonly Action[] | null {
  const { datadir, consul } = o;
  if (datadir.bootstrap !== null && consul.initialize === null) {
    const other = nodeWithData(o);
    if (other !== null) return other;
    if (!holdsLock(o)) return takeLockToFound(o);
    const clusterId = datadir.bootstrap;
    return [{ do: "register-cluster", clusterId, why: "founded: Consul learns of it" }];
  }
  if (datadir.bootstrap !== null && consul.initialize !== datadir.bootstrap) {
    if (o.process.running) return [{ do: "kill-mysqld", why: "another node founded the cluster" }];
    return [{ do: "discard-bootstrap", why: "another node founded the cluster" }];
  }
  if (consul.initialize === null)
    return hold("this node has data, but Consul knows no such cluster: waiting for a person");
  if (datadir.clusterId !== consul.initialize)
    return hold(
      `the datadir belongs to cluster ${datadir.clusterId}, Consul says ${consul.initialize}`,
      "AP_DATADIR_OTHER_CLUSTER",
    );
  return null;
}

function foundCluster(o: Observation): readonly Action[] {
  if (o.consul.peersAgeMs === null) return hold("looking for other nodes");
  const other = nodeWithData(o);
  if (other !== null) return other;
  // Its own election would be the first one.
  if (o.me.noFailover) return hold("tagged nofailover: another node has to found the cluster");
  if (!holdsLock(o)) return takeLockToFound(o);
  return [{ do: "initialize", clusterId: null, why: "first node: founding the cluster" }];
}

/** A Consul that lost its data, while nodes with data run: a new cluster beside theirs would split the clients. */
function nodeWithData(o: Observation): readonly Action[] | null {
  const withData = o.consul.peers.find((p) => p.uuid !== o.me.uuid && p.executed !== "");
  if (withData === undefined) return null;
  return hold(
    `${withData.node} has data, but Consul knows no cluster: waiting for a person`,
    "AP_STATE_OLDER",
  );
}

function takeLockToFound(o: Observation): readonly Action[] {
  const { leader, session } = o.consul;
  if (o.me.stopping) return hold("stopping");
  if (session === null) return hold(`waiting for a Consul session: ${o.consul.error ?? "opening"}`);
  const ghost = endGhost(o);
  if (ghost !== null) return ghost;
  if (leader?.session != null) {
    const who = leader.value?.held === true ? leader.value.node : "another node";
    return hold(`waiting for ${who} to found the cluster`);
  }
  return [{ do: "take-lock", why: "no cluster yet: taking the lock to found it" }];
}

function provision(o: Observation): readonly Action[] {
  const room = clearance(o);
  if (room !== null) return room;
  const donor = bestDonor(o);
  if (donor === null) return hold("waiting for a donor: no primary and no replica answers");
  const { uuid, node, host, port } = donor;
  const role = donor.role === "primary" ? "the primary" : "a replica without lag";
  const { ver, epoch } = o.consul.state?.value ?? { ver: 0, epoch: 0 };
  return [
    { do: "ask-join", ver, epoch, why: "the account can be made while the data is copied" },
    { do: "provision", donor: { uuid, node, host, port }, why: `cloning from ${node}, ${role}` },
  ];
}

/** §7: old datadirs go where they are too many, or in the way of the new one; the newest never. */
function clearance(o: Observation): readonly Action[] | null {
  if (o.room === null) return null;
  const { remove: names, missingBytes } = makeRoom(o.room, o.policy.keepAside, o.copyBytes);
  if (missingBytes > 0) {
    const missing = Math.ceil(missingBytes / 1_048_576);
    const kept = o.room.aside.length === 0 ? "" : ", and no datadir in aside/ may go";
    return hold(`a copy of the data lacks about ${missing} MiB of space${kept}`, "AP_DISK_SPACE");
  }
  if (names.length === 0) return null;
  const why = `older than the newest ${o.policy.keepAside}, or in the way of the new copy`;
  return [{ do: "remove-aside", names, why }];
}

/** In-sync replicas spare the primary; the least lag first; else the primary itself. */
export function bestDonor(o: Observation): Peer | null {
  const state = o.consul.state?.value;
  if (state === undefined || !isSettled(state, o.consul.peers)) return null;
  const able = o.consul.peers.filter(
    (p) =>
      p.ageMs <= FRESH_MS &&
      p.epoch === state.epoch &&
      !p.stopping &&
      !p.needsRebuild &&
      p.mysqldPid !== null,
  );
  const replicas = able
    .filter(
      (p) => p.role === "replica" && state.voters.includes(p.uuid) && (p.lagSeconds ?? 1e9) <= 1,
    )
    .toSorted((a, b) => (a.lagSeconds ?? 0) - (b.lagSeconds ?? 0) || (a.uuid < b.uuid ? -1 : 1));
  return replicas[0] ?? able.find((p) => p.uuid === state.primary) ?? null;
}

/** A replica that hangs is in nobody's way but an election's, which needs its promise. */
const HANGS_AFTER_MS = 10_000;

/** A server that is down is started, closed; one that hangs outside of an open primacy is replaced. */
export function keepServerUp(o: Observation): readonly Action[] | null {
  if (!o.process.running) {
    if (o.now < o.process.restartAt)
      return hold(`mysqld ended (${o.process.lastExit ?? "?"}): starting it again soon`);
    return [{ do: "start-mysqld", why: o.process.lastExit ?? "first start" }];
  }
  if (o.server === null) {
    if (o.primacy !== null) return null;
    const { silentSince } = o.process;
    if (silentSince === null) return hold("mysqld is starting");
    if (o.now - silentSince < HANGS_AFTER_MS) return hold("mysqld does not answer");
    return [{ do: "kill-mysqld", why: "mysqld hangs: it has not answered for 10 s" }];
  }
  if (o.server.clusterId !== null && o.server.clusterId !== o.datadir.clusterId)
    return [{ do: "kill-mysqld", why: "AP_DATADIR_OTHER_CLUSTER: the data names another cluster" }];
  if (o.fresh) return [{ do: "settle-datadir", why: "first start of a new datadir" }];
  return null;
}
