// Re-checks of executors that no order of events of the simulation gets between: an action and the one behind it in the same
// tick, a fence and its own result. The executors are the real ones, on hands that only remember.
import { describe, expect, test } from "vitest";
import type { PromiseFacts, State } from "../../recipes/mysql/core/observation.ts";
import { election } from "../../recipes/mysql/execute/election.ts";
import { following } from "../../recipes/mysql/execute/following.ts";
import type { Hands } from "../../recipes/mysql/execute/hands.ts";
import { membership } from "../../recipes/mysql/execute/membership.ts";
import { server } from "../../recipes/mysql/execute/server.ts";
import { freshMemory } from "../../recipes/mysql/memory.ts";

const STATE: State = {
  ver: 9,
  epoch: 4,
  phase: "electing",
  primary: null,
  prevPrimary: "p",
  voters: ["me", "other"],
  acks: 1,
};

const DATADIR = {
  kind: "ready",
  uuid: "me",
  serverId: 1,
  clusterId: "c",
  bootstrap: null,
} as const;

/** What an executor did, in order; `mysqld` says what the server of this incarnation answers. */
function handsOf(of: {
  readonly state: State;
  readonly softFence?: boolean;
  /** Consul refuses what is written. */
  readonly refused?: boolean;
}) {
  const did: string[] = [];
  const does = (what: string) => (first?: unknown) => {
    const told = ["string", "number", "boolean"].includes(typeof first);
    did.push(told ? `${what} ${String(first)}` : what);
    return Promise.resolve();
  };
  const process = { incarnation: 1, running: true };
  const hands = {
    memory: {
      ...freshMemory(DATADIR, { epoch: 4, ver: 9, seenEpoch: 4 }),
      uuid: "me",
      serverId: 1,
    },
    clock: { now: () => 1_000, wall: () => 1_000, sleep: () => Promise.resolve() },
    log: { info: () => {}, warn: () => {} },
    lease: { view: () => ({ session: "s" }), hold: does("hold"), tick: () => {} },
    keys: { leader: "leader", state: "state", node: String, serverId: String },
    kv: {
      get: () => Promise.resolve(null),
      commit: (ops: readonly { readonly key: string }[]) => {
        did.push(`commit ${ops.map(({ key }) => key).join(" ")}`);
        return Promise.resolve({ ok: of.refused !== true, entries: [], why: "refused" });
      },
    },
    registry: {
      facts: () => ({ peers: [], state: { index: 7, value: of.state } }),
      readState: () => Promise.resolve({ index: 7, value: of.state }),
    },
    handle: {
      process: () => ({
        facts: () => process,
        exited: () => Promise.resolve(null),
        kill: () => did.push("SIGKILL"),
        stop: does("SIGTERM"),
      }),
      connection: () => ({
        takeOver: does("takeOver"),
        softFence: () => Promise.resolve(of.softFence === true),
        releaseWaiters: does("releaseWaiters"),
        setAcks: does("setAcks"),
        setSemiSyncReplica: does("flag"),
      }),
    },
    disk: {
      setAside: does("set aside"),
      writePromise: ({ noted, pending }: PromiseFacts) => {
        const says = (state: State | null | undefined) =>
          state == null ? "-" : `${state.ver}:${state.voters.length}/${state.acks}`;
        return does("note")(`${says(noted)} ${says(pending)}`);
      },
      writePlan: does("plan"),
      read: () => ({ datadir: DATADIR }),
    },
    announce: () => {},
    node: { name: "n1", host: "n1.test", httpPort: 3308 },
    config: { port: 3306 },
  };
  return { did, process, hands: hands as unknown as Hands };
}

