// The lease keeper's decisions: named situations, then every mixture of answers at random against what must always hold.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  afterCall,
  CHECK_TTL_MS,
  isStarved,
  leaseView,
  nextCall,
  startLeaseState,
  wakeAt,
  wishAnnounced,
  wishKey,
  type LeaseAnswer,
  type LeaseCall,
  type LeaseState,
} from "../../src/core/lease.ts";

const refused = (because: Extract<LeaseAnswer, { ok: false }>["because"]): LeaseAnswer => {
  return { ok: false, because, why: because };
};
const DOWN = refused("unreachable");

/** A keeper in a world without sockets: each call takes 1 ms and is answered by `answer`. */
class World {
  now = 1_000_000;
  state: LeaseState;
  readonly calls: string[] = [];
  answer: (call: LeaseCall) => LeaseAnswer = (call) => this.success(call);
  ticking = true;
  #sessions = 0;

  constructor(addresses = 1) {
    this.state = startLeaseState(addresses, this.now);
  }

  success(call: LeaseCall): LeaseAnswer {
    if (call.do === "open") return { ok: true, session: `s${++this.#sessions}` };
    return call.do === "renew" ? { ok: true, node: `node${this.state.address}` } : { ok: true };
  }

  /** Makes all calls that are due within `ms`, and leaves the clock there. */
  run(ms: number): readonly string[] {
    const from = this.calls.length;
    const end = this.now + ms;
    while (this.now <= end) {
      if (this.ticking) this.state = { ...this.state, tickedAt: this.now };
      const call = nextCall(this.state, this.now);
      if (call === null) {
        this.now = Math.min(wakeAt(this.state, this.now), end + 1);
        continue;
      }
      const sentAt = this.now++;
      this.calls.push(call.do);
      this.state = afterCall(this.state, call, this.answer(call), sentAt, this.now);
    }
    return this.calls.slice(from);
  }

  count(what: string, calls: readonly string[]): number {
    return calls.filter((call) => call === what).length;
  }

  get view() {
    return leaseView(this.state);
  }
}

/** A world that has its session, and between two beats. */
function settled(addresses = 1): World {
  const world = new World(addresses);
  world.run(3100);
  return world;
}

/** A world that holds its key. */
function holding(addresses = 1): World {
  const world = settled(addresses);
  world.state = wishKey(world.state, true);
  world.run(100);
  return world;
}

