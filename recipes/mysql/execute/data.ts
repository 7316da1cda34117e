// The datadir: a server_id of its own, found or cloned (PROTOCOL §7). Long work runs as a job: the action
// starts it, its progress is an observed fact, and a half-made datadir never gets its name.
import { ConflictError, messageOf } from "../../../src/index.ts";
import { chooseProvision } from "../core/backup/provision.ts";
import { founded } from "../core/state.ts";
import type { JobFacts } from "../core/observation.ts";
import { leaf, parseLastBackup } from "../keys.ts";
import type { NewData } from "../machine.ts";
import {
  commitNoted,
  crashPoint,
  mysqldOf,
  note,
  sessionOf,
  uuidOf,
  type Executors,
  type Hands,
} from "./hands.ts";

/** Pauses between tries of a failed job: 1 s, 2 s, 4 s … 30 s. */
const RETRY_FIRST_MS = 1_000;
const RETRY_LONGEST_MS = 30_000;
/** server_id is 32 bits; a cluster that has used this many has a problem of its own. */
const MOST_SERVER_IDS = 1_000;

/** Reads the disk anew: after anything that changed it. */
export async function refreshDatadir(hands: Hands): Promise<void> {
  const { memory, disk } = hands;
  const { datadir, plan } = await disk.read();
  memory.datadir = datadir;
  memory.fresh = datadir.kind === "ready" && plan !== null;
  if (datadir.kind === "ready") {
    memory.uuid = datadir.uuid;
    memory.serverId = datadir.serverId;
  }
}

/** A plan that was claimed before is kept, so that a crash does not use up another server_id. */
async function claimServerId(hands: Hands): Promise<void> {
  const { kv, keys, memory, node, disk } = hands;
  const { plan } = await disk.read();
  const uuid = plan?.uuid ?? hands.newUuid();
  const taken = new Map((await kv.list(keys.serverIds)).map((e) => [Number(leaf(e)), e.value]));
  const value = JSON.stringify({ uuid, node: node.name });
  if (plan !== null && taken.get(plan.serverId) === value) {
    memory.uuid = uuid;
    memory.serverId = plan.serverId;
    return;
  }
  for (let serverId = 1; serverId <= MOST_SERVER_IDS; serverId++) {
    if (taken.has(serverId)) continue;
    const claimed = await kv.commit([{ do: "cas", key: keys.serverId(serverId), value, index: 0 }]);
    if (!claimed.ok) continue;
    await disk.writePlan({ uuid, serverId });
    memory.uuid = uuid;
    memory.serverId = serverId;
    return;
  }
  throw new ConflictError("AP_PROVISION_FAILED", `all ${MOST_SERVER_IDS} server_ids are taken`);
}

type Work = (report: (says: string) => void, signal: AbortSignal) => Promise<void>;

const running = new WeakMap<
  Hands,
  { readonly end: AbortController; readonly done: Promise<void> }
>();

const BEGINS: Readonly<Record<JobFacts["name"], string>> = {
  initialize: "making a new datadir",
  provision: "preparing to clone",
  "set-aside": "setting the datadir aside",
};

/** Starts a job; its end wakes the loop. At most one at a time. */
export function startJob(hands: Hands, name: JobFacts["name"], work: Work): void {
  const { memory } = hands;
  const end = new AbortController();
  const before = memory.job?.name === name ? memory.job.failures : 0;
  const says = (text: string, isRunning: boolean) => {
    memory.job = {
      name,
      running: isRunning,
      says: text,
      failure: null,
      failures: before,
      retryAt: 0,
    };
    hands.wake();
  };
  says(BEGINS[name], true);
  const done = work((text) => says(text, true), end.signal)
    .then(async () => {
      await refreshDatadir(hands);
      memory.job = null;
    })
    .catch((error: unknown) => {
      const wait = Math.min(RETRY_FIRST_MS * 2 ** before, RETRY_LONGEST_MS);
      const failure = messageOf(error);
      hands.log.error(`${name} failed`, { err: error });
      memory.job = {
        name,
        running: false,
        says: failure,
        failure,
        failures: before + 1,
        retryAt: hands.clock.now() + wait,
      };
    })
    .finally(() => {
      running.delete(hands);
      hands.wake();
    });
  running.set(hands, { end, done });
}

/** Ends a job and waits for it. */
export async function abortJob(hands: Hands): Promise<void> {
  const job = running.get(hands);
  job?.end.abort(new Error("the agent stops"));
  await job?.done;
}

function newData(hands: Hands, clusterId: string, signal: AbortSignal): NewData {
  return { uuid: uuidOf(hands), serverId: hands.memory.serverId ?? 0, clusterId, signal };
}