describe("publish (§4 step 8, I8)", () => {
  const publish = { do: "publish", epoch: 4, from: STATE, index: 7, why: "" } as const;
  const takeOver = { do: "take-over", epoch: 4, acks: 1, why: "" } as const;

  test("writes for the incarnation that was armed for this epoch", async () => {
    const { hands, did } = handsOf({ state: STATE });
    await election["take-over"](hands, takeOver);
    await election.publish(hands, publish);
    expect(did).toContain("commit leader state");
  });

  test("does not for one that restarted since, or that was armed for another epoch", async () => {
    for (const odd of ["restarted", "ended", "older"]) {
      const { hands, did, process } = handsOf({ state: STATE });
      await election["take-over"](hands, { ...takeOver, epoch: odd === "older" ? 3 : 4 });
      if (odd === "restarted") process.incarnation = 2;
      if (odd === "ended") process.running = false;
      await election.publish(hands, publish);
      expect(did, odd).toEqual(["takeOver 1"]);
    }
  });
});

describe("soft-fence (§6)", () => {
  const fence = { do: "soft-fence", why: "" } as const;

  test("ends in order what it has closed", async () => {
    const { hands, did } = handsOf({ state: STATE, softFence: true });
    await server["soft-fence"](hands, fence);
    expect(did).toEqual(["SIGTERM", "hold"]);
  });

  test("kills what it could not close: a client could still be told OK", async () => {
    const { hands, did } = handsOf({ state: STATE, softFence: false });
    await server["soft-fence"](hands, fence);
    expect(did).toEqual(["SIGKILL", "hold"]);
  });
});

const OPEN: State = { ...STATE, phase: "open", primary: "me" };

describe("commit-change (§7a the note)", () => {
  const change = { do: "commit-change", uuid: null, from: OPEN, index: 7, why: "" } as const;
  const alone = { ...change, kind: "alone", voters: ["me"], acks: 0 } as const;
  const down = { ...change, kind: "acks-down", voters: OPEN.voters, acks: 1 } as const;

  test("what is about to be sent is on the disk before it is sent, what is in Consul before it is acted upon", async () => {
    const { hands, did } = handsOf({ state: OPEN });
    await membership["commit-change"](hands, alone);
    expect(did).toEqual([
      "note 9:2/1 10:1/0",
      "commit leader state",
      "note 10:1/0 -",
      "releaseWaiters",
    ]);
  });

  test("k goes down locally only once that is noted", async () => {
    const two = { ...OPEN, voters: ["me", "other", "third"], acks: 2 };
    const { hands, did } = handsOf({ state: two });
    await membership["commit-change"](hands, { ...down, from: two, voters: two.voters });
    expect(did).toEqual(["note 9:3/2 10:3/1", "commit leader state", "note 10:3/1 -", "setAcks 1"]);
  });

  test("one that Consul refused is not acted upon, and stays pending on the disk", async () => {
    const { hands, did } = handsOf({ state: OPEN, refused: true });
    await membership["commit-change"](hands, alone);
    expect(did).toEqual(["note 9:2/1 10:1/0", "commit leader state"]);
  });
});

describe("a voter's flag (§7a the note)", () => {
  test("goes ON for a configuration that is on its disk", async () => {
    const { hands, did } = handsOf({ state: OPEN });
    await following["set-semi-sync"](hands, { do: "set-semi-sync", on: true, epoch: 4, why: "" });
    expect(did).toEqual(["note 9:2/1 -", "flag true"]);
  });
});

describe("reacquire (§3)", () => {
  const again = { do: "reacquire", epoch: 4, why: "" } as const;

  test("takes the lock of its own epoch back, and nothing else is written", async () => {
    const { hands, did } = handsOf({ state: OPEN });
    await election.reacquire(hands, again);
    expect(did).toEqual(["commit leader", "hold"]);
  });

  test("neither takes it nor fences where Consul went back in time: that says nothing of another primary", async () => {
    for (const older of [{ ver: 8 }, { epoch: 3 }]) {
      const { hands, did } = handsOf({ state: { ...OPEN, ...older } });
      await election.reacquire(hands, again);
      expect(did).toEqual([]);
    }
  });

  test("fences where another epoch, or another node of its own, is published", async () => {
    for (const other of [{ ver: 12, epoch: 5 }, { primary: "other" }]) {
      const { hands, did } = handsOf({ state: { ...OPEN, ...other } });
      await election.reacquire(hands, again);
      expect(did).toEqual(["SIGKILL"]);
    }
  });
});
