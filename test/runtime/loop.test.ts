import { afterEach, describe, expect, test } from "vitest";
import { InvariantError, UnavailableError } from "../../src/errors.ts";
import type { Reconciler } from "../../src/recipe.ts";
import { makeAlarm } from "../../src/runtime/alarm.ts";
import type { TickRecord } from "../../src/runtime/blackbox.ts";
import { Loop } from "../../src/runtime/loop.ts";
import { ManualClock, until } from "./manual-clock.ts";
import { recordingLog } from "./recording-log.ts";

type Seen = { readonly n: number };
type Act = { readonly do: "hold" | "work" | "routine"; readonly why?: string };

/** A reconciler whose every answer a test can set. */
class Fake implements Reconciler<Seen, Act> {
  n = 0;
  actions: (seen: Seen) => readonly Act[] = () => [{ do: "hold", why: "all is well" }];
  work: (action: Act) => Promise<void> = () => Promise.resolve();
  says = "all is well";
  idle = 500;
  looks: () => void = () => {};
  done: Act[] = [];
  ended = false;
  observe(): Promise<Seen> {
    this.n += 1;
    this.looks();
    return Promise.resolve({ n: this.n });
  }
  decide(seen: Seen): readonly Act[] {
    return this.actions(seen);
  }
  async execute(action: Act): Promise<void> {
    await this.work(action);
    this.done.push(action);
  }
  report(): { says: string; role: string; epoch: number } {
    return { says: this.says, role: "replica", epoch: 7 };
  }
  idleMs(): number {
    return this.idle;
  }
  requestStop(): void {}
  stopped(): boolean {
    return this.ended;
  }
  fence(): Promise<void> {
    return Promise.resolve();
  }
  endpoint(): null {
    return null;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

const running: { fake: Fake; alarm: { wake(): void }; clock: ManualClock }[] = [];

function start(set: (fake: Fake) => void) {
  const clock = new ManualClock();
  const alarm = makeAlarm(clock);
  const fake = new Fake();
  set(fake);
  const { log, lines } = recordingLog({ fields: { cluster: "c", node: "n" } });
  const ticks: Omit<TickRecord, "at">[] = [];
  const told: string[] = [];
  let beats = 0;
  const loop = new Loop({
    reconciler: fake,
    alarm,
    clock,
    log,
    lease: { tick: () => (beats += 1) },
    blackBox: { record: (tick) => ticks.push(tick), dump: () => null },
    publish: (type, what) => told.push(`${type}: ${what}`),
  });
  running.push({ fake, alarm, clock });
  const ended = loop.run();
  ended.catch(() => {}); // awaited by the test that expects it
  return { clock, alarm, fake, loop, lines, ticks, told, ended, beats: () => beats };
}

afterEach(() => {
  for (const { fake, alarm, clock } of running.splice(0)) {
    fake.ended = true;
    alarm.wake();
    clock.advance(60_000);
  }
});

describe("the loop", () => {
  test("rests after a tick that only holds, for as long as the recipe says", async () => {
    const { clock, fake } = start(() => {});
    await until("it rests", () => clock.sleeping === 1);
    expect(fake.n).toBe(1);
    expect(clock.nextIn).toBe(500);
    clock.advance(500);
    await until("it looks again", () => fake.n === 2);
  });

  test("never rests longer than the lease keeper and /liveness allow", async () => {
    const { clock } = start((fake) => (fake.idle = 3_600_000));
    await until("it rests", () => clock.sleeping === 1);
    expect(clock.nextIn).toBeLessThanOrEqual(1_500);
  });

  test("looks again at once after a tick that did something", async () => {
    const { clock, fake } = start((fake) => {
      fake.actions = ({ n }) => (n < 4 ? [{ do: "work", why: "there is some" }] : [{ do: "hold" }]);
    });
    await until("it rests", () => clock.sleeping === 1);
    expect(fake.done).toHaveLength(3);
    expect(fake.n).toBe(4);
  });

  test("wakes at once, and many wake-ups are one tick", async () => {
    const { clock, alarm, fake } = start(() => {});
    await until("it rests", () => clock.sleeping === 1);
    for (let i = 0; i < 10; i++) alarm.wake();
    await until("it rests again", () => clock.sleeping === 1 && fake.n >= 2);
    expect(fake.n).toBe(2);
  });

  test("a wake-up during a tick is not lost", async () => {
    const { clock, fake } = start((fake) => {
      fake.looks = () => {
        if (fake.n === 1) for (const { alarm } of running) alarm.wake();
      };
    });
    await until("it rests", () => clock.sleeping === 1);
    expect(fake.n).toBe(2);
  });

  test("the first failing action ends the tick, and the loop pauses longer each time", async () => {
    const { clock, fake } = start((fake) => {
      fake.actions = () => [
        { do: "work", why: "first" },
        { do: "work", why: "second" },
      ];
      fake.work = () => Promise.reject(new UnavailableError("AP_MYSQLD_TIMEOUT", "no answer"));
    });
    const pauses: (number | null)[] = [];
    for (let i = 1; i <= 8; i++) {
      await until("it pauses", () => clock.sleeping === 1 && fake.n === i);
      pauses.push(clock.nextIn);
      clock.advance(clock.nextIn ?? 0);
    }
    expect(fake.done).toEqual([]);
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
  });

  test("a failing tick is tried again at once when something happened", async () => {
    const { clock, alarm, fake } = start((fake) => {
      fake.actions = () => [{ do: "work", why: "w" }];
      fake.work = () => Promise.reject(new UnavailableError("AP_MYSQLD_TIMEOUT", "no answer"));
    });
    await until("it pauses", () => clock.sleeping === 1);
    alarm.wake();
    await until("it tries again", () => fake.n === 2);
  });

  test("a failure is logged once in a minute, and then with its count", async () => {
    const { clock, fake, lines, told } = start((fake) => {
      fake.actions = () => [{ do: "work", why: "w" }];
      fake.work = () => Promise.reject(new UnavailableError("AP_MYSQLD_TIMEOUT", "no answer"));
    });
    for (let i = 1; i <= 40; i++) {
      await until("it pauses", () => clock.sleeping === 1 && fake.n === i);
      clock.advance(2_000);
    }
    const failures = lines.filter(({ msg }) => msg === "work: no answer");
    expect(failures.map(({ times }) => times)).toEqual([undefined, 31]);
    expect(failures[0]).toMatchObject({ level: "warn", action: "work", why: "w", tick: 1 });
    expect(told.filter((line) => line.startsWith("setback"))).toHaveLength(2);
  });

  test("looking may fail too, and what nobody raised on purpose is an error with its place", async () => {
    const { clock, lines } = start((fake) => {
      fake.looks = () => {
        throw new Error("the disk is on fire");
      };
    });
    await until("it pauses", () => clock.sleeping === 1);
    const [line] = lines.filter(({ level }) => level === "error");
    expect(line?.["msg"]).toBe("observe: the disk is on fire");
    expect(JSON.stringify(line?.["err"])).toContain("loop.test.ts");
  });

  test("what only a programmer's mistake throws leaves the loop", async () => {
    const { ended } = start((fake) => {
      fake.looks = () => {
        throw new TypeError("x is not a function");
      };
    });
    await expect(ended).rejects.toMatchObject({ code: "AP_BUG_INVARIANT" });
  });

  test("a broken invariant leaves the loop, and is in the black box before", async () => {
    const { ended, ticks } = start((fake) => {
      fake.actions = () => [{ do: "work", why: "w" }];
      fake.work = () => Promise.reject(new InvariantError("AP_BUG_INVARIANT", "two primaries"));
    });
    await expect(ended).rejects.toThrow("two primaries");
    expect(ticks).toMatchObject([{ tick: 1, observation: { n: 1 }, outcome: "two primaries" }]);
  });

  test("a decision that throws is our bug", async () => {
    const { ended } = start((fake) => {
      fake.actions = () => {
        throw new RangeError("out of range");
      };
    });
    await expect(ended).rejects.toBeInstanceOf(InvariantError);
  });

  test("a loop that never comes to rest is slowed down, with one warning", async () => {
    const { clock, fake, lines } = start((fake) => {
      fake.actions = () => [{ do: "routine" }];
    });
    await until("it is slowed down", () => clock.sleeping === 1);
    expect(fake.n).toBe(201);
    expect(clock.nextIn).toBe(100);
    clock.advance(100);
    await until("and again", () => clock.sleeping === 1 && fake.n === 202);
    expect(lines.filter(({ level }) => level === "warn")).toHaveLength(1);
  });

  test("the sentence is said when it changes, and once a minute", async () => {
    const { clock, fake, lines, told } = start(() => {});
    for (let i = 1; i <= 140; i++) {
      await until("it rests", () => clock.sleeping === 1 && fake.n === i);
      if (i === 10) fake.says = "something else";
      clock.advance(500);
    }
    const said = lines.filter(({ level }) => level === "info").map(({ msg }) => msg);
    expect(said).toEqual(["all is well", "something else", "something else"]);
    expect(told).toEqual(["says: all is well", "says: something else"]);
  });

  test("a decision is logged with why and how long, routine and holding are not", async () => {
    const { clock, lines, told } = start((fake) => {
      fake.actions = ({ n }) =>
        n === 1 ? [{ do: "routine" }, { do: "work", why: "the primary died" }] : [{ do: "hold" }];
    });
    await until("it rests", () => clock.sleeping === 1);
    const infos = lines.filter(({ level, action }) => level === "info" && action !== undefined);
    expect(infos).toMatchObject([
      {
        msg: "work",
        action: "work",
        why: "the primary died",
        ms: 0,
        tick: 1,
        role: "replica",
        epoch: 7,
        cluster: "c",
        node: "n",
      },
    ]);
    expect(told).toContain("action: work: the primary died");
  });

  test("the lease hears of each tick, and the facts say when it was", async () => {
    const { clock, loop, beats } = start(() => {});
    await until("it rests", () => clock.sleeping === 1);
    clock.advance(500);
    await until("it rests again", () => clock.sleeping === 1 && beats() === 2);
    expect(loop.facts()).toMatchObject({ tick: 2, tickedAt: 1_500, report: { role: "replica" } });
  });

  test("ends when the recipe has stopped", async () => {
    const { ended, fake } = start((fake) => {
      fake.actions = () => {
        fake.ended = true;
        return [{ do: "work", why: "the last" }];
      };
    });
    await ended;
    expect(fake.n).toBe(1);
  });
});
