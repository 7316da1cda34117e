// PROTOCOL §4 step 5, last line, on real servers: a candidate copies from a closed holder what it lacks, then takes over.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { contains, gtidSet } from "../../recipes/mysql/core/gtid.ts";
import { heldSet } from "../../recipes/mysql/core/state.ts";
import { until } from "./servers.ts";
import { trio, type Trio } from "./trio.ts";

vi.setConfig({ testTimeout: 40_000 });

let three: Trio;

beforeAll(async () => {
  three = await trio();
}, 60_000);
afterAll(() => three[Symbol.asyncDispose]());

test("what only a closed holder has reaches the candidate, and nothing of it is acknowledged on the way", async () => {
  const { primary, second, third, b, clientsAre } = three;
  await three.rest();
  const behind = heldSet(await third.stopReceiver());
  await clientsAre(1);
  await using app = await three.a.app();
  await app.rows("INSERT INTO app.t (n) VALUES (7), (8)", 5_000);
  const all = gtidSet(await three.executed());
  expect(contains(behind, all)).toBe(false);
  await until("the holder has it", async () => contains(heldSet(await second.observe()), all));
  await primary.drain(5_000);
  await second.stopReceiver();

  await third.follow({ host: b.host, port: b.port }, { serverId: 3 }, false);
  await until("the candidate has applied all", async () =>
    contains(gtidSet((await third.observe()).executed), all),
  );
  const [candidate, holder] = [await third.observe(), await second.observe()];
  expect(candidate.semiSync.replicaActive).toBe(false);
  expect([holder.superReadOnly, holder.semiSync.sourceEnabled]).toEqual([true, false]);
  await third.takeOver(0);
  expect((await third.observe()).source).toBeNull();
});
