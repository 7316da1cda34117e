// The ledger: what a client knows about every write that it sent. It is the only witness in a drill, so it is plain
// data: one JSON line per write, made by ledger-writer.ts (a process of its own), judged by verdict.ts.
// Times are ms on the machine's CLOCK_MONOTONIC, so that several processes' ledgers and the time of a fault compare.

/**
 * `acked`: the server said OK. `refused`: the server said no in a way that rules out that it was applied (read only).
 * `unknown`: everything else (connection lost, no answer in time): it may be there once, or not at all.
 */
export type Outcome = "acked" | "refused" | "unknown";

/** One INSERT of one id, sent once, to one node. */
export type Write = {
  readonly writer: number;
  /** Unique per writer; never sent twice. */
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

export type Ledger = {
  /** Random word of this run; part of each payload, so that rows of another run are told apart. */
  readonly run: string;
  /** Whose writes these are: of the table's rows, only theirs count. */
  readonly writers: readonly number[];
  readonly began: number;
  readonly ended: number;
  /** In the order in which their outcomes became known. */
  readonly writes: readonly Write[];
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
  /** Independent clients in this process, each with one statement outstanding. */
  readonly connections: number;
  readonly everyMs: number;
  readonly connectLimitMs: number;
  readonly hangLimitMs: number;
  readonly tls: boolean;
};

/** One line of the writer's stdout. `end` is the last one, and missing when the writer died. */
export type WriterLine =
  | { readonly line: "begin"; readonly at: number }
  | { readonly line: "write"; readonly write: Write }
  | { readonly line: "end"; readonly at: number };

export const LEDGER_TABLE = "autopilot_ledger";

/**
 * A write that was applied twice must show: the primary key is the server's own counter, and the id has an index that
 * is not unique. Run on the primary, by the harness, before the writer starts.
 */
export const LEDGER_DDL = `CREATE TABLE IF NOT EXISTS ${LEDGER_TABLE} (
  pk BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  writer INT UNSIGNED NOT NULL,
  seq INT UNSIGNED NOT NULL,
  payload VARCHAR(96) CHARACTER SET ascii NOT NULL,
  KEY id (writer, seq)
) ENGINE=InnoDB`;

/** What the row of a write holds besides its id: says which run it belongs to. */
export function payloadOf(run: string, writer: number, seq: number): string {
  return `${run}:${writer}:${seq}`;
}

/** Now, ms on CLOCK_MONOTONIC, the same in every process of this machine. */
export function monotonicNow(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
