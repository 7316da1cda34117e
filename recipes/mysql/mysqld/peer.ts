// Reads another node's GTID sets from its mysqld, for FOLLOW's comparison (PROTOCOL §5): what its record in Consul says
// is up to two seconds old. Over TLS, as an account that may do nothing else.
import { UnavailableError } from "../../../src/index.ts";
import { connect, quote, type Sql } from "./connection.ts";
import type { SourceAddress } from "./port.ts";
import type { Secrets } from "./secrets.ts";
import { gtids } from "./status.ts";

const LIMIT_MS = 1_000;

export type PeerSets = {
  readonly uuid: string;
  readonly executed: string;
  readonly purged: string;
};

/** Errors: AP_MYSQLD_TIMEOUT after 1 s in all, AP_MYSQLD_EXITED when nobody answers. */
export async function readPeerSets(address: SourceAddress, secrets: Secrets): Promise<PeerSets> {
  return await asPeer(address, secrets, LIMIT_MS, setsOf);
}

/** Waits until that node has applied all of `executed`. Errors: AP_MYSQLD_TIMEOUT when it has not within the limit. */
export async function awaitPeerSet(
  address: SourceAddress,
  secrets: Secrets,
  wanted: { readonly executed: string; readonly limitMs: number },
): Promise<void> {
  const seconds = wanted.limitMs / 1_000;
  await asPeer(address, secrets, wanted.limitMs, async (sql, leftMs) => {
    const [row] = await sql.rows(
      `SELECT WAIT_FOR_EXECUTED_GTID_SET(${quote(wanted.executed)}, ${seconds}) AS late`,
      leftMs,
    );
    if (row?.["late"] === 0) return;
    const where = `${address.host}:${address.port}`;
    throw new UnavailableError("AP_MYSQLD_TIMEOUT", `${where} did not catch up in ${seconds} s`);
  });
}

async function asPeer<T>(
  address: SourceAddress,
  secrets: Secrets,
  limitMs: number,
  ask: (sql: Sql, leftMs: number) => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const login = { user: "autopilot_peer", password: secrets.peer, tls: true };
  await using sql = await connect({ ...address, ...login }, limitMs);
  return await ask(sql, Math.max(1, limitMs - (performance.now() - startedAt)));
}

async function setsOf(sql: Sql, leftMs: number): Promise<PeerSets> {
  const [row] = await sql.rows(
    "SELECT @@GLOBAL.server_uuid AS uuid, @@GLOBAL.gtid_executed AS executed, @@GLOBAL.gtid_purged AS purged",
    leftMs,
  );
  return {
    uuid: String(row?.["uuid"]),
    executed: gtids(row?.["executed"]),
    purged: gtids(row?.["purged"]),
  };
}