export const data = {
  "claim-server-id": claimServerId,

  initialize: async (hands, action) => {
    const clusterId = action.clusterId ?? hands.newUuid();
    startJob(hands, "initialize", async (report, signal) => {
      // Before the datadir gets its name: one without this file would count as a node with data (§7).
      await hands.disk.writeBootstrap(clusterId);
      await hands.maker.initialize({ ...newData(hands, clusterId, signal), report });
      crashPoint("bootstrap:initialized");
    });
  },

  provision: async (hands, { donor }) => {
    const clusterId = hands.registry.facts().initialize;
    if (clusterId === null) return;
    const { serverId, uuid } = hands.memory;
    const claim = await hands.kv.get(hands.keys.serverId(serverId ?? 0));
    // A Consul that lost its data gave away another node's server_id meanwhile (§7a): a new one is claimed.
    if (claim === null || (JSON.parse(claim.value) as { uuid: string }).uuid !== uuid) {
      await forgetIdentity(hands);
      return;
    }
    startJob(hands, "provision", async (report, signal) => {
      await hands.disk.writeBootstrap(null);
      const data = newData(hands, clusterId, signal);
      if (await madeFromBackup(hands, donor, { data, report })) return;
      hands.announce("provision", `cloning from ${donor.node}`);
      await hands.maker.clone({
        ...data,
        donor: { host: donor.host, port: donor.port },
        progress: ({ done, estimate }) => {
          hands.memory.copyBytes = estimate;
          report(`cloning from ${donor.node}: ${mib(done)} of about ${mib(estimate)} MiB`);
        },
      });
      hands.announce("provisioned", `cloned from ${donor.node}`);
    });
  },

  "discard-bootstrap": async (hands, { why }) => {
    await hands.disk.setAside(why, new Date(hands.clock.wall()).toISOString(), null);
    await hands.disk.writeBootstrap(null);
    await forgetIdentity(hands);
  },

  "finish-bootstrap": async (hands) => {
    await hands.disk.writeBootstrap(null);
    await refreshDatadir(hands);
  },

  "settle-datadir": async (hands) => {
    await mysqldOf(hands).forgetSource();
    await hands.disk.writePlan(null);
    await refreshDatadir(hands);
  },

  "register-cluster": async (hands, { clusterId }) => {
    const { keys, registry, memory } = hands;
    // Right before it takes effect: nodes of a Consul that lost its data have written their records again by now (§7).
    await registry.refreshPeers(0);
    const { peers, peersAgeMs } = registry.facts();
    const others = peers.some((p) => p.uuid !== memory.uuid && p.executed !== "");
    if (others || peersAgeMs === null || peersAgeMs > 1_000) return;
    const done = await commitNoted(hands, [
      { do: "check-session", key: keys.leader, session: sessionOf(hands) },
      { do: "cas", key: keys.initialize, value: clusterId, index: 0 },
      { do: "cas", key: keys.state, value: JSON.stringify(founded(uuidOf(hands))), index: 0 },
    ]);
    crashPoint("bootstrap:registered");
    if (done.ok) hands.announce("founded", `cluster ${clusterId} founded by ${hands.node.name}`);
  },

  "note-state": async (hands, { state }) => note(hands, state),
} satisfies Partial<Executors>;

type Making = { readonly data: NewData; readonly report: (says: string) => void };

/** False: it is to be cloned. What goes wrong with a backup is said, and the clone is the next way. */
async function madeFromBackup(
  { maker, config, kv, keys, registry, announce, log }: Hands,
  { uuid, node }: { readonly uuid: string; readonly node: string },
  { data, report }: Making,
): Promise<boolean> {
  if (maker.restore === undefined || config.backup === undefined) return false;
  const entry = await kv.get(keys.backupLast);
  const peer = registry.peer(uuid);
  const { how, why } = chooseProvision({
    policy: config.backup.provision,
    donor: { node, isPrimary: peer?.role === "primary", purged: peer?.purged ?? "" },
    last: entry === null ? null : parseLastBackup(entry.value),
  });
  log.info("provision", { how, why });
  if (how === "clone") return false;
  announce("provision", why);
  try {
    await maker.restore({ ...data, report });
  } catch (error) {
    data.signal.throwIfAborted();
    announce("setback", `the backup could not be used: ${messageOf(error)}`);
    return false;
  }
  announce("provisioned", why);
  return true;
}

export async function forgetIdentity(hands: Hands): Promise<void> {
  await hands.disk.writePlan(null);
  hands.memory.amnesiac = null;
  hands.memory.said = null;
  hands.memory.elsewhere = null;
  hands.memory.uuid = null;
  hands.memory.serverId = null;
  await refreshDatadir(hands);
}

function mib(bytes: number): string {
  return (bytes / 1_048_576).toFixed(0);
}
