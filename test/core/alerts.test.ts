// What a person is told of a node that works (PROTOCOL §2 "checked; alert", §3, §10).
import { expect, test } from "vitest";
import { alertsOf } from "../../recipes/mysql/core/alerts.ts";
import { ERROR_CODES } from "../../src/error-codes.ts";
import { NOW, situation, type Situation } from "./situation.ts";

const primary = situation().withVoters("a", "b", "c").asPrimary();
const names = (...first: string[]) => ({ first, more: false });
const CLEAN = {
  privileged: names(),
  notTransactional: names(),
  withoutKey: names(),
  preparedXa: 0,
};
const found = (more: Partial<typeof CLEAN>) => primary.and({ audit: { ...CLEAN, ...more } });

test("a healthy node has no alerts", () => {
  expect(alertsOf(primary.observation)).toEqual([]);
  expect(alertsOf(found({}).observation)).toEqual([]);
  const replica = situation().withVoters("a", "b", "c").asReplicaOf("b");
  expect(alertsOf(replica.observation)).toEqual([]);
});

test.each<[string, Situation, string]>([
  ["a full disk", primary.and({ diskFree: 1_048_576 }), "AP_DISK_FULL: 1 MiB left"],
  ["a primary that is alone", situation().withVoters("a").asPrimary(), "AP_ALONE"],
  [
    "a token that Consul refuses",
    primary.and({ consul: { ...primary.observation.consul, error: "AP_CONSUL_DENIED: consul" } }),
    "AP_CONSUL_DENIED: Consul refuses this node's token",
  ],
  [
    "a user that etcd refuses",
    primary.and({ consul: { ...primary.observation.consul, error: "AP_ETCD_DENIED: etcd" } }),
    "AP_ETCD_DENIED: etcd refuses this node's user",
  ],
  ["a primary without Consul", primary.consulAway(), "AP_FAILSAFE"],
  [
    "commits that wait",
    primary.heartbeat({ waitingSince: NOW - 1_501 }),
    "AP_WRITES_BLOCKED: commits wait",
  ],
  ["a voter that forgot", primary.peer("b", { amnesiac: true }), "AP_VOTER_AMNESIAC: b's"],
  [
    "a strong account",
    found({ privileged: names("x@%", "y@%") }),
    "AP_ACCOUNT_TOO_STRONG: x@%, y@% ",
  ],
  [
    "more strong accounts than are listed",
    found({ privileged: { first: ["x@%"], more: true } }),
    "AP_ACCOUNT_TOO_STRONG: x@% and more may",
  ],
  [
    "a table of another engine",
    found({ notTransactional: names("d.t") }),
    "AP_TABLE_NOT_TRANSACTIONAL: d.t",
  ],
  ["a table without a key", found({ withoutKey: names("d.t") }), "AP_TABLE_WITHOUT_KEY: d.t"],
  ["prepared transactions", found({ preparedXa: 2 }), "AP_XA_PREPARED: 2 prepared"],
])("%s is told, with a code that is explained", (_, s, begins) => {
  const alerts = alertsOf(s.observation);
  expect(alerts).toHaveLength(1);
  expect(alerts[0]).toContain(begins);
  expect(Object.keys(ERROR_CODES)).toContain(alerts[0]?.split(":")[0]);
});

test("what an audit found is told by the open primary only", () => {
  const was = found({ preparedXa: 1 }).and({ primacy: null });
  expect(alertsOf(was.observation)).toEqual([]);
});

test("a voter outside V may forget what it likes", () => {
  const s = situation().withVoters("a", "b").peer("c", { amnesiac: true }).asPrimary();
  expect(alertsOf(s.observation)).toEqual([]);
});
