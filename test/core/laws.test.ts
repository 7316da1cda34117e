// Laws of `decide` for any observation, also for those that should never be: they are what safety rests on when
// something else is wrong. Each law names its rule of PROTOCOL.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { COPY_ACCOUNT } from "../../recipes/mysql/core/accounts.ts";
import type { Action } from "../../recipes/mysql/core/action.ts";
import { decide } from "../../recipes/mysql/core/decide.ts";
import { contains, gtidSet, type GtidSet } from "../../recipes/mysql/core/gtid.ts";
import type { Observation } from "../../recipes/mysql/core/observation.ts";
import { FRESH_MS } from "../../recipes/mysql/core/policy.ts";
import { recordOf, roleOf, sentence } from "../../recipes/mysql/core/report.ts";
import { anyObservation } from "./any-observation.ts";
import { MARKER, NOW, says } from "./situation.ts";

/** One sample for all laws: making it is what takes the time. LAWS_SEED=… repeats a failure. */
const SEED = Number(process.env["LAWS_SEED"] ?? Date.now() % 2 ** 31);
const SAMPLE = fc.sample(anyObservation, { numRuns: 6_000, seed: SEED });

/** What is decided in each, once; a throw is the failure of whichever law comes first. */
let decided: readonly (readonly Action[])[] | null = null;

function always(law: (actions: readonly Action[], o: Observation) => void): void {
  decided ??= SAMPLE.map((o) => decide(o));
  for (const [at, o] of SAMPLE.entries()) {
    const actions = decided[at] ?? [];
    try {
      law(actions, o);
    } catch (error) {
      const where = `LAWS_SEED=${SEED}, observation ${at}: ${says(actions)}\n${JSON.stringify(o)}`;
      throw new Error(where, { cause: error });
    }
  }
}

/** The law for every action of these kinds. */
function each<K extends Action["do"]>(
  kinds: readonly K[],
  law: (action: Extract<Action, { do: K }>, o: Observation) => void,
): void {
  let met = 0;
  always((actions, o) => {
    for (const action of actions) {
      if (!kinds.some((kind) => kind === action.do)) continue;
      met += 1;
      law(action as Extract<Action, { do: K }>, o);
    }
  });
  // A law that never met its action says nothing.
  expect(met).toBeGreaterThan(0);
}

const stateOf = (o: Observation) => o.consul.state?.value;
const votes = (o: Observation): boolean =>
  o.me.uuid !== null && stateOf(o)?.voters.includes(o.me.uuid) === true;
const holds = (o: Observation): boolean =>
  o.consul.session !== null && o.consul.leader?.session === o.consul.session;
const lives = (o: Observation): boolean =>
  o.primacy !== null && o.process.running && o.process.incarnation === o.primacy.incarnation;

describe("a decision", () => {
  test("is never empty, never throws, and each action says why, but for a routine note", () => {
    always((actions) => {
      expect(actions.length).toBeGreaterThan(0);
      const dumb = actions.filter((action) => !action.why && action.do !== "note-state");
      if (dumb.length > 0) expect(dumb).toEqual([]);
    });
  });

  test("depends on the observation alone, and leaves it as it is", () => {
    fc.assert(
      fc.property(anyObservation, (o) => {
        const before = JSON.stringify(o);
        expect(decide(o)).toEqual(decide(o));
        expect(JSON.stringify(o)).toBe(before);
        expect(decide(JSON.parse(before) as Observation)).toEqual(decide(o));
      }),
    );
  });

  test("can always be told: a role, a sentence, a record", () => {
    const rest = { agentPort: 1, pid: 1, controlSocket: "", since: "", ver: 1 };
    always((actions, o) => {
      expect(roleOf(o)).toBeTypeOf("string");
      expect(sentence(actions)).not.toBe("");
      recordOf(o, actions, rest);
    });
  });
});

