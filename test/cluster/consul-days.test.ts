// Consul's bad days, on three real Consul servers and one living cluster under the ledger writer: whatever Consul does, the
// primary that is acknowledged stays, nobody else opens, and what a person has to mend is refused until then (PROTOCOL §3,
// §7, §7a, §10).
import { afterAll, expect } from "vitest";
import { startDetour, type Detour } from "../contract/detour.ts";
import { ConsulServers } from "./consul-servers.ts";
import { acknowledges, type Cluster } from "./harness.ts";
import { sharedCluster } from "./story.ts";
import { until } from "./until.ts";

let servers: ConsulServers;
let detour: Detour;

const told = sharedCluster({}, async (cluster) => {
  servers = await ConsulServers.start(cluster.dir, cluster.basePort + 90);
  detour = await startDetour(servers.url);
  cluster.watchState(servers.url);
  return { consul: detour.url };
});

afterAll(async () => {
  await detour?.[Symbol.asyncDispose]();
  await servers?.[Symbol.asyncDispose]();
});

const key = (name: string) => `autopilot/mysql/${name}`;

/** The primary goes on by failsafe: it says so itself, because Consul cannot. */
function failsafe(port: number): Promise<unknown> {
  return until("the primary stays by failsafe", async () => {
    const answer = await fetch(`http://127.0.0.1:${port + 2}/status`);
    const { says, role } = (await answer.json()) as { says: string; role: string };
    return role === "primary" && says.includes("failsafe");
  });
}

/** The lock is held by somebody whose session lives, and nothing has moved. */
async function asBefore(cluster: Cluster, before: { epoch: number; primary: string | null }) {
  await until("the lock is held", async () => (await servers.holder(key("leader"))) !== null);
  await cluster.whole();
  const { epoch, primary } = before;
  expect(await cluster.status()).toMatchObject({ epoch, primary });
}

function everybodyRefuses(cluster: Cluster): Promise<unknown> {
  return until("every node refuses an older Consul", async () => {
    const { nodes } = await cluster.status();
    return nodes.length >= 3 && nodes.every(({ says }) => says.includes("AP_STATE_OLDER"));
  });
}

async function adopt(cluster: Cluster): Promise<Record<string, unknown>> {
  return JSON.parse(await cluster.must("adopt", "--json")) as Record<string, unknown>;
}

told(
  "a change of Consul's leader, and its servers' restart, move nothing",
  async (cluster, run) => {
    const before = await cluster.status();
    const leader = await servers.leader();
    servers.pause(leader);
    try {
      await until("another server leads", async () => (await servers.leader()) !== leader);
    } finally {
      servers.resume(leader);
    }
    await acknowledges(run);
    await servers.restart();
    await acknowledges(run);
    await asBefore(cluster, before);
  },
);

told(
  "while Consul has no quorum the primary stays open, and nobody else opens",
  async (cluster, run) => {
    const before = await cluster.status();
    const { port } = await cluster.primary();
    servers.pause(1);
    servers.pause(2);
    try {
      await failsafe(port);
      await acknowledges(run);
    } finally {
      servers.resume(1);
      servers.resume(2);
    }
    await asBefore(cluster, before);
  },
);

told("a session that an operator destroys is replaced within the epoch", async (cluster, run) => {
  const before = await cluster.status();
  const session = await servers.holder(key("leader"));
  expect(session).not.toBeNull();
  await servers.destroySession(session ?? "");
  await until("the lock is held by a new session", async () => {
    const holder = await servers.holder(key("leader"));
    return holder !== null && holder !== session;
  });
  await acknowledges(run);
  await asBefore(cluster, before);
});

told("slow answers cost nothing", async (cluster, run) => {
  const before = await cluster.status();
  await detour.break("slow");
  try {
    await until("a hundred answers came late", () => detour.spoilt >= 100);
    await acknowledges(run);
  } finally {
    detour.mend();
  }
  await asBefore(cluster, before);
});

