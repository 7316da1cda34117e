// The simulated Consul through the ports that nodes get, in virtual time: the parts of the contract suite
// (test/contract) that decide who is primary, and the bad days that only a simulation can order.
import { expect, test } from "vitest";
import type { KvEntry } from "../../src/ports.ts";
import { Network } from "./network.ts";
import { SimConsul } from "./sim-consul.ts";
import { simKv, simLeaser } from "./sim-kv.ts";
import { startSimLease } from "./sim-lease.ts";
import { clockOf, Life, World } from "./world.ts";

function stage() {
  const world = new World(1);
  const net = new Network(world);
  const consul = new SimConsul(world, net);
  const life = new Life("a");
  const caller = { node: "a", life };
  const kv = simKv(consul, caller);
  const leaser = simLeaser(consul, caller);
  const thread = new Life("lease");
  const clock = clockOf(world, life, { rate: 1, origin: 1_000, wallOffset: 0 });
  const lease = (serviceId: string) =>
    startSimLease({ consul, node: "a", serviceId, main: life, thread, clock, onChange: () => {} });
  /** The promise's value after so much virtual time; a rejection is its message. */
  const after = async <T>(promise: Promise<T>, ms = 3_000): Promise<T | string> => {
    let outcome: T | string = "pending";
    void promise.then(
      (value) => (outcome = value),
      (error: Error) => (outcome = error.message),
    );
    await world.run(world.now + ms);
    return outcome;
  };
  return { world, net, consul, life, kv, leaser, lease, after };
}

test("a transaction happens wholly or not at all, and says every reason", async () => {
  const { kv, after } = stage();
  const made = await after(kv.commit([{ do: "cas", key: "k", value: "1", index: 0 }]));
  expect(made).toMatchObject({ ok: true, entries: [{ key: "k", value: "1", session: null }] });
  const refused = await after(
    kv.commit([
      { do: "set", key: "other", value: "x" },
      { do: "cas", key: "k", value: "2", index: 0 },
    ]),
  );
  expect(refused).toMatchObject({ ok: false, why: expect.stringContaining("stale") });
  expect(await after(kv.list(""))).toMatchObject([{ key: "k", value: "1" }]);
});

test("a session falls with its check, its lock is free, and the watch wakes", async () => {
  const { world, kv, lease, life, after } = stage();
  const held = lease("s1");
  await world.run(2_000);
  const session = held.view().session ?? "";
  await after(kv.commit([{ do: "lock", key: "leader", value: "me", session }]));
  const seen: (string | null)[] = [];
  void kv.watch("leader", {
    signal: new AbortController().signal,
    onChange: (entries: readonly KvEntry[]) => seen.push(entries[0]?.session ?? null),
    onError: () => {},
  });
  await world.run(world.now + 1_000);
  expect(seen).toEqual([session]);
  // Without a tick of the main loop the keeper stops passing the check.
  await world.run(world.now + 12_000);
  expect(life.alive).toBe(true);
  expect(seen).toEqual([session, null]);
});

test("a belief never outlives the moment when the session may fall", async () => {
  const { world, consul, net, lease } = stage();
  const held = lease("s1");
  await world.run(2_000);
  const { goodUntil } = held.view();
  net.cut("a", "consul");
  await world.run(20_000);
  expect(consul.state.sessions.size).toBe(0);
  expect(held.view().goodUntil).toBeLessThanOrEqual(goodUntil + 1_000);
});

test("a restarted Consul keeps its keys, and has no session and no lock", async () => {
  const { world, consul, kv, lease, after } = stage();
  const held = lease("s1");
  await world.run(2_000);
  const session = held.view().session ?? "";
  await after(kv.commit([{ do: "lock", key: "leader", value: "me", session }]), 500);
  consul.restarted();
  expect(await after(kv.get("leader"), 500)).toMatchObject({ value: "me", session: null });
  expect(consul.state.sessions.has(session)).toBe(false);
});

test("a write whose answer is lost may have happened", async () => {
  const { consul, kv, after } = stage();
  consul.bad({ lost: 1 });
  const outcomes = [];
  for (let n = 0; n < 20; n++)
    outcomes.push(await after(kv.commit([{ do: "set", key: `k${n}`, value: "" }])));
  consul.calm();
  expect(new Set(outcomes)).toEqual(new Set(["no answer within 1 s"]));
  const there = await after(kv.list("k"));
  expect(there.length).toBeGreaterThan(0);
  expect(there.length).toBeLessThan(20);
});

test("a cut node is not answered, and hears what it missed when the path is back", async () => {
  const { world, net, consul, kv, after } = stage();
  const seen: number[] = [];
  void kv.watch("k/", {
    signal: new AbortController().signal,
    onChange: (entries) => seen.push(entries.length),
    onError: () => {},
  });
  await world.run(100);
  net.cut("a", "consul");
  net.cut("consul", "a");
  expect(await after(kv.get("k/1"), 1_500)).toBe("no answer within 1 s");
  const other = simKv(consul, { node: "b", life: new Life("b") });
  await after(other.commit([{ do: "set", key: "k/1", value: "" }]), 1_000);
  expect(seen).toEqual([0]);
  net.heal("a", "consul");
  net.heal("consul", "a");
  await world.run(world.now + 2_000);
  expect(seen).toEqual([0, 1]);
});

test("a watch that a server which lags behind has answered hears the rest when that has caught up", async () => {
  const { world, consul, kv, after } = stage();
  const seen: string[] = [];
  void kv.watch("k", {
    signal: new AbortController().signal,
    onChange: (entries) => seen.push(entries[0]?.value ?? ""),
    onError: () => {},
  });
  consul.bad({ staleMs: 1_000 });
  for (let n = 0; n < 30; n++) {
    await after(kv.commit([{ do: "set", key: "k", value: `${n} at first` }]), 300);
    await after(kv.commit([{ do: "set", key: "k", value: `${n}` }]), 3_000);
    expect(seen.at(-1)).toBe(`${n}`);
  }
  expect(world.seen["read stale"]).toBeGreaterThan(5);
});

test("a dead process's requests may still have their effect, and nothing of it hears the answer", async () => {
  const { world, life, kv, consul } = stage();
  let heard = false;
  void kv.commit([{ do: "set", key: "k", value: "" }]).then(() => (heard = true));
  life.end();
  await world.run(2_000);
  expect(heard).toBe(false);
  expect(consul.state.kv.has("k")).toBe(true);
});

test("a destroyed session frees its lock at once", async () => {
  const { world, kv, leaser, lease, after } = stage();
  const held = lease("s1");
  await world.run(2_000);
  const session = held.view().session ?? "";
  await after(kv.commit([{ do: "lock", key: "leader", value: "me", session }]), 300);
  await after(leaser.destroy(session), 300);
  expect(await after(kv.get("leader"), 300)).toMatchObject({ session: null });
  expect(await after(leaser.renew(session), 300)).toBe(false);
});
