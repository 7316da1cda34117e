// One client's connection to one node, and what an answer, an error or silence says about a write. Callbacks of mysql2,
// not its promises: a statement that is abandoned must leave nobody waiting for it.
import { connect as connectSocket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import mysql from "mysql2";
import {
  ACCOUNT_TABLE,
  LEDGER_TABLE,
  legsOf,
  monotonicNow,
  payloadOf,
  type Outcome,
  type WriterConfig,
} from "./ledger.ts";

export type Address = WriterConfig["addresses"][number];
export type Open = {
  readonly connection: mysql.Connection;
  /** server_uuid, as the server itself said when the connection was made. */
  readonly node: string;
  readonly id: number;
};
export type Answer = {
  readonly outcome: Outcome;
  readonly why: string | null;
  /** The connection is of no use any more. */
  readonly broken: boolean;
};
export type Id = readonly [writer: number, seq: number];
export type Deed = (config: WriterConfig, open: Open, id: Id) => Promise<Answer>;

// Server errors that rule out that the statement was applied: read only (1290, 1836), group replication's refusals
// (3098, 3100, 3101), lock wait and deadlock (1205, 1213), no right and no table (1142, 1146). All others are unknown.
const REFUSALS: ReadonlySet<number> = new Set([
  1142, 1146, 1205, 1213, 1290, 1836, 3098, 3100, 3101,
]);

let connectionsMade = 0;

/** What a connection acknowledges after it refused something belongs to another reign: it counts as a new one. */
export function renewed(open: Open): Open {
  return { ...open, id: ++connectionsMade };
}

/** Resolves with null when `ms` passed first. The loser's late failure is of no interest. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | null> {
  const timer = new AbortController();
  work.catch(() => undefined); // raced below; a late rejection after the limit has nobody to hear it
  try {
    return await Promise.race([work, sleep(Math.max(ms, 0), null, { signal: timer.signal })]);
  } finally {
    timer.abort();
  }
}

/** The statement's result; null when it did not come within `ms`. Throws what mysql2 reports. */
export function ask(
  { connection }: Pick<Open, "connection">,
  sql: string,
  values: readonly unknown[],
  ms: number,
): Promise<object | null> {
  const { promise, resolve, reject } = Promise.withResolvers<object>();
  connection.query(sql, [...values], (error, result) =>
    error === null ? resolve(result as object) : reject(error),
  );
  return within(ms, promise);
}

/** A connection whose server said who it is, all within the connect limit; null when it did not. */
export async function connect(config: WriterConfig, address: Address): Promise<Open | null> {
  const { user, password, database, connectLimitMs } = config;
  const ssl = config.tls ? { ssl: { rejectUnauthorized: false } } : {};
  const { host, port } = address;
  const login = { host, port, user, password, database };
  const connection = mysql.createConnection({ ...login, ...ssl, ...streamFrom(config, address) });
  connection.on("error", () => undefined); // each statement reports its own failure
  try {
    const rows = await ask({ connection }, "SELECT @@server_uuid AS node", [], connectLimitMs);
    const node = (rows as { node: string }[] | null)?.[0]?.node;
    if (node !== undefined) return { connection, node, id: ++connectionsMade };
  } catch {
    // Down, starting, or refusing logins: the next address is tried, which is what a client does.
  }
  connection.destroy();
  return null;
}

function streamFrom({ localAddress }: WriterConfig, { host, port }: Address) {
  if (localAddress === null) return {};
  return { stream: () => connectSocket({ host, port, localAddress, noDelay: true }) };
}

/** MySQL's own errors are numbered from 1000 on; a lost connection has a negative number or none. */
function failureOf(error: unknown): { readonly why: string; readonly refusal: boolean } {
  const { errno = 0, code = "error" } = error as { errno?: number; code?: string };
  return { why: errno >= 1000 ? String(errno) : code, refusal: REFUSALS.has(errno) };
}

const ROW = `INSERT INTO ${LEDGER_TABLE} (writer, seq, part, account, amount, payload, server, epoch)
 VALUES (?, ?, ?, ?, ?, ?, @@server_uuid,
  CAST(REGEXP_SUBSTR(REGEXP_SUBSTR(@@GLOBAL.gtid_executed, ?), '[0-9]+$') AS UNSIGNED))`;

function rowOf(config: WriterConfig, [writer, seq]: Id, leg: Leg): readonly unknown[] {
  const payload = payloadOf(config.run, writer, seq);
  // A pattern that matches nothing gives NULL: the epoch is not known.
  const markers = config.marker === null ? "^$" : `${config.marker}:[0-9:-]+`;
  return [writer, seq, leg.part, leg.account, leg.amount, payload, markers];
}

type Leg = { readonly part: 0 | 1 | 2; readonly account: number | null; readonly amount: number };

/** One row by one statement: the server commits it, or not. */
export const insertRow: Deed = async (config, open, id) => {
  const values = rowOf(config, id, { part: 0, account: null, amount: 0 });
  try {
    const result = await ask(open, ROW, values, config.hangLimitMs);
    if (result === null) return { outcome: "unknown", why: "hang", broken: true };
    return { outcome: "acked", why: null, broken: false };
  } catch (error) {
    const { why, refusal } = failureOf(error);
    return { outcome: refusal ? "refused" : "unknown", why, broken: !refusal };
  }
};

/**
 * Two booked legs and two balances in one transaction, with COMMIT as a statement of its own: whatever goes wrong before
 * COMMIT is sent cannot have been applied, and must never be seen.
 */
export const transfer: Deed = async (config, open, id) => {
  const until = monotonicNow() + config.hangLimitMs;
  const left = (): number => until - monotonicNow();
  // In the order of their accounts, so that two transfers never wait for each other.
  const legs = legsOf(...id).toSorted((a, b) => a.account - b.account);
  const moved = `UPDATE ${ACCOUNT_TABLE} SET balance = balance + ? WHERE id = ?`;
  const steps: [string, readonly unknown[]][] = [["START TRANSACTION", []]];
  for (const leg of legs)
    steps.push([ROW, rowOf(config, id, leg)], [moved, [leg.amount, leg.account]]);
  try {
    for (const [sql, values] of steps)
      if ((await ask(open, sql, values, left())) === null)
        return { outcome: "refused", why: "hang before COMMIT", broken: true };
  } catch (error) {
    // The transaction may still be open, and the connection with it: both go.
    return { outcome: "refused", why: failureOf(error).why, broken: true };
  }
  try {
    const done = await ask(open, "COMMIT", [], left());
    if (done === null) return { outcome: "unknown", why: "hang", broken: true };
    return { outcome: "acked", why: null, broken: false };
  } catch (error) {
    const { why, refusal } = failureOf(error);
    return { outcome: refusal ? "refused" : "unknown", why, broken: true };
  }
};
