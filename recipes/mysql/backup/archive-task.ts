// The archive of binary logs as a task: for as long as this server is the primary, until the agent ends it.
import { realClock as clock, UnavailableError } from "../../../src/index.ts";
import { connect } from "../mysqld/connection.ts";
import { archiveBinlogs } from "./archive.ts";
import type { Done, Line } from "./job.ts";
import { configOf, ownLogin, recipientsOf, type WorkPlace } from "./place.ts";
import { lookAtPrimary } from "./primary-look.ts";

const CONNECT_MS = 10_000;

export async function keepArchive(place: WorkPlace, say: (line: Line) => void): Promise<Done> {
  const { job, store, signal } = place;
  const { archive, compression } = configOf(place);
  await using sql = await connect(await ownLogin(place), CONNECT_MS);
  await archiveBinlogs({
    store,
    cluster: { id: job.cluster.id },
    epoch: job.node.epoch,
    look: () => lookAtPrimary(sql),
    withinMs: archive.within,
    sealing: {
      level: compression.level,
      recipients: (await recipientsOf(place)) ?? [],
    },
    clock,
    signal,
    tell: ({ settled, lagSeconds, lost, late }) =>
      say({
        event: "archived",
        gtid: settled,
        lagSeconds,
        problem: late,
        // Whether a backup holds what the archive lacks is the agent's to know.
        gap: lost === "" ? null : lost,
      }),
  });
  throw new UnavailableError("AP_BACKUP_WORKER", "the archive was ended");
}
