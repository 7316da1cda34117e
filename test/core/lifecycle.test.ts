// From an empty directory to a running, closed server (PROTOCOL §7): found a cluster, copy a node, start mysqld.
import { describe, expect, test } from "vitest";
import {
  bestDonor,
  bootstrapOrProvision,
  keepServerUp,
} from "../../recipes/mysql/core/lifecycle.ts";
import { FRESH_MS } from "../../recipes/mysql/core/policy.ts";
import { founded } from "../../recipes/mysql/core/state.ts";
import { deeds, EPOCH, NOW, says, situation, the, uuid, type Situation } from "./situation.ts";

const acts = (s: Situation) => bootstrapOrProvision(s.observation) ?? [];
const keeps = (s: Situation) => keepServerUp(s.observation) ?? [];
const OTHER = "77777777-0000-4000-8000-000000007777";
const ours = situation().observation.datadir.clusterId;

describe("the founding", () => {
  test("is left to a node that may be elected", () => {
    const s = situation().withoutDatadir().beforeTheFounding().me({ noFailover: true });
    expect(says(acts(s))).toContain("another node has to found the cluster");
    expect(deeds(acts(s))).toEqual(["hold"]);
  });

  const empty = situation().withoutDatadir().beforeTheFounding();
  const made = empty.datadir({
    kind: "ready",
    uuid: uuid("a"),
    serverId: 1,
    bootstrap: OTHER,
    clusterId: OTHER,
  });
  const holding = (s: Situation) =>
    s.consul({ leader: { index: 1, session: "session-a", value: null } });

  test("begins with a server_id of its own, then the lock, then the datadir", () => {
    expect(deeds(acts(empty.me({ serverId: null, uuid: null })))).toEqual(["claim-server-id"]);
    expect(deeds(acts(empty))).toEqual(["take-lock"]);
    expect(deeds(acts(holding(empty)))).toEqual(["initialize"]);
  });

  test("is one node's: the others wait for it", () => {
    const other = empty.consul({ leader: { index: 1, session: "session-b", value: null } });
    expect(deeds(acts(other))).toEqual(["hold"]);
    expect(says(acts(other))).toContain("waiting for another node to found the cluster");
  });

  test("is nobody's where a node with data reports: Consul has lost its state", () => {
    const b = situation()
      .withVoters("a", "b")
      .observation.consul.peers.find((p) => p.node === "b");
    if (b === undefined) throw new Error("no peer");
    const lost = empty.consul({ peers: [b] });
    expect(deeds(acts(lost))).toEqual(["hold"]);
    expect(says(acts(lost))).toContain("AP_STATE_OLDER");
    expect(deeds(acts(empty.consul({ peers: [], peersAgeMs: null })))).toEqual(["hold"]);
  });

  test("waits for a session, and does not begin on the way out", () => {
    expect(deeds(acts(empty.consul({ session: null })))).toEqual(["hold"]);
    expect(deeds(acts(empty.stopping()))).toEqual(["hold"]);
  });

  test("is told to Consul only while the lock is held, before the server ever starts", () => {
    expect(deeds(acts(made))).toEqual(["take-lock"]);
    expect(the("register-cluster", acts(holding(made))).clusterId).toBe(OTHER);
  });

  test("that another node won makes this datadir void", () => {
    const late = made.consul({ initialize: ours });
    expect(deeds(acts(late))).toEqual(["discard-bootstrap"]);
    expect(deeds(acts(late.process({ running: true })))).toEqual(["kill-mysqld"]);
  });

  test("that this node won lets its server start, and then its election", () => {
    const won = situation()
      .withVoters("a")
      .consul({ initialize: OTHER, peers: [] })
      .datadir({ bootstrap: OTHER, clusterId: OTHER })
      .and({ answered: 0, promise: { epoch: 0, ver: 0, seenEpoch: 0 } })
      .server({ executed: "", clusterId: OTHER })
      .state(founded(uuid("a")))
      .lockHeldBy("a");
    expect(acts(won)).toEqual([]);
    expect(deeds(won.serverDown("").decides())).toEqual(["start-mysqld"]);
    expect(deeds(won.decides())).toEqual(["elect"]);
  });

  test("is remembered no longer once its first primary is open", () => {
    const s = situation()
      .withVoters("a")
      .asPrimary()
      .policy({ voters: 1 })
      .datadir({ bootstrap: ours });
    expect(deeds(s.decides())).toContain("finish-bootstrap");
    expect(deeds(s.asPrimary("marked").decides())).not.toContain("finish-bootstrap");
  });
});

describe("a datadir", () => {
  test("that autopilot did not make is never touched", () => {
    const s = situation().withoutDatadir().datadir({ kind: "foreign" });
    expect(deeds(acts(s))).toEqual(["hold"]);
    expect(says(acts(s))).toContain("AP_DATADIR_FOREIGN");
    expect(deeds(s.beforeTheFounding().decides())).toEqual(["hold"]);
  });

  test("with data never founds a cluster, and never joins another", () => {
    expect(deeds(acts(situation().consul({ initialize: null })))).toEqual(["hold"]);
    expect(says(acts(situation().consul({ initialize: null })))).toContain("waiting for a person");
    expect(deeds(acts(situation().consul({ initialize: OTHER })))).toEqual(["hold"]);
    expect(says(acts(situation().consul({ initialize: OTHER })))).toContain(
      "AP_DATADIR_OTHER_CLUSTER",
    );
  });

  test("that is only half made is made anew", () => {
    const s = situation().withoutDatadir().datadir({ kind: "half" });
    expect(deeds(acts(s))).toContain("provision");
  });

  test("that is gone under a running server ends that server", () => {
    const s = situation().datadir({ kind: "absent" });
    expect(deeds(acts(s))).toEqual(["kill-mysqld"]);
  });

  test("of this cluster is nothing to talk about", () => {
    expect(acts(situation())).toEqual([]);
  });
});

