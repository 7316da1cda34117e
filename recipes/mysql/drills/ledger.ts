// The ledger: what clients know about every write that they sent, and what a reader saw. It is the only witness in a
// drill, so it is plain data: one JSON line per fact, made by ledger-writer.ts (a process of its own), judged by
// verdict.ts. Times are ms on the machine's CLOCK_MONOTONIC, so that several processes' facts compare.

/**
 * `acked`: the server said OK. `refused`: it cannot have been applied (the server said no, or COMMIT was never sent).
 * `unknown`: everything else (connection lost, no answer in time): it may be there once, or not at all.
 */
export type Outcome = "acked" | "refused" | "unknown";

/** One row, or one transfer, of one id, sent once, to one node. */
export type Write = {
  readonly writer: number;
  /** Unique per writer, 1, 2, 3 …; never sent twice. */
  readonly seq: number;
  readonly sent: number;
  /** When the outcome was known. */
  readonly ended: number;
  readonly outcome: Outcome;
  /** server_uuid of the node that it was sent to. */
  readonly node: string;
  readonly port: number;
  /** Number of the client's connection, a new one after each refusal: so one never spans two reigns. */
  readonly connection: number;
  /** Why it was not acknowledged: MySQL's error number, or Node's code, or "hang"; null for acked ones. */
  readonly why: string | null;
};

/** A write of which no acknowledgement was known when the reader saw it on an open primary: it must stay all the same. */
export type Seen = {
  readonly writer: number;
  readonly seq: number;
  /** server_uuid of the node that showed it. */
  readonly node: string;
  readonly at: number;
};

/** The balances of all accounts, read in one statement on an open primary, did not sum up to nothing. */
export type WrongSum = { readonly node: string; readonly at: number; readonly total: number };

/** The client process itself did not run: a gap around it says nothing of the cluster. */
export type Stall = { readonly at: number; readonly ms: number };

export type Ledger = {
  /** Random word of this run; part of each payload, so that rows of another run are told apart. */
  readonly run: string;
  /** Whose writes these are: of the table's rows, only theirs count. */
  readonly writers: readonly number[];
  /** Those of them that write transfers, not single rows. */
  readonly transfers: readonly number[];
  readonly began: number;
  readonly ended: number;
  /** In the order in which their outcomes became known. */
  readonly writes: Iterable<Write>;
  readonly seen: readonly Seen[];
  readonly wrongSums: readonly WrongSum[];
  readonly stalls: readonly Stall[];
};

/** What the writer process reads as the first line of its stdin. Passwords never enter argv. */
export type WriterConfig = {
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly run: string;
  /** Id of the first connection's writer, the others count on; no two runs on one table may share one. */
  readonly writer: number;
  /** Independent clients in this process that write single rows, each with one statement outstanding. */
  readonly connections: number;
  readonly everyMs: number;
  /** Clients beside them that move money, a transaction of several statements each. */
  readonly transferrers: number;
  readonly transferEveryMs: number;
  /** The reader looks at the primary this often; 0: there is none. */
  readonly readEveryMs: number;
  readonly connectLimitMs: number;
  readonly hangLimitMs: number;
  readonly tls: boolean;
  /** Loopback address that the clients connect from: a drill's network knows them by it; null: any. */
  readonly localAddress: string | null;
  /** Source uuid of the epoch markers (PROTOCOL §1), so that each row says in which epoch it was written; null: unknown. */
  readonly marker: string | null;
  /** All lines are appended here as well, for whoever has to explain a verdict; null: nowhere. */
  readonly file: string | null;
};

/** One line of the writer's stdout. `end` is the last one, and missing when the writer died. */
export type WriterLine =
  | { readonly line: "begin"; readonly at: number }
  | { readonly line: "write"; readonly write: Write }
  | { readonly line: "seen"; readonly seen: Seen }
  | { readonly line: "sum"; readonly sum: WrongSum }
  | { readonly line: "stall"; readonly stall: Stall }
  | { readonly line: "end"; readonly at: number };

export const LEDGER_TABLE = "autopilot_ledger";
export const ACCOUNT_TABLE = "autopilot_account";

/** Enough that a transfer which hangs with its locks seldom stands in another one's way. */
export const ACCOUNTS = 256;

/**
 * A write that was applied twice must show: the primary key is the server's own counter, and the id has an index that
 * is not unique. `part` is 0 for a single row, 1 and 2 for the two legs of a transfer. `server` and `epoch` are filled
 * in by the server that executes the statement, so a row itself says who wrote it and in which reign.
 * Run on the primary, by the harness, before the writer starts.
 */
export const LEDGER_DDL: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS ${LEDGER_TABLE} (
  pk BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  writer INT UNSIGNED NOT NULL,
  seq INT UNSIGNED NOT NULL,
  part TINYINT UNSIGNED NOT NULL,
  account SMALLINT UNSIGNED NULL,
  amount INT NOT NULL,
  payload VARCHAR(96) CHARACTER SET ascii NOT NULL,
  server CHAR(36) CHARACTER SET ascii NOT NULL,
  epoch BIGINT UNSIGNED NULL,
  KEY id (writer, seq, part),
  KEY booked (account, amount)
) ENGINE=InnoDB`,
  `CREATE TABLE IF NOT EXISTS ${ACCOUNT_TABLE} (
  id SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
  balance BIGINT NOT NULL
) ENGINE=InnoDB`,
  `INSERT IGNORE INTO ${ACCOUNT_TABLE} (id, balance) VALUES ${Array.from(
    { length: ACCOUNTS },
    (_, id) => `(${id}, 0)`,
  ).join(", ")}`,
];

/** What the row of a write holds besides its id: says which run it belongs to. */
export function payloadOf(run: string, writer: number, seq: number): string {
  return `${run}:${writer}:${seq}`;
}

/** One side of a transfer. */
export type Leg = { readonly part: 1 | 2; readonly account: number; readonly amount: number };

/** What a transfer moves is computed from its id, so the checker knows it without being told. The sum is always 0. */
export function legsOf(writer: number, seq: number): readonly [Leg, Leg] {
  const mixed = Math.imul(writer ^ Math.imul(seq, 0x9e3779b1), 0x85ebca6b) >>> 0;
  const from = mixed % ACCOUNTS;
  const to = (from + 1 + ((mixed >>> 8) % (ACCOUNTS - 1))) % ACCOUNTS;
  const amount = 1 + ((mixed >>> 16) % 100);
  return [
    { part: 1, account: from, amount: -amount },
    { part: 2, account: to, amount },
  ];
}

/** Now, ms on CLOCK_MONOTONIC, the same in every process of this machine. */
export function monotonicNow(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