describe("elections (§4)", () => {
  test("are started by a closed voter that may, from the state that was read", () => {
    each(["elect"], (action, o) => {
      expect(votes(o)).toBe(true);
      expect(o.me.stopping || o.me.noFailover || o.me.amnesiac || o.consul.paused).toBe(false);
      expect(o.server?.superReadOnly).toBe(true);
      expect(o.primacy).toBeNull();
      expect(action.from).toBe(stateOf(o));
      expect(action.index).toBe(o.consul.state?.index);
      const holder = o.consul.leader?.session ?? null;
      expect(holder === null || holds(o)).toBe(true);
    });
  });

  test("nothing is promised, followed or elected before Consul's memory of this node was read (S29)", () => {
    each(["promise", "follow", "elect"], (_, o) => {
      // Nobody is primary before that.
      expect(o.me.recalled || o.primacy !== null).toBe(true);
    });
  });

  test("promises are given by closed voters, and never below what was promised", () => {
    each(["promise"], (action, o) => {
      expect(votes(o)).toBe(true);
      expect(o.server?.superReadOnly).toBe(true);
      expect(action.epoch).toBe(stateOf(o)?.epoch);
      expect(action.epoch).toBeGreaterThanOrEqual(o.promise.epoch);
      expect(stateOf(o)?.phase).toBe("electing");
      expect(
        o.primacy === null || o.primacy.stage === "drained" || o.primacy.epoch >= action.epoch,
      ).toBe(true);
    });
  });

  test("a node takes over and publishes only with its own promise, the lock, and all that was promised applied", () => {
    each(["take-over", "publish"], (action, o) => {
      expect(o.answered).toBe(action.epoch);
      expect(holds(o)).toBe(true);
      expect(votes(o)).toBe(true);
      const state = stateOf(o);
      expect(state).toMatchObject({ epoch: action.epoch, phase: "electing" });
      if (state === undefined || o.server === null)
        throw new Error("published without a state or a server");
      const counted = o.consul.promises.filter(
        (p) => p.epoch === state.epoch && state.voters.includes(p.uuid) && !p.amnesiac,
      );
      const others = counted.filter((p) => p.uuid !== state.prevPrimary).length;
      const own = counted.some((p) => p.uuid === state.prevPrimary);
      expect(own || others >= state.voters.length - state.acks).toBe(true);
      const executed = gtidSet(o.server.executed);
      const newest = Math.max(...counted.map((p) => p.joined));
      for (const p of counted.filter((c) => c.joined === newest))
        expect(contains(executed, gtidSet(p.executed))).toBe(true);
    });
  });

  test("a node outside V neither elects, nor promises, nor is anybody's candidate", () => {
    always((actions, o) => {
      if (votes(o)) return;
      for (const { do: kind } of actions)
        expect(["elect", "promise", "take-over", "publish", "say-lost"]).not.toContain(kind);
    });
  });
});

describe("a reign (§4 steps 9–10, §6)", () => {
  test("is only of the incarnation that was published", () => {
    each(["mark", "open", "reacquire", "undrain", "drain", "hand-over"], (_, o) => {
      expect(lives(o)).toBe(true);
    });
  });

  test("opens only after its marker is acknowledged", () => {
    each(["open"], (_, o) => {
      expect(["marked", "open"]).toContain(o.primacy?.stage);
    });
  });

  test("goes on only while no newer epoch is known", () => {
    each(
      [
        "mark",
        "open",
        "reacquire",
        "undrain",
        "commit-change",
        "cut-all",
        "raise-acks",
        "lower-acks",
        "admit",
      ],
      (action, o) => {
        // Without a state it is the executor that looks: it reads consistently before it takes the lock.
        if (action.do === "reacquire" && o.consul.state === null) return;
        expect(stateOf(o)?.epoch).toBeLessThanOrEqual(o.primacy?.epoch ?? -1);
      },
    );
  });

  test("is reacquired only where nobody holds the lock", () => {
    each(["reacquire"], (_, o) => {
      expect(o.consul.leader?.session ?? null).toBeNull();
    });
  });
});

