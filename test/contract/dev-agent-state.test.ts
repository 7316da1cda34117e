// The embedded agent's state in virtual time: what takes minutes on a real agent.
import { expect, test } from "vitest";
import { checkReport, serviceRegister } from "../../src/consul/dev-agent/agent-endpoint.ts";
import { expire, nextDeadline } from "../../src/consul/dev-agent/catalog.ts";
import { createState, type State } from "../../src/consul/dev-agent/state.ts";

function register(state: State, check: object, now: number): number {
  const body = Buffer.from(JSON.stringify({ Name: "web", Check: check }));
  const query = new URLSearchParams();
  const answer = serviceRegister(state, { method: "PUT", rest: "", query, body, now });
  return "status" in answer ? answer.status : 0;
}

function pass(state: State, now: number): void {
  const call = { method: "PUT", rest: "service:web", query: new URLSearchParams() };
  checkReport("passing")(state, { ...call, body: Buffer.alloc(0), now });
}

const isThere = (state: State) => [...state.services.values()].some(({ name }) => name === "web");

test("a service that was critical for as long as its check allows is dropped, and not before", () => {
  const state = createState(0);
  const check = { TTL: "10s", DeregisterCriticalServiceAfter: "90s", Status: "passing" };
  expect(register(state, check, 0)).toBe(200);
  expire(state, 10_000);
  expect([...state.checks.values()].map(({ status }) => status)).toContain("critical");
  // A pass in between begins the count anew.
  pass(state, 60_000);
  expire(state, 99_999);
  expect(isThere(state)).toBe(true);
  expect(nextDeadline(state)).toBe(70_000 + 29_999 + 90_000);
  expire(state, 189_998);
  expect(isThere(state)).toBe(true);
  expire(state, 189_999);
  expect(isThere(state)).toBe(false);
  expect(nextDeadline(state)).toBeNull();
});

test("a minute is the least, and registering again does not begin the count anew", () => {
  const state = createState(0);
  const check = { TTL: "10s", DeregisterCriticalServiceAfter: "1s" };
  register(state, check, 0);
  register(state, check, 40_000);
  expire(state, 59_999);
  expect(isThere(state)).toBe(true);
  expire(state, 60_000);
  expect(isThere(state)).toBe(false);
});

test("without it a critical service stays, and what is no duration is refused", () => {
  const state = createState(0);
  register(state, { TTL: "10s" }, 0);
  expire(state, 10 ** 9);
  expect(isThere(state)).toBe(true);
  expect(register(state, { TTL: "10s", DeregisterCriticalServiceAfter: "soon" }, 0)).toBe(400);
});