for (const fault of ["errors", "cuts", "hangs"] as const)
  told(`a Consul agent whose every answer ${fault} moves nothing`, async (cluster, run) => {
    const before = await cluster.status();
    const { port } = await cluster.primary();
    await detour.break(fault);
    try {
      await failsafe(port);
      await acknowledges(run);
    } finally {
      detour.mend();
    }
    await asBefore(cluster, before);
  });

told(
  "a Consul that loses its data under a running cluster is refused, and adopted without an outage",
  async (cluster, run) => {
    const before = await cluster.status();
    const id = await servers.value(key("initialize"));
    await servers.wipe();
    await everybodyRefuses(cluster);
    // An empty node, on its own in an empty Consul but for the records of nodes with data: it must not found a cluster.
    const added = `mysql-${before.nodes.length + 1}`;
    await cluster.must("node", "add", added);
    await until("the empty node waits for a person", () =>
      cluster.logs(40).includes("has data, but Consul knows no cluster"),
    );
    expect(await servers.value(key("initialize"))).toBeNull();
    expect(await servers.value(key("state"))).toBeNull();
    await acknowledges(run);
    // What a person may not order either: there is a primary.
    const failover = await cluster.verb("failover");
    expect(failover).toMatchObject({ code: 3 });

    const { epoch, primary } = before;
    expect(await adopt(cluster)).toMatchObject({
      ok: true,
      how: "keep",
      epoch,
      primary,
      loss: null,
    });
    await asBefore(cluster, before);
    expect(await servers.value(key("initialize"))).toBe(id);
    const acked = [...run.writes].filter(({ outcome }) => outcome === "acked");
    expect(new Set(acked.map(({ node }) => node)).size).toBe(1);
    // It had taken a server_id that belongs to another node.
    await until(`${added} follows`, async () => (await cluster.node(added)).role === "replica");
    const claims = JSON.parse(await claimsOf()) as { Key: string; Value: string }[];
    const uuids = claims.map(({ Value }) => Buffer.from(Value, "base64").toString());
    expect(claims).toHaveLength(4);
    expect(new Set(uuids).size).toBe(4);
  },
);

async function claimsOf(): Promise<string> {
  return (await fetch(`${servers.url}/v1/kv/${key("server_ids/")}?recurse`)).text();
}

told("a second adopt finds nothing to do", async (cluster) => {
  const before = await cluster.status();
  const { code, stderr } = await cluster.verb("adopt");
  expect(code).toBe(3);
  expect(stderr).toContain("AP_ADOPT_REFUSED");
  expect(stderr).toContain("the newest that anybody here has seen");
  await asBefore(cluster, before);
});

told(
  "a Consul restored from an old snapshot is refused, and adopted without an outage",
  async (cluster, run) => {
    const snapshot = await servers.save();
    await cluster.must("switchover");
    await cluster.whole();
    const before = await cluster.status();
    await servers.restore(snapshot);
    await everybodyRefuses(cluster);
    await acknowledges(run);
    const { epoch, primary } = before;
    expect(await adopt(cluster)).toMatchObject({ how: "keep", epoch, primary });
    await asBefore(cluster, before);
    // The old history was told again.
    await cluster.watchAnew();
    const { lost, doubled, invented } = await cluster.verdict(run);
    expect({ lost, doubled, invented }).toEqual({ lost: [], doubled: [], invented: [] });
  },
  // The standard verdict would find two histories.
  async () => {},
);

told(
  "a Consul that loses its data under a stopped cluster is refused, and adopted by an election without loss",
  async (cluster, run) => {
    const before = await cluster.status();
    await cluster.must("stop");
    await cluster.up.ended();
    await servers.wipe();
    cluster.launch({ consul: detour.url, nodes: before.nodes.length });
    await everybodyRefuses(cluster);
    // The newest marker's writer is the one to win, whoever else is here.
    expect(await adopt(cluster)).toMatchObject({
      how: "elect",
      primary: before.primary,
      loss: null,
    });
    const after = await cluster.whole();
    expect(after.epoch).toBeGreaterThan(before.epoch);
    await acknowledges(run);
  },
);