describe("the lease keeper", () => {
  test("registers, passes the check, and only then opens a session", () => {
    expect(new World().run(10)).toEqual(["register", "pass", "open"]);
  });

  test("makes three requests in two seconds, four while it holds a key", () => {
    const world = settled();
    expect(world.run(20_000).length).toBe(30);
    world.state = wishKey(world.state, true);
    world.run(1);
    const calls = world.run(20_000);
    expect([world.count("pass", calls), world.count("renew", calls)]).toEqual([20, 10]);
    expect(world.count("acquire", calls)).toBe(10);
  });

  test("believes for 4.5 s from before the oldest request that proved it", () => {
    const world = new World();
    world.run(3);
    const began = 1_000_000;
    expect(world.view).toEqual({
      session: "s1",
      goodUntil: began + 1 + 4500,
      heldUntil: null,
      error: null,
    });
  });

  test("lets the belief run out when nothing answers, and asks again twice a second", () => {
    const world = holding();
    const { goodUntil, heldUntil } = world.view;
    world.answer = () => DOWN;
    const calls = world.run(10_000);
    expect(world.view).toMatchObject({ session: "s1", goodUntil, heldUntil, error: "unreachable" });
    expect(calls.length).toBeGreaterThanOrEqual(18);
    expect(calls.length).toBeLessThanOrEqual(21);
  });

  test("a session that is gone is replaced, and the key is left alone until it is asked for again", () => {
    const world = holding();
    world.answer = (call) => (call.do === "renew" ? refused("no-session") : world.success(call));
    const calls = world.run(2000);
    expect(world.view).toMatchObject({ session: "s2", heldUntil: null });
    expect(calls).not.toContain("acquire");
    world.state = wishKey(world.state, true);
    world.answer = (call) => world.success(call);
    world.run(100);
    expect(world.view.heldUntil).toBeGreaterThan(world.now);
    world.answer = () => refused("no-session");
    world.run(2000);
    expect(world.view).toMatchObject({ session: null, goodUntil: 0, heldUntil: null });
  });

  test("an agent that has forgotten the check is told again, and the session is looked at once", () => {
    const world = settled();
    let forgotten = true;
    world.answer = (call) => {
      if (call.do === "register") forgotten = false;
      return call.do === "pass" && forgotten ? refused("no-check") : world.success(call);
    };
    expect(world.run(1000).slice(0, 4)).toEqual(["pass", "register", "pass", "renew"]);
  });

  test("a check that the servers do not know yet is waited for, then registered again", () => {
    const world = new World();
    world.answer = (call) => (call.do === "open" ? refused("not-yet") : world.success(call));
    const calls = world.run(1500);
    expect(world.count("register", calls)).toBe(1);
    expect(world.count("open", calls)).toBeGreaterThan(20);
    expect(world.count("register", world.run(1000))).toBe(1);
  });

  test("a lost key is told, and left alone until it is asked for again", () => {
    const world = holding();
    world.answer = (call) => (call.do === "acquire" ? refused("not-held") : world.success(call));
    world.run(2000);
    expect(world.view).toMatchObject({ session: "s1", heldUntil: null, error: "not-held" });
    expect(world.count("acquire", world.run(10_000))).toBe(0);
    world.answer = (call) => world.success(call);
    world.state = wishKey(world.state, true);
    world.run(1);
    expect(world.view.heldUntil).toBeGreaterThan(world.now);
  });

  test("the key is taken by a write once, and then only proven", () => {
    const world = settled();
    const firsts: boolean[] = [];
    world.answer = (call) => {
      if (call.do === "acquire") firsts.push(call.first);
      return world.success(call);
    };
    world.state = wishKey(world.state, true);
    world.run(5000);
    expect(firsts).toEqual([true, false, false]);
  });

  test("an answer to an older wish proves nothing", () => {
    const world = settled();
    world.state = wishKey(world.state, true);
    const call = nextCall(world.state, world.now);
    expect(call).toMatchObject({ do: "acquire" });
    const state = wishKey(wishKey(world.state, false), true);
    if (call === null) return;
    const after = afterCall(state, call, { ok: true }, world.now, world.now);
    expect(leaseView(after).heldUntil).toBeNull();
    const lost = afterCall(state, call, refused("not-held"), world.now, world.now);
    expect(lost.key).toBe("wanted");
  });

  test("a key that is not wanted any more while its acquire is unanswered costs the session", () => {
    const world = settled();
    world.state = wishKey(world.state, true);
    world.answer = () => DOWN;
    world.run(1);
    world.state = wishKey(world.state, false);
    world.answer = (call) => world.success(call);
    expect(world.run(1000).filter((call) => call !== "pass")).toEqual(["destroy", "open"]);
    expect(world.view).toMatchObject({ session: "s2", heldUntil: null });
  });

  test("an unanswered proof costs nothing: it could not take the key", () => {
    const world = holding();
    world.answer = (call) => (call.do === "acquire" ? DOWN : world.success(call));
    world.run(2500);
    world.state = wishKey(world.state, false);
    world.answer = (call) => world.success(call);
    expect(world.count("destroy", world.run(3000))).toBe(0);
    expect(world.view.session).toBe("s1");
  });

  test("announces anew at once, also what changes while a request is under way", () => {
    const world = settled();
    world.state = wishAnnounced(world.state);
    const call = nextCall(world.state, world.now);
    expect(call).toEqual({ do: "register", version: 2 });
    world.state = wishAnnounced(world.state);
    if (call !== null)
      world.state = afterCall(world.state, call, { ok: true }, world.now, world.now);
    expect(nextCall(world.state, world.now)).toEqual({ do: "register", version: 3 });
  });

  test("stops everything when the main loop has not ticked for 5 s, and goes on when it does", () => {
    const world = holding();
    world.ticking = false;
    world.state = { ...world.state, tickedAt: world.now };
    const calls = world.run(20_000);
    expect(world.count("pass", calls)).toBe(5);
    expect(world.view.heldUntil).toBeLessThan(world.now);
    world.ticking = true;
    world.state = { ...world.state, tickedAt: world.now };
    expect(world.run(0)[0]).toBe("pass");
  });

  test("a refused token is tried again each second and moves nowhere", () => {
    const world = new World(2);
    world.answer = () => refused("denied");
    expect(world.run(9_999).length).toBe(10);
    expect(world.state.address).toBe(0);
    expect(world.view.error).toBe("denied");
  });
});

