// What load balancers and people are told over HTTP, from the last tick alone.
import { describe, expect, test } from "vitest";
import { endpoint } from "../../recipes/mysql/endpoints.ts";
import { NOW, situation, type Situation } from "./situation.ts";

const three = situation().withVoters("a", "b", "c");
const primary = three.asPrimary();
const replica = three.asReplicaOf("b");

function ask(s: Situation | null, path: string, now = NOW) {
  const url = new URL(path, "http://a.test");
  const asked = { now, says: "what the tick said" };
  return endpoint(s?.observation ?? null, asked, url.pathname, url.searchParams);
}
const status = (s: Situation, path: string, now = NOW): number => ask(s, path, now)?.[0] ?? 0;

describe("/primary", () => {
  test("is the open primary, and nobody else", () => {
    expect(status(primary, "/primary")).toBe(200);
    expect(status(replica, "/primary")).toBe(503);
    expect(status(three.asPrimary("marked"), "/primary")).toBe(503);
    expect(status(three.asPrimary("drained"), "/primary")).toBe(503);
    expect(status(primary.serverDown(), "/primary")).toBe(503);
  });

  test("is nobody whose loop has not turned for 5 s: it may have been paused while another was elected", () => {
    expect(status(primary, "/primary", NOW + 5_000)).toBe(200);
    expect(status(primary, "/primary", NOW + 5_001)).toBe(503);
    expect(status(replica, "/replica", NOW + 5_001)).toBe(503);
  });
});

describe("/replica", () => {
  test("is a replica, within the lag that is asked for", () => {
    const behind = replica.source({ lagSeconds: 10 });
    expect(status(behind, "/replica")).toBe(200);
    expect(status(behind, "/replica?lag=10s")).toBe(200);
    expect(status(behind, "/replica?lag=10")).toBe(200);
    expect(status(behind, "/replica?lag=9s")).toBe(503);
    expect(status(primary, "/replica")).toBe(503);
  });

  test("is none whose lag is not known, where a lag is asked for, nor for a lag that is no number", () => {
    expect(status(replica.source({ lagSeconds: null }), "/replica?lag=10s")).toBe(503);
    expect(status(replica, "/replica?lag=soon")).toBe(503);
  });
});

describe("/health and /readiness", () => {
  test("are a primary or a replica; a node that waits, starts or copies is neither", () => {
    for (const path of ["/health", "/readiness"]) {
      expect(status(primary, path)).toBe(200);
      expect(status(replica, path)).toBe(200);
      expect(status(three.withoutDatadir(), path)).toBe(503);
      expect(status(three, path)).toBe(503);
    }
  });

  test("a replica that is cut off, or does not apply, is healthy and not ready", () => {
    for (const s of [replica.source({ io: "Connecting" }), replica.source({ sql: "No" })]) {
      expect(status(s, "/health")).toBe(200);
      expect(status(s, "/readiness")).toBe(503);
    }
  });
});

test("/status always answers, with role, epoch, voters and what the node says", () => {
  expect(ask(primary, "/status")).toMatchObject([
    200,
    { node: "a", role: "primary", epoch: 5, says: "what the tick said", acks: 1 },
  ]);
});

test("before the first tick every one of them says 503, and other paths are nobody's", () => {
  expect(ask(null, "/primary")).toMatchObject([503, { role: "unknown" }]);
  expect(ask(primary, "/nothing")).toBeNull();
});