describe("without Consul", () => {
  test("nothing is made, and a server that runs goes on", () => {
    const unread = { loaded: false, error: "connect ECONNREFUSED" };
    expect(says(acts(situation().withoutDatadir().consul(unread)))).toContain("ECONNREFUSED");
    expect(deeds(acts(situation().serverDown().consul(unread)))).toEqual(["hold"]);
    expect(acts(situation().consul(unread))).toEqual([]);
  });
});

describe("a copy", () => {
  const empty = situation().withVoters("b", "c").withoutDatadir();

  test("asks for its account meanwhile, and comes from a voter, to spare the primary", () => {
    const acted = acts(empty);
    expect(deeds(acted)).toEqual(["ask-join", "provision"]);
    expect(the("provision", acted).donor).toEqual({
      uuid: uuid("c"),
      node: "c",
      host: "c.test",
      port: 3306,
    });
    expect(the("ask-join", acted)).toMatchObject({ ver: 10, epoch: EPOCH });
  });

  test("waits for the job that makes it, and after a failure for its pause", () => {
    const job = {
      name: "provision",
      running: true,
      says: "cloning",
      failure: null,
      failures: 0,
      retryAt: 0,
    } as const;
    expect(says(acts(empty.and({ job })))).toBe("hold: cloning");
    const failed = { ...job, running: false, failure: "no space left", retryAt: NOW + 1 };
    expect(says(acts(empty.and({ job: failed })))).toContain("no space left");
    expect(deeds(acts(empty.and({ job: { ...failed, retryAt: NOW } })))).toContain("provision");
  });

  test("waits where nobody can give", () => {
    expect(deeds(acts(empty.consul({ peers: [] })))).toEqual(["hold"]);
    expect(deeds(acts(empty.state({ phase: "promoting" })))).toEqual(["hold"]);
    expect(deeds(acts(empty.consul({ state: null })))).toEqual(["hold"]);
  });

  test.each([
    ["is not a voter", empty.withVoters("b")],
    ["is no replica", empty.peer("c", { role: "fenced" })],
    ["lags", empty.peer("c", { lagSeconds: 2 })],
    ["does not say how far it is behind", empty.peer("c", { lagSeconds: null })],
    ["has not reported lately", empty.peer("c", { ageMs: FRESH_MS + 1 })],
    ["follows an older epoch", empty.peer("c", { epoch: 4 })],
    ["is stopping", empty.peer("c", { stopping: true })],
    ["cannot follow", empty.peer("c", { needsRebuild: true })],
    ["has no server", empty.peer("c", { mysqldPid: null })],
  ])("is the primary's where the replica %s", (_, s) => {
    expect(bestDonor(s.observation)?.node).toBe("b");
  });

  test("is of the replica with the least lag", () => {
    const s = empty.withVoters("b", "c", "d").peer("c", { lagSeconds: 1 });
    expect(bestDonor(s.observation)?.node).toBe("d");
  });
});

describe("the server", () => {
  const down = situation().serverDown();

  test("is started when it is down, and after quick ends only after a pause", () => {
    expect(deeds(keeps(down))).toEqual(["start-mysqld"]);
    expect(deeds(keeps(down.process({ restartAt: NOW + 1 })))).toEqual(["hold"]);
    expect(deeds(keeps(down.process({ restartAt: NOW })))).toEqual(["start-mysqld"]);
  });

  test("is waited for while it starts, and replaced where it answered once and has hung for 10 s", () => {
    const silent = (silentSince: number | null) =>
      situation().and({ server: null }).process({ silentSince });
    expect(says(keeps(silent(null)))).toBe("hold: mysqld is starting");
    expect(deeds(keeps(silent(NOW - 9_999)))).toEqual(["hold"]);
    expect(deeds(keeps(silent(NOW - 10_000)))).toEqual(["kill-mysqld"]);
  });

  test("of a primary that does not answer is judged by the primary's own rules", () => {
    const s = situation().asPrimary().and({ server: null }).process({ silentSince: 0 });
    expect(keeps(s)).toEqual([]);
  });

  test("whose data name another cluster is not used", () => {
    expect(deeds(keeps(situation().server({ clusterId: OTHER })))).toEqual(["kill-mysqld"]);
    expect(keeps(situation().server({ clusterId: null }))).toEqual([]);
  });

  test("of a new datadir forgets its donor's source before it is anything else", () => {
    expect(deeds(keeps(situation().and({ fresh: true })))).toEqual(["settle-datadir"]);
    expect(deeds(situation().asReplicaOf("b").and({ fresh: true }).decides())).toEqual([
      "settle-datadir",
    ]);
  });
});
