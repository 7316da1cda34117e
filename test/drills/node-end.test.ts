// How a node ended a round is read from its server and its disk, not from what it says.
import { expect, test } from "vitest";
import { endOf } from "../../recipes/mysql/drills/node-end.ts";
import { monotonicNow } from "../../recipes/mysql/drills/ledger.ts";
import { FakeCluster } from "./fake-target.ts";

const NOW = 0;

test("a node that holds the primary's set and nothing besides has converged", async () => {
  const end = await endOf(new FakeCluster().target(), "mysql-2", monotonicNow());
  expect(end).toEqual({ node: "mysql-2", state: "converged", evidence: null });
});

test("a node that lacks transactions, or has others, has not", async () => {
  const cluster = new FakeCluster();
  const why = async (executed: string) => {
    cluster.executed.set("mysql-2", executed);
    return endOf(cluster.target(), "mysql-2", monotonicNow(), NOW);
  };
  expect(await why("ab")).toMatchObject({
    state: "diverged",
    evidence: "it lacks transactions of mysql-1",
  });
  expect(await why("abcd")).toMatchObject({
    state: "diverged",
    evidence: "it holds transactions that mysql-1 lacks",
  });
});

test("a node that was set aside has to show what was kept", async () => {
  const cluster = new FakeCluster();
  const began = monotonicNow();
  const event = { node: "mysql-2", type: "set-aside", what: "cannot follow", facts: {} };
  cluster.events.push({ ...event, at: began - 1 });
  const end = () => endOf(cluster.target(), "mysql-2", began);
  expect(await end()).toMatchObject({ state: "converged" });
  cluster.events.push({ ...event, at: began + 1 });
  expect(await end()).toMatchObject({ state: "diverged" });
  cluster.evidence = "/aside/1";
  expect(await end()).toMatchObject({ state: "set aside", evidence: "cannot follow (/aside/1)" });
});
