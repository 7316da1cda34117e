// What a node is and says: one role, one sentence, one record (PROTOCOL §1).
import { describe, expect, test } from "vitest";
import { epochOf, recordOf, roleOf, sentence } from "../../recipes/mysql/core/report.ts";
import { founded } from "../../recipes/mysql/core/state.ts";
import { EPOCH, gtids, NOW, situation, uuid, type Situation } from "./situation.ts";

const REST = { agentPort: 3308, pid: 7, controlSocket: "/s", since: "2026-01-01", ver: 12 };
const record = (s: Situation) => recordOf(s.observation, s.decides(), REST);
const errant = { primary: uuid("b"), gtids: gtids("x:1"), why: "errant" };

describe("the role", () => {
  test.each([
    ["provisioning", situation().withoutDatadir()],
    ["unknown", situation().serverDown()],
    ["stopped", situation().serverDown().stopping()],
    ["primary", situation().asPrimary()],
    ["candidate", situation().asPrimary("marked")],
    ["candidate", situation().asPrimary("drained")],
    ["candidate", situation().epoch(6).asCandidate()],
    ["unknown", situation().and({ server: null })],
    ["replica", situation().asReplicaOf("b")],
    ["fenced", situation()],
    ["fenced", situation().asReplicaOf("b").server({ source: null })],
  ] as const)("is %s", (role, s) => {
    expect(roleOf(s.observation)).toBe(role);
  });
});

test("the epoch is that of the own reign, else of what is followed, else of Consul, else 0", () => {
  const behind = situation().epoch(9);
  expect(epochOf(situation().asPrimary().epoch(9).observation)).toBe(EPOCH);
  expect(epochOf(situation().asReplicaOf("b").epoch(9).observation)).toBe(EPOCH);
  expect(epochOf(behind.observation)).toBe(9);
  expect(epochOf(behind.consul({ state: null }).observation)).toBe(0);
});

describe("the sentence", () => {
  test("is why nothing is done, or what is done and why", () => {
    expect(sentence([{ do: "hold", why: "all is well" }])).toBe("all is well");
    expect(
      sentence([
        { do: "end-primacy", why: "mysqld ended" },
        { do: "release-lock", prefer: null, closed: true, gaveUp: false, why: "mysqld ended" },
      ]),
    ).toBe("end-primacy: mysqld ended; release-lock: mysqld ended");
  });

  test("does not mention housekeeping", () => {
    const noted = { do: "note-state", state: founded("a"), why: "the newest state seen" } as const;
    expect(sentence([noted, { do: "hold", why: "all is well" }])).toBe("all is well");
    expect(sentence([])).toBe("nothing to do");
  });
});

describe("the record", () => {
  test("of a replica says what it holds, what it has joined, and whether it acknowledges", () => {
    expect(record(situation().withVoters("a", "b", "c").asReplicaOf("b"))).toMatchObject({
      uuid: uuid("a"),
      role: "replica",
      state: "replica",
      epoch: EPOCH,
      joined: EPOCH,
      executed: gtids("b:1-100 m:1-5"),
      semiSync: true,
      seesPrimary: true,
      promised: EPOCH,
      writable: false,
      lagSeconds: 0,
      stopping: false,
      stopped: false,
      needsRebuild: false,
      ver: 12,
    });
  });

  test("of a primary says that it is writable, and that it is not behind itself", () => {
    expect(record(situation().asPrimary())).toMatchObject({
      role: "primary",
      state: "open",
      writable: true,
      lagSeconds: 0,
      seesPrimary: false,
    });
    expect(record(situation().asPrimary().server({ offlineMode: true }))?.writable).toBe(false);
    expect(record(situation().asPrimary("marked"))?.writable).toBe(false);
  });

  test("sees the primary while its heartbeats come, and no longer", () => {
    const replica = situation().asReplicaOf("b");
    const seen = (s: Situation) => record(s)?.seesPrimary;
    expect(seen(replica.sight({ lastTransactionAt: NOW - 1_499 }))).toBe(true);
    expect(seen(replica.sight({ lastTransactionAt: NOW - 1_500 }))).toBe(false);
    expect(seen(replica.sight({ lastTransactionAt: null }))).toBe(false);
    expect(seen(replica.source({ io: "Connecting" }))).toBe(false);
  });

  test("never says a lower promise than Consul remembers: a restored volume would else be forgiven (S29)", () => {
    const s = situation().me({ promisedHigh: 9, amnesiac: true });
    expect(record(s)).toMatchObject({ promised: 9, amnesiac: true });
    expect(record(situation())).toMatchObject({ promised: EPOCH, amnesiac: false });
  });

  test("never says less of a datadir than was said of it while its mysqld is down (S29)", () => {
    const held = { executed: gtids("b:1-9 m:1-4"), retrieved: gtids("b:10"), purged: gtids("b:1") };
    const s = situation().me({ held });
    expect(record(s.serverDown())).toMatchObject({ ...held, joined: 4 });
    expect(record(s)).toMatchObject({ joined: EPOCH });
    expect(record(situation().serverDown())).toMatchObject({ executed: "", joined: 0 });
  });

  test("says what cannot follow, and asks for a rebuild only where the configuration wants one", () => {
    const s = situation().asReplicaOf("b").and({ errant });
    expect(record(s)).toMatchObject({ state: "errant", errant: gtids("x:1"), needsRebuild: true });
    expect(record(s.policy({ rejoin: "hold" }))).toMatchObject({
      state: "errant",
      needsRebuild: false,
    });
  });

  test("says `stopped` only once mysqld has ended", () => {
    expect(record(situation().asReplicaOf("b").stopping())).toMatchObject({
      stopping: true,
      stopped: false,
    });
    expect(record(situation().serverDown().stopping())).toMatchObject({ stopped: true });
    expect(record(situation().serverDown())).toMatchObject({ stopped: false });
  });

  test("of a server that does not answer is honest about what it does not know", () => {
    expect(record(situation().and({ server: null }))).toMatchObject({
      role: "unknown",
      executed: "",
      joined: 0,
      semiSync: false,
      writable: false,
      lagSeconds: null,
    });
    expect(record(situation().and({ markerUuid: null }))?.joined).toBe(0);
  });

  test("is not written by a node that has no identity yet", () => {
    expect(record(situation().withoutDatadir().me({ uuid: null }))).toBeNull();
    expect(record(situation().withoutDatadir().me({ serverId: null }))).toBeNull();
  });
});