describe("the lease keeper with two addresses", () => {
  test("moves after two failures, opens a session there, destroys the old one, leaves the key alone", () => {
    const world = holding(2);
    world.answer = (call) => (world.state.address === 0 ? DOWN : world.success(call));
    const calls = world.run(2500);
    expect(calls.slice(0, 6)).toEqual(["pass", "pass", "register", "pass", "open", "destroy"]);
    expect(calls).not.toContain("acquire");
    expect(world.view).toMatchObject({ session: "s2", heldUntil: null });
  });

  test("believes in the old session until its deadline, not longer, while no address answers", () => {
    const world = holding(2);
    const before = world.view;
    world.answer = () => DOWN;
    world.run(30_000);
    expect(world.view).toMatchObject({ goodUntil: before.goodUntil, heldUntil: before.heldUntil });
    expect(before.goodUntil).toBeLessThan(world.now);
  });

  test("a pass on another agent's check proves nothing for the old session", () => {
    const world = holding(2);
    const before = world.view;
    world.answer = (call) => {
      return world.state.address === 0 || call.do === "open" ? DOWN : world.success(call);
    };
    world.run(3000);
    expect(world.view).toMatchObject({ session: "s1", goodUntil: before.goodUntil });
  });

  test("takes the stale copy out of the catalog, and asks the old agent until it has forgotten", () => {
    const world = holding(2);
    let alive = false;
    world.answer = (call) => {
      const dead = call.do === "forget" ? !alive : world.state.address === 0;
      return dead ? DOWN : world.success(call);
    };
    const calls = world.run(40_000);
    expect([world.count("uncatalog", calls), world.count("forget", calls)]).toEqual([1, 2]);
    expect(world.view.error).toBeNull();
    alive = true;
    expect(world.count("forget", world.run(60_000))).toBe(1);
  });

  test("never takes its own service away when both addresses lead to one agent", () => {
    const world = new World(2);
    const answer = (call: LeaseCall): LeaseAnswer =>
      call.do === "renew" ? { ok: true, node: "one" } : world.success(call);
    world.answer = answer;
    world.run(3000);
    world.answer = (call) => (world.state.address === 0 ? DOWN : answer(call));
    const calls = world.run(60_000);
    expect(world.view.session).toBe("s2");
    expect(world.count("uncatalog", calls) + world.count("forget", calls)).toBe(0);
  });
});

describe("whatever Consul answers", () => {
  const becauses = [
    "unreachable",
    "denied",
    "no-check",
    "no-session",
    "not-yet",
    "not-held",
  ] as const;
  const step = fc.record({
    answer: fc.oneof(
      { weight: 4, arbitrary: fc.constant("ok" as const) },
      fc.constantFrom(...becauses),
    ),
    takes: fc.integer({ min: 0, max: 1500 }),
    wish: fc.oneof(
      { weight: 8, arbitrary: fc.constant("none" as const) },
      fc.constantFrom("hold" as const, "drop" as const, "announce" as const, "silent" as const),
    ),
  });
  const steps = fc.array(step, { minLength: 1, maxLength: 120 });

  test("no deadline passes the check's expiry, nothing is held unasked, and it never spins or sleeps for ever", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), steps, (addresses, all) => {
        let now = 5000;
        let state = startLeaseState(addresses, now);
        /** When each session's check was last passed, as an outsider sees it. */
        let passedAt = -Infinity;
        let sessions = 0;
        for (const { answer, takes, wish } of all) {
          if (wish !== "silent") state = { ...state, tickedAt: now };
          if (wish === "hold" || wish === "drop") state = wishKey(state, wish === "hold");
          if (wish === "announce") state = wishAnnounced(state);
          const call = nextCall(state, now);
          if (call === null) {
            const wake = wakeAt(state, now);
            expect(wake).toBeGreaterThan(now);
            expect(wake).toBeLessThanOrEqual(now + 2000);
            now = wake;
            continue;
          }
          expect(isStarved(state, now)).toBe(false);
          if (call.do === "acquire") expect(state.key).toBe("wanted");
          if (call.do === "forget") expect(call.address).not.toBe(state.address);
          const sentAt = now;
          now += takes;
          if (call.do === "pass" && answer === "ok") passedAt = sentAt;
          const given: LeaseAnswer =
            answer !== "ok"
              ? refused(answer)
              : call.do === "open"
                ? { ok: true, session: `s${++sessions}` }
                : { ok: true, ...(call.do === "renew" ? { node: `n${state.address}` } : {}) };
          state = afterCall(state, call, given, sentAt, now);
          const view = leaseView(state);
          expect(view.goodUntil).toBeLessThan(Math.max(passedAt + CHECK_TTL_MS, 1));
          if (view.heldUntil !== null) {
            expect(state.key).toBe("wanted");
            expect(view.heldUntil).toBeLessThan(passedAt + CHECK_TTL_MS);
          }
          if (view.session === null) expect(view.heldUntil).toBeNull();
        }
      }),
      { numRuns: 500 },
    );
  });
});
