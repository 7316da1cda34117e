// Accounts of replicas that are gone are dropped by the primary (PROTOCOL §7), only where DROP USER cannot hang (S22).
import { describe, expect, test } from "vitest";
import { deeds, NOW, situation, uuid } from "./situation.ts";

describe("the account of whoever founded the cluster", () => {
  const founder = situation()
    .withVoters("a", "b", "c")
    .asPrimary()
    .server({ accounts: [0, 2, 3].map((serverId) => ({ serverId, locked: false })) });

  test("is made by itself, once, for when it is a replica", () => {
    expect(founder.decides()).toMatchObject([{ do: "make-account", serverId: 1 }]);
    expect(deeds(founder.semiSync({ clients: 1 }).decides())).toEqual(["make-account"]);
    const accounts = [0, 1, 2, 3].map((serverId) => ({ serverId, locked: true }));
    expect(deeds(founder.server({ accounts }).decides())).toEqual(["hold"]);
  });

  test("is not made where CREATE USER could wait, or anything else is under way", () => {
    for (const busy of [
      founder.semiSync({ clients: 0 }),
      founder.semiSync({ waitSessions: 1 }),
      founder.changing("remove"),
      founder.consul({ paused: true }),
      founder.me({ serverId: null }),
      founder.asPrimary("marking").server({ accounts: [] }),
    ])
      expect(deeds(busy.decides())).not.toContain("make-account");
  });
});

describe("the account that a candidate copies with (§4 step 5)", () => {
  const primary = situation().withVoters("a", "b", "c").asPrimary();
  const accounts = [1, 2, 3].map((serverId) => ({ serverId, locked: false }));

  test("is made where an older agent has not made it", () => {
    expect(primary.server({ accounts }).decides()).toMatchObject([
      { do: "make-account", serverId: 0 },
    ]);
    expect(deeds(primary.decides())).toEqual(["hold"]);
  });

  test("is never what a voter is cut by, that is connected with it", () => {
    const dumpThreads = [{ uuid: uuid("c"), serverId: 0, threadId: 9 }];
    const order = primary.peer("c", { amnesiac: true }).server({ dumpThreads });
    const cut = order.peer("b", { serverId: 2 }).server({
      dumpThreads: [...dumpThreads, { uuid: uuid("b"), serverId: 2, threadId: 8 }],
    });
    expect(cut.decides()).toMatchObject([{ do: "cut", uuid: uuid("c"), serverId: 3 }]);
  });
});

describe("an account that no datadir claims", () => {
  const account = (serverId: number) => ({ serverId, locked: true });
  const primary = situation()
    .withVoters("a", "b", "c")
    .asPrimary()
    .server({ accounts: [0, 1, 2, 3, 8, 9].map(account) })
    .consul({ claims: [1, 2, 3, 9] });

  test("is dropped, one at a time, once a minute", () => {
    expect(primary.decides()).toMatchObject([{ do: "drop-account", serverId: 8 }]);
    expect(deeds(primary.and({ droppedAt: NOW - 59_999 }).decides())).toEqual(["hold"]);
    expect(deeds(primary.and({ droppedAt: NOW - 60_000 }).decides())).toEqual(["drop-account"]);
  });

  test("stays where claims were not read, or anybody uses it", () => {
    expect(deeds(primary.consul({ claims: null }).decides())).toEqual(["hold"]);
    expect(deeds(primary.peer("d", { serverId: 8 }).decides())).toEqual(["hold"]);
    // Asked before V changed: it is not admitted, and asks again.
    const asks = primary.intent("join", { uuid: uuid("d"), serverId: 8, ver: 9 });
    expect(deeds(asks.decides())).toEqual(["hold"]);
    const dumps = [...(primary.observation.server?.dumpThreads ?? [])];
    const connected = primary.server({
      dumpThreads: [...dumps, { uuid: uuid("d"), serverId: 8, threadId: 9 }],
    });
    expect(deeds(connected.decides())).not.toContain("drop-account");
  });

  test("stays while its DROP could wait for an acknowledgement, or a change is under way", () => {
    expect(deeds(primary.semiSync({ clients: 0 }).decides())).not.toContain("drop-account");
    expect(deeds(primary.semiSync({ waitSessions: 1 }).decides())).not.toContain("drop-account");
    expect(deeds(primary.changing("remove").decides())).not.toContain("drop-account");
    expect(deeds(primary.consul({ paused: true }).decides())).not.toContain("drop-account");
  });
});
