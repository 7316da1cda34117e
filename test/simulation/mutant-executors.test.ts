// Re-checks of executors that no order of events of the simulation gets between: an action and the one behind it in the same
// tick, a fence and its own result. The executors are the real ones, on hands that only remember.
import { describe, expect, test } from "vitest";
import type { State } from "../../recipes/mysql/core/observation.ts";
import { election } from "../../recipes/mysql/execute/election.ts";
import type { Hands } from "../../recipes/mysql/execute/hands.ts";
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
function handsOf(of: { readonly state: State; readonly softFence?: boolean }) {
  const did: string[] = [];
  const does = (what: string) => (first?: unknown) => {
    const told = typeof first === "string" || typeof first === "number";
    did.push(told ? `${what} ${first}` : what);
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
        return Promise.resolve({ ok: true, entries: [] });
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
      }),
    },
    disk: {
      setAside: does("set aside"),
      writePlan: does("plan"),
      read: () => ({ datadir: DATADIR }),
    },
    announce: () => {},
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
