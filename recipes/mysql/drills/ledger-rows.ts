// Reads what each node holds, in pages, and feeds it to the verdict: the drill's own event loop, which carries its
// proxies, is never held for longer than a page takes.
import { setImmediate as nextTurn } from "node:timers/promises";
import mysql from "mysql2/promise";
import { UnavailableError } from "../../../src/index.ts";
import {
  ACCOUNT_TABLE,
  LEDGER_DDL,
  LEDGER_TABLE,
  type Ledger,
  type WriterConfig,
} from "./ledger.ts";
import { openCase, type NodeRows, type Verdict } from "./verdict.ts";
import type { Reign } from "./verdict-acks.ts";
import { inTurns } from "./verdict-steps.ts";
import type { Balance, Digest, Row } from "./verdict-rows.ts";

export type Account = Pick<WriterConfig, "user" | "password" | "database" | "tls">;
export type Address = WriterConfig["addresses"][number];
export type NodeAddress = Address & { readonly name: string };

const PAGE = 2_000;
const CONNECT_LIMIT_MS = 10_000;
/** A page is a few milliseconds of work; a node that takes this long is not there. */
const PAGE_LIMIT_MS = 60_000;

/** Makes the ledger's tables on the primary. */
export async function createLedgerTable(primary: Address, account: Account): Promise<void> {
  await using connection = await open(primary, account);
  for (const statement of LEDGER_DDL) await connection.rows(statement);
}

/** The rows of the ledger's writers as this node holds them, all at once. */
export async function readRows(
  node: NodeAddress,
  account: Account,
  ledger: Pick<Ledger, "writers">,
): Promise<NodeRows> {
  await using connection = await open(node, account);
  const rows: Row[] = [];
  for await (const page of pagesOf(connection, ledger.writers)) rows.push(...page);
  return { node: node.name, rows, balances: await balancesOf(connection) };
}

/**
 * What the ledgers of earlier rounds on one cluster left in the table, by writer. Their writes stay promised for ever, and
 * the next fault may lose them as well as its own.
 */
export type Archive = Map<number, Digest>;

type Bench = {
  readonly account: Account;
  readonly reigns: readonly Reign[] | null;
  /** Checked, and then continued with this ledger's rows. */
  readonly archive?: Archive;
};

/** The verdict on what these nodes hold, page by page. */
export async function judge(
  ledger: Ledger,
  nodes: readonly NodeAddress[],
  { account, reigns, archive }: Bench,
): Promise<Verdict> {
  const one = openCase(ledger);
  let digests: Archive = new Map();
  for (const node of nodes) {
    one.node(node.name);
    await using connection = await open(node, account);
    for await (const page of pagesOf(connection, ledger.writers))
      for (const row of page) one.row(node.name, row);
    one.balances(node.name, await balancesOf(connection));
    if (archive === undefined) continue;
    digests = await digestsOf(connection);
    for (const [writer, before] of archive)
      one.older(node.name, before, digests.get(writer) ?? null);
  }
  // As they are now: what is wrong with them was said once.
  for (const [writer, digest] of digests) archive?.set(writer, digest);
  return await inTurns(one.close(reigns), () => nextTurn());
}

const DIGESTS = `SELECT writer, COUNT(*) AS \`rows\`,
 CAST(SUM(CRC32(CONCAT_WS(':', seq, part, account, amount, payload, server, epoch))) AS CHAR) AS sum
 FROM ${LEDGER_TABLE} GROUP BY writer`;

async function digestsOf(connection: OpenConnection): Promise<Archive> {
  const rows = (await connection.rows(DIGESTS)) as Digest[];
  return new Map(rows.map((row) => [row.writer, row]));
}

const ROWS = `SELECT pk, writer, seq, part, account, amount, payload, server, epoch FROM ${LEDGER_TABLE}`;

async function* pagesOf(
  connection: OpenConnection,
  writers: readonly number[],
): AsyncGenerator<readonly Row[]> {
  const which = `writer IN (${writers.join(", ")})`;
  for (let pk = 0; ;) {
    const sql = `${ROWS} WHERE pk > ${pk} AND ${which} ORDER BY pk LIMIT ${PAGE}`;
    const page = (await connection.rows(sql)) as (Row & { pk: number })[];
    yield page;
    if (page.length < PAGE) return;
    pk = page.at(-1)?.pk ?? pk;
  }
}

/** In one statement, and so of one moment: writers may go on. */
const BALANCES = `SELECT a.id AS account, a.balance, COALESCE(b.booked, 0) AS booked FROM ${ACCOUNT_TABLE} a
 LEFT JOIN (SELECT account, SUM(amount) AS booked FROM ${LEDGER_TABLE} WHERE account IS NOT NULL GROUP BY account) b
 ON b.account = a.id`;

type BalanceRow = { account: number; balance: number | string; booked: number | string };

async function balancesOf(connection: OpenConnection): Promise<readonly Balance[]> {
  const rows = (await connection.rows(BALANCES)) as BalanceRow[];
  return rows.map(({ account, balance, booked }) => ({
    account,
    balance: Number(balance),
    booked: Number(booked),
  }));
}

export type OpenConnection = AsyncDisposable & { rows(sql: string): Promise<unknown> };

export async function open({ host, port }: Address, account: Account): Promise<OpenConnection> {
  const { user, password, database, tls } = account;
  const login = { host, port, user, password, database, connectTimeout: CONNECT_LIMIT_MS };
  const ssl = tls ? { ssl: { rejectUnauthorized: false } } : {};
  try {
    const connection = await mysql.createConnection({ ...login, ...ssl });
    connection.on("error", () => undefined); // each statement reports its own failure
    return {
      rows: async (sql) => (await connection.query({ sql, timeout: PAGE_LIMIT_MS }))[0],
      [Symbol.asyncDispose]: async () => connection.destroy(),
    };
  } catch (cause) {
    const detail = { cause };
    throw new UnavailableError("AP_MYSQLD_TIMEOUT", `connect to ${host}:${port}`, detail);
  }
}
