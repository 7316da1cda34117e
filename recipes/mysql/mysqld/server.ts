// The real mysqld behind the port (port.ts): its verbs over our standing connections. Nothing is decided here.
import { connect, type Sql } from "./connection.ts";
import { createAccount, cut, dropAccount, setAccounts, uncut } from "./accounts.ts";
import { audit } from "./audit.ts";
import { purgeBinlogs } from "./binlogs.ts";
import { drain, killAllClients, softFence, undrain } from "./fence.ts";
import { standingLine, type Lines } from "./lines.ts";
import type { Mysqld } from "./port.ts";
import { liftSuperReadOnly, open, takeOver } from "./promote.ts";
import {
  follow,
  forgetSource,
  setSemiSyncReplica,
  startApplier,
  stopReceiver,
} from "./replication.ts";
import type { Secrets } from "./secrets.ts";
import { disarmReplica, releaseWaiters, setAcks } from "./semisync.ts";
import { observe, receiverStatus, type Known } from "./status.ts";
import { heartbeat, mark, probe } from "./writes.ts";

export type MysqldAddress = {
  readonly host: "127.0.0.1";
  readonly adminPort: number;
  readonly secrets: Pick<Secrets, "admin" | "replication">;
};

const OPEN_MS = 2_000;
const RECEIVER_MS = 1_000;

/**
 * Connects to a mysqld that runs. Its lines are opened anew when they are lost, also after a restart of mysqld.
 * Errors: AP_MYSQLD_TIMEOUT, AP_MYSQLD_EXITED: it does not answer (yet).
 */
export async function openMysqld(address: MysqldAddress): Promise<Mysqld> {
  const lines = openLines(address);
  try {
    await Promise.all([lines.admin, lines.look].map((line) => line.use(OPEN_MS, ready)));
  } catch (error) {
    await closeLines(lines);
    throw error;
  }
  return verbs(lines);
}

function verbs(lines: Lines): Mysqld {
  const known: Known = { uuid: "", id: "", channel: true, serves: true };
  return {
    observe: () => observe(lines, known),
    receiver: () => lines.look.use(RECEIVER_MS, (sql) => receiverStatus(sql, RECEIVER_MS)),
    stopReceiver: () => stopReceiver(lines),
    follow: (source, account, semiSync) => follow(lines, source, account, semiSync),
    disarmReplica: () => disarmReplica(lines),
    setSemiSyncReplica: (on) => setSemiSyncReplica(lines, on),
    startApplier: () => startApplier(lines),
    forgetSource: () => forgetSource(lines),
    takeOver: (acks) => takeOver(lines, acks),
    liftSuperReadOnly: () => liftSuperReadOnly(lines),
    setAccounts: (a) => setAccounts(lines, a),
    cut: (serverId, uuid) => cut(lines, serverId, uuid),
    uncut: (serverId) => uncut(lines, serverId),
    createAccount: (serverId) => createAccount(lines, serverId),
    dropAccount: (serverId) => dropAccount(lines, serverId),
    mark: (uuid, epoch, limitMs) => mark(lines, { uuid, epoch }, limitMs),
    open: () => open(lines),
    audit: () => audit(lines),
    heartbeat: (epoch) => heartbeat(lines, epoch),
    probe: (write) => probe(lines, write),
    setAcks: (acks) => setAcks(lines, acks),
    releaseWaiters: () => releaseWaiters(lines),
    drain: (limitMs) => drain(lines, limitMs),
    undrain: () => undrain(lines),
    softFence: () => softFence(lines),
    purgeBinlogs: (upTo) => purgeBinlogs(lines, upTo),
    killClients: () => killAllClients(lines),
    [Symbol.asyncDispose]: () => closeLines(lines),
  };
}

function openLines(address: MysqldAddress): Lines {
  const live = new Set<Sql>();
  const login = {
    host: address.host,
    port: address.adminPort,
    user: "autopilot",
    password: address.secrets.admin,
  };
  const dial = async (limitMs: number, scripts: boolean): Promise<Sql> => {
    for (const sql of live) if (sql.closed) live.delete(sql);
    const sql = await connect({ ...login, scripts }, limitMs);
    live.add(sql);
    return sql;
  };
  return {
    admin: standingLine((limitMs) => dial(limitMs, true)),
    look: standingLine((limitMs) => dial(limitMs, true)),
    heartbeat: standingLine((limitMs) => dial(limitMs, false)),
    fresh: (limitMs) => dial(limitMs, false),
    ours: () => new Set([...live].map((sql) => sql.id)),
    replicationPassword: address.secrets.replication,
  };
}

async function closeLines(lines: Lines): Promise<void> {
  const all = [lines.admin, lines.look, lines.heartbeat];
  await Promise.all(all.map((line) => line[Symbol.asyncDispose]()));
}

function ready(): Promise<void> {
  return Promise.resolve();
}