describe("membership (§7)", () => {
  test("changes only by a primary, at the index that it read", () => {
    each(["commit-change"], (action, o) => {
      expect(lives(o)).toBe(true);
      expect(action.from).toBe(stateOf(o));
      expect(action.index).toBe(o.consul.state?.index);
      expect(o.consul.paused).toBe(false);
    });
  });

  test("begins with one step at a time, and never leaves fewer voters than k needs", () => {
    always((actions, o) => {
      const steps = actions.filter((a) =>
        ["commit-change", "cut", "cut-all", "raise-acks", "lower-acks", "kick"].includes(a.do),
      );
      expect(steps.length).toBeLessThanOrEqual(1);
      const [step] = steps;
      const state = stateOf(o);
      if (step?.do === "cut" && state !== undefined) {
        expect(step.uuid).not.toBe(o.me.uuid);
        expect(step.voters).toHaveLength(state.voters.length - 1);
        expect(step.voters.length - 1).toBeGreaterThanOrEqual(step.acks);
        expect(step.acks).toBe(state.acks);
      }
      if (step?.do === "commit-change" && state !== undefined && o.change === null) {
        const added = step.voters.filter((v) => !state.voters.includes(v));
        const removed = state.voters.filter((v) => !step.voters.includes(v));
        const moved = added.length + removed.length + Math.abs(step.acks - state.acks);
        // Only k down may skip, because it goes first in Consul.
        if (step.kind !== "acks-down") expect(moved).toBe(1);
        else expect([added.length, removed.length, step.acks < state.acks]).toEqual([0, 0, true]);
      }
    });
  });

  test("a change in doubt is settled before anything else is changed", () => {
    always((actions, o) => {
      if (o.change?.stage !== "sent") return;
      for (const action of actions)
        expect(["cut", "cut-all", "raise-acks", "lower-acks", "kick"]).not.toContain(action.do);
    });
  });

  test("the clients are let go only where k is confirmed and nothing is in doubt", () => {
    each(["lower-acks"], (action, o) => {
      expect(action.acks).toBe(stateOf(o)?.acks);
      expect(o.change?.stage).not.toBe("sent");
    });
  });

  test("nobody goes alone without Consul, nor while heartbeats are acknowledged or voters expected, but to readmit an amnesiac", () => {
    each(["cut-all"], (_, o) => {
      expect(o.consul.reachable && o.now < o.consul.goodUntil).toBe(true);
      const voters = stateOf(o)?.voters.filter((v) => v !== o.me.uuid) ?? [];
      const gone = voters.every((v) => {
        const peer = o.consul.peers.find((p) => p.uuid === v);
        const forgot = peer?.amnesiac === true && peer.ageMs <= FRESH_MS;
        return forgot || peer?.stopped === true || peer?.needsRebuild === true;
      });
      expect(gone || o.heartbeat.waitingSince !== null).toBe(true);
    });
  });
});

