// A node that is made from a named backup is made from that one, or not at all.
import { join } from "node:path";
import { expect, test } from "vitest";
import { restoreData } from "../../recipes/mysql/backup/restore-task.ts";
import type { WorkPlace } from "../../recipes/mysql/backup/place.ts";
import { failure } from "../contract/objects-fixture.ts";
import { place, take } from "./fixture.ts";

test("a named backup that is not there is refused, whatever others are", async () => {
  await using at = await place(50_000);
  await take(at);
  const { store, dir } = at;
  const signal = new AbortController().signal;
  const work = { job: { identity: null }, store, signal, scratch: dir } as unknown as WorkPlace;
  const order = {
    into: join(dir, "into"),
    cluster: null,
    backup: "20200101T000000Z-gone-0000",
    toTime: null,
    toGtid: null,
    found: null,
  };
  expect(await failure(restoreData(work, order, () => {}))).toMatchObject({
    name: "RefusedError",
    code: "AP_BACKUP_UNKNOWN",
    message: expect.stringContaining(order.backup),
  });
});
