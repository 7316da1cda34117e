// An archiver in a process of its own, to be killed: node archive-child.ts JSON, which says where its server is.
import { openDisk } from "../../src/objects/disk.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { archiveBinlogs } from "../../recipes/mysql/backup/archive.ts";
import { lookAtPrimary } from "../../recipes/mysql/backup/primary-look.ts";
import { connect } from "../../recipes/mysql/mysqld/connection.ts";

export type ArchiveChild = {
  readonly store: string;
  readonly clusterId: string;
  readonly port: number;
  /** Of a throw-away server on loopback. */
  readonly password: string;
};

const o = JSON.parse(process.argv[2] ?? "") as ArchiveChild;
const target = { host: "127.0.0.1", port: o.port, user: "autopilot", password: o.password };
await using sql = await connect(target, 20_000);
await archiveBinlogs({
  store: openDisk(o.store, { clock: realClock }),
  cluster: { id: o.clusterId },
  epoch: 1,
  look: () => lookAtPrimary(sql),
  withinMs: 20,
  sealing: { level: 1, recipients: [] },
  clock: realClock,
  signal: new AbortController().signal,
  tell: (progress) => process.stdout.write(`${JSON.stringify(progress)}\n`),
});