describe("data", () => {
  test("is set aside only by a node outside V, under an open primary", () => {
    each(["set-aside"], ({ intent }, o) => {
      expect(votes(o)).toBe(false);
      expect(o.primacy).toBeNull();
      const ordered = o.consul.intents.some((i) => i.id === intent && i.uuid === o.me.uuid);
      expect(ordered || (o.errant !== null && o.policy.rejoin === "rebuild")).toBe(true);
      const { epoch = 0, primary = null, voters = [], acks = 99 } = stateOf(o) ?? {};
      const held = (uuid: string | null): GtidSet => {
        const peer = o.consul.peers.find((p) => p.uuid === uuid);
        return gtidSet(`${peer?.executed ?? ""},${peer?.retrieved ?? ""}`);
      };
      expect(contains(held(primary), gtidSet(`${MARKER}:${epoch}`))).toBe(true);
      const others = voters.filter((v) => v !== primary);
      const position = gtidSet(o.position?.executed ?? "");
      const holders = others.filter((v) => contains(held(v), position)).length;
      if (others.length > 0) expect(holders).toBeGreaterThanOrEqual(acks);
    });
  });

  test("set aside is removed only as far as it is extracted, and never the newest", () => {
    each(["remove-aside"], ({ names }, o) => {
      const aside = o.room?.aside ?? [];
      expect(names.length).toBeGreaterThan(0);
      for (const name of names)
        expect(aside.slice(0, -1).some((one) => one.name === name && one.extracted)).toBe(true);
    });
  });

  test("an account that nobody asked for is made only of oneself, or for copying, by an open primary that is acknowledged", () => {
    each(["make-account"], ({ serverId }, o) => {
      expect(o.primacy?.stage).toBe("open");
      expect([COPY_ACCOUNT, o.me.serverId]).toContain(serverId);
      expect(o.server?.semiSync.clients).toBeGreaterThanOrEqual(stateOf(o)?.acks ?? 99);
      expect(o.change).toBeNull();
    });
  });

  test("accounts are dropped only of nobody, by an open primary that is acknowledged", () => {
    each(["drop-account"], ({ serverId }, o) => {
      expect(o.primacy?.stage).toBe("open");
      expect(o.consul.claims).not.toBeNull();
      expect(o.consul.claims).not.toContain(serverId);
      expect(o.server?.semiSync.clients).toBeGreaterThanOrEqual(stateOf(o)?.acks ?? 99);
      expect(o.change).toBeNull();
    });
  });

  test("is made only where there is none, and copied only under an open primary", () => {
    each(["initialize", "provision"], (_, o) => {
      expect(["absent", "half"]).toContain(o.datadir.kind);
      expect(o.process.running).toBe(false);
    });
  });

  test("is discarded only where its cluster was never founded", () => {
    each(["discard-bootstrap"], (_, o) => {
      expect(o.datadir.bootstrap).not.toBeNull();
      expect(o.datadir.bootstrap).not.toBe(o.consul.initialize);
      expect(o.process.running).toBe(false);
    });
  });

  test("follows nobody below the promised epoch, and acknowledges from inside V only", () => {
    each(["follow"], (action, o) => {
      expect(action.epoch).toBeGreaterThanOrEqual(o.promise.epoch);
      expect(action.primary).toBe(stateOf(o)?.primary);
      expect(action.primary).not.toBe(o.me.uuid);
      expect(action.semiSync).toBe(votes(o));
      expect(o.server?.superReadOnly).toBe(true);
    });
    each(["set-semi-sync"], (action, o) => {
      expect(action.on).toBe(votes(o));
    });
  });
});

describe("a primary without Consul (§3)", () => {
  test("is fenced at the deadline without a fresh acknowledged heartbeat, unless k = 0 is confirmed", () => {
    always((actions, o) => {
      const reigns = lives(o) && o.primacy?.stage !== "draining" && o.primacy?.stage !== "drained";
      const late = o.now >= o.consul.goodUntil;
      const acked = o.heartbeat.ackedStart !== null && o.now - o.heartbeat.ackedStart <= 3_000;
      if (!reigns || !late || acked || o.me.stopping || o.datadir.kind !== "ready") return;
      const state = stateOf(o);
      if (
        state === undefined ||
        (state.acks === 0 && o.change === null && state.epoch === o.primacy?.epoch)
      )
        return;
      const quiet = actions.every((a) => a.do === "hold" || a.do === "note-state");
      // What holds instead is a Consul that went back in time: then nobody elects either.
      if (quiet) expect(says(actions)).toMatch(/AP_STATE_OLDER|waiting for|AP_DATADIR/);
    });
  });
});

test("a session is ended only of a primary that enough voters lost, or of this node's own past", () => {
  each(["end-session"], (action, o) => {
    expect(action.session).toBe(o.consul.leader?.session);
    const value = o.consul.leader?.value;
    const own = value?.held === true && value.uuid === o.me.uuid;
    const state = stateOf(o);
    const words = o.consul.lost.filter(
      (l) => state?.voters.includes(l.uuid) && l.uuid !== state.primary,
    );
    expect(own || words.length >= (state?.voters.length ?? 99) - (state?.acks ?? 0)).toBe(true);
    expect(NOW).toBe(o.now);
  });
});
