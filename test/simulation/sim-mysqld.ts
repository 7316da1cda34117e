// The Mysqld port (mysqld/port.ts) on a simulated server: each verb with the steps, checks, limits and refusals of the
// real one (recipes/mysql/mysqld/*.ts), in its order, one simulated statement for one real one.
import { InvariantError, invariant } from "../../src/errors.ts";
import { COPY_ACCOUNT } from "../../recipes/mysql/core/accounts.ts";
import type { GtidFacts, ServerFacts, SourceFacts } from "../../recipes/mysql/core/observation.ts";
import type { Mysqld } from "../../recipes/mysql/mysqld/port.ts";
import { drain, killAllClients, softFence, undrain } from "./sim-fence.ts";
import type { SimServer } from "./sim-server.ts";
import { Connection, refused, type Use } from "./statements.ts";
import type { Life } from "./world.ts";

const NONE = { first: [], more: false };
/** No application makes accounts or tables here. */
const NOTHING_FOUND = { privileged: NONE, notTransactional: NONE, withoutKey: NONE, preparedXa: 0 };
const LIMIT_MS = 5_000;
const STOP_MS = 10_000;

export function simMysqld(server: SimServer, agent: Life): Mysqld {
  const to = new Connection(server, agent);
  return {
    audit: () => to.look(5_000, () => NOTHING_FOUND),
    observe: () => to.look(2_000, () => factsOf(server)),
    receiver: () =>
      to.look(1_000, () => ({ io: server.receiver.io, lastQueued: server.receiver.lastQueued })),
    stopReceiver: () => to.use(STOP_MS, (use) => stopReceiver(to, use)),
    follow: (source, account, semiSync) =>
      to.use(STOP_MS, (use) => follow(to, use, { ...source, ...account }, semiSync)),
    disarmReplica: () => to.use(LIMIT_MS, (use) => disarmReplica(to, use)),
    setSemiSyncReplica: (on) => to.use(STOP_MS, (use) => setSemiSyncReplica(to, use, on)),
    startApplier: () => to.use(LIMIT_MS, (use) => to.sql(use, () => server.receiver.startSql())),
    forgetSource: () => to.use(STOP_MS, (use) => forget(to, use)),
    takeOver: (acks) => to.use(STOP_MS, (use) => takeOver(to, use, acks)),
    liftSuperReadOnly: () =>
      to.use(LIMIT_MS, (use) =>
        to.sql(use, () => {
          server.superReadOnly = false;
          invariant(server.readOnly, "AP_BUG_INVARIANT", "read_only is OFF before the marker");
        }),
      ),
    setAccounts: ({ unlocked, locked, keep }) =>
      to.use(2_500, async (use) => {
        await to.sql(use, () => {
          for (const id of locked) lock(server, id, true);
          for (const id of unlocked) lock(server, id, false);
        });
        const bad = new Set(locked);
        await cutReplicas(to, use, (uuid, id) => !keep.includes(uuid) || bad.has(id));
      }),
    cut: (serverId, uuid) =>
      to.use(2_500, async (use) => {
        await to.sql(use, () => lock(server, serverId, true));
        await cutReplicas(to, use, (its, id) => its === uuid || id === serverId);
      }),
    uncut: (serverId) =>
      to.use(LIMIT_MS, (use) => to.sql(use, () => lock(server, serverId, false))),
    createAccount: (serverId) =>
      to.use(STOP_MS, async (use) => {
        await login(to, use);
        await write(to, use, "account", serverId);
      }),
    dropAccount: (serverId) =>
      to.use(STOP_MS, async (use) => {
        await login(to, use);
        await write(to, use, "no-account", serverId);
      }),
    mark: (uuid, epoch, limitMs) => to.use(limitMs, (use) => mark(to, use, uuid, epoch)),
    open: () => to.use(LIMIT_MS, (use) => to.sql(use, () => server.setOpen())),
    heartbeat: () => to.use(3_000, (use) => write(to, use, "beat", 0)),
    probe: (mayWrite) =>
      to.use(500, async (use) => {
        await login(to, use);
        if (mayWrite) await localWrite(to, use);
      }),
    setAcks: (acks) => to.use(LIMIT_MS, (use) => to.sql(use, () => server.arm(acks))),
    releaseWaiters: () => to.use(LIMIT_MS, (use) => to.sql(use, () => server.arm(0))),
    drain: (limitMs) => drain(to, limitMs),
    undrain: () => undrain(to),
    softFence: () => softFence(to),
    // What is purged was archived before, and archives are not simulated: nothing asks for it here.
    purgeBinlogs: () => Promise.resolve(),
    killClients: () => killAllClients(to),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function factsOf(server: SimServer): ServerFacts {
  const { data, receiver, semi, superReadOnly } = server;
  const serves = !superReadOnly || server.dumps.size > 0;
  return {
    ...gtidFacts(server),
    uuid: data.uuid,
    serverId: data.serverId,
    version: "9.7.4",
    readOnly: server.readOnly,
    superReadOnly,
    offlineMode: server.offline,
    clusterId: data.clusterId,
    source: sourceFacts(server),
    semiSync: {
      sourceEnabled: semi.enabled,
      sourceActive: semi.enabled,
      waitFor: semi.waitFor,
      clients: semi.clientsShown,
      waitSessions: server.waiters.length,
      replicaEnabled: receiver.flag,
      replicaActive: receiver.active,
    },
    dumpThreads: [...server.dumps.values()].map(({ replica: { data: its } }) => ({
      uuid: its.uuid,
      serverId: its.serverId,
      threadId: its.serverId,
    })),
    accounts: serves ? [...data.accounts].map(([serverId, locked]) => ({ serverId, locked })) : [],
  };
}

function gtidFacts({ data }: SimServer): GtidFacts {
  const { executed, retrieved, purged } = data;
  return { executed: executed.text(), retrieved: retrieved.text(), purged: purged.text() };
}

function sourceFacts({ data, receiver }: SimServer): SourceFacts | null {
  if (data.source === null) return null;
  const { ioErrno } = receiver;
  return {
    host: data.source.host,
    port: data.source.port,
    uuid: receiver.stream?.source.data.uuid ?? "",
    user: `autopilot_repl_${data.source.serverId}`,
    io: receiver.io,
    sql: receiver.sql ? "Yes" : "No",
    ioError: ioErrno === 0 ? "" : `error ${ioErrno}`,
    ioErrno,
    sqlError: receiver.sqlErrno === 0 ? "" : `error ${receiver.sqlErrno}`,
    sqlErrno: receiver.sqlErrno,
    lastQueued: receiver.lastQueued,
    lagSeconds: receiver.lagSeconds(),
  };
}

async function stopIo(to: Connection, use: Use): Promise<void> {
  const { receiver, life, around } = to.server;
  await channelIsFree(to, use);
  await to.wait<void>(use, (done) => {
    receiver.stopping += 1;
    around.world.after(receiver.stopMs(), life, () => {
      receiver.stopping -= 1;
      receiver.stopIo();
      done();
    });
  });
}

/** A STOP that is given up by its sender goes on in the server, and everything else of the channel waits for it. */
async function channelIsFree(to: Connection, use: Use): Promise<void> {
  if (to.server.receiver.stopping > 0) await to.until(use, () => to.server.receiver.stopping === 0);
}

async function stopReceiver(to: Connection, use: Use): Promise<GtidFacts> {
  const { server } = to;
  const { receiver, data } = server;
  if (data.source !== null) await stopIo(to, use);
  await to.sql(use, () => {
    receiver.flag = false;
    if (data.source !== null && !receiver.sql && receiver.sqlErrno === 0) receiver.startSql();
  });
  return await to.sql(use, () => gtidFacts(server));
}

type Source = { host: string; port: number; serverId: number };

async function follow(to: Connection, use: Use, source: Source, semiSync: boolean) {
  const { server } = to;
  const { receiver, data } = server;
  await to.sql(use, () => setServing(server));
  const armed = await to.sql(use, () => armedThoughClosed(server));
  if (data.source === null) {
    await channelIsFree(to, use);
    await to.sql(use, () => receiver.change(source));
    await to.sql(use, () => receiver.startSql());
  } else {
    await stopIo(to, use);
    await keepReceived(to, use);
    await to.sql(use, () => receiver.change(source));
    await to.sql(use, () => receiver.startSql());
  }
  await to.sql(use, () => {
    receiver.flag = semiSync;
  });
  await to.sql(use, () => receiver.startIo());
  return { armed };
}

/** Everything received is applied, or the applier runs: else the CHANGE would delete it (S14). */
async function keepReceived(to: Connection, use: Use): Promise<void> {
  const { data, receiver } = to.server;
  const lost = (): boolean => !receiver.sql && !data.executed.containsAll(data.retrieved);
  if (!(await to.sql(use, lost))) return;
  if (receiver.sqlErrno === 0) {
    await to.sql(use, () => receiver.startSql());
    await to.pause(50);
  }
  await to.sql(use, () => {
    if (lost()) throw refused(`received transactions would be lost: ${receiver.sqlErrno}`);
  });
}

function setServing(server: SimServer): void {
  invariant(server.superReadOnly, "AP_BUG_INVARIANT", "super_read_only is not ON");
  server.offline = false;
}

function armedThoughClosed(server: SimServer): boolean {
  if (!server.semi.enabled) return false;
  if (server.waiters.length === 0) return true;
  throw refused(`${server.waiters.length} commits still wait: not disarmed`);
}

async function disarmReplica(to: Connection, use: Use): Promise<void> {
  const { server } = to;
  const { world } = server.around;
  await login(to, use);
  await to.sql(use, () =>
    invariant(server.superReadOnly, "AP_BUG_INVARIANT", "super_read_only is not ON"),
  );
  await to.wait<void>(use, (done) => {
    server.arm(0);
    // The ack receiver looks only once a second whether it should end.
    world.after(world.random.between(1, 1_000), server.life, done);
  });
}

async function setSemiSyncReplica(to: Connection, use: Use, on: boolean): Promise<void> {
  const { receiver, data } = to.server;
  const before = receiver.io;
  if (data.source !== null) await stopIo(to, use);
  await to.sql(use, () => {
    receiver.flag = on;
    if (data.source !== null && before !== "No") receiver.startIo();
  });
}

/** STOP REPLICA; RESET REPLICA ALL; refuses while something received is not applied (S14). */
async function forget(to: Connection, use: Use): Promise<void> {
  const { data, receiver } = to.server;
  if (data.source === null) return;
  const applied = (): void => {
    if (!data.executed.containsAll(data.retrieved))
      throw new InvariantError("AP_BUG_INVARIANT", "not applied yet");
  };
  await to.sql(use, applied);
  await stopIo(to, use);
  await to.sql(use, () => {
    receiver.stopSql();
    applied();
  });
  await to.sql(use, () => receiver.reset());
}

async function takeOver(to: Connection, use: Use, acks: number): Promise<void> {
  const { server } = to;
  await to.sql(use, () => setServing(server));
  await forget(to, use);
  await to.sql(use, () => {
    server.receiver.flag = false;
  });
  await to.sql(use, () => server.arm(acks));
}

function lock(server: SimServer, serverId: number, locked: boolean): void {
  if (locked && serverId === COPY_ACCOUNT) return;
  if (server.data.accounts.has(serverId)) server.data.accounts.set(serverId, locked);
}

/** KILLs and sees them gone, also from semi-sync's own count; limit 2 s. */
async function cutReplicas(
  to: Connection,
  use: Use,
  unwanted: (uuid: string, serverId: number) => boolean,
): Promise<void> {
  const { server } = to;
  const { world } = server.around;
  const over = world.now + 2_000;
  for (;;) {
    const left = await to.sql(use, () =>
      [...server.dumps.values()].filter((s) =>
        unwanted(s.replica.data.uuid, s.replica.data.serverId),
      ),
    );
    const acking = await to.sql(use, () => server.semi.clientsShown);
    if (left.length === 0 && acking <= server.dumps.size) return;
    await to.sql(use, () => {
      for (const stream of left) stream.killed();
    });
    if (world.now > over) throw refused("replicas are not gone");
    await to.pause(10);
  }
}

/** A new connection of the agent's own. */
export async function login(to: Connection, use: Use): Promise<void> {
  await to.until(use, () => !to.server.aclLocked);
}

async function write(
  to: Connection,
  use: Use,
  kind: "beat" | "account" | "no-account",
  what: number,
): Promise<void> {
  await to.wait<void>(use, (done, fail) =>
    to.server.submit({ kind, what }, (trx) => (trx === null ? fail(refused("1290")) : done())),
  );
}

/** sql_log_bin=0: a write that nobody acknowledges; on a full disk it succeeds (measured), because no binlog grows. */
async function localWrite(to: Connection, use: Use): Promise<void> {
  const { server } = to;
  const { world } = server.around;
  await to.wait<void>(use, (done, fail) => {
    if (server.superReadOnly) return fail(refused("1290"));
    world.after(0.3 + world.random.next() * server.disk.slowMs, server.life, done);
  });
}

async function mark(to: Connection, use: Use, uuid: string, epoch: number): Promise<void> {
  const { server } = to;
  const gtid = { uuid, n: epoch };
  const waits = (): boolean => [...server.data.tail].some((t) => t.uuid === uuid && t.n === epoch);
  await login(to, use);
  // A GTID that another session owns is waited for; one that is executed is skipped.
  await to.until(use, () => !waits());
  const known = await to.sql(use, () => server.data.executed.has(uuid, epoch));
  if (known) return write(to, use, "beat", 0);
  await to.wait<void>(use, (done, fail) =>
    server.submit({ kind: "marker", what: epoch, gtid }, (trx) =>
      trx === null ? fail(refused("1290")) : done(),
    ),
  );
}
