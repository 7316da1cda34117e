// One connection to a mysqld, with a limit on every statement: what does not answer in time is destroyed, never waited
// for. Errors carry MySQL's message and number, and never the statement: it may hold a password.
// A destroyed connection does not undo its statement: mysqld may still execute it. Observe, do not assume.
import { createConnection, type Connection, type ConnectionOptions } from "mysql2";
import { UnavailableError } from "../../../src/index.ts";

/** One row, by column name; values as mysql2 makes them: numbers, strings, Buffers (BLOB), null. */
export type Row = Readonly<Record<string, unknown>>;

export type Target = (
  | { readonly host: string; readonly port: number }
  | { readonly socket: string }
) & {
  readonly user: string;
  readonly password: string;
  /** Encrypted, but the server's self-made certificate is not verified. */
  readonly tls?: boolean;
  /** Several statements in one round trip, for `script`. */
  readonly scripts?: boolean;
};

export interface Sql extends AsyncDisposable {
  /** Rows of one statement; [] for one that returns none. */
  rows(statement: string, limitMs: number): Promise<readonly Row[]>;
  /** One list of rows per statement, in one round trip. Needs `scripts`. The first error ends it. */
  script(statements: readonly string[], limitMs: number): Promise<readonly (readonly Row[])[]>;
  /** How many rows the statement changed. */
  change(statement: string, limitMs: number): Promise<number>;
  /** For a statement that holds a password: an error says MySQL's number alone, since MySQL quotes statements in some. */
  secretly(statement: string, limitMs: number): Promise<void>;
  /** mysqld's thread id: CONNECTION_ID(). */
  readonly id: number;
  readonly closed: boolean;
  /** Cuts the connection now; what is outstanding on it is rejected. */
  destroy(): void;
}

/** MySQL's own error, without the statement that mysql2 attaches. `errno` 0: not MySQL's, but the connection's. */
export class SqlError extends Error {
  readonly errno: number;
  readonly code: string;
  constructor(message: string, code: string, errno: number) {
    super(message);
    this.name = "SqlError";
    this.code = code;
    this.errno = errno;
  }
}

// A user's global defaults must not change what our statements mean, nor end our idle connections. A write of ours that
// waits for a row of an earlier one that we gave up must not pile up in mysqld.
// MariaDB, where only a backup engine ever is, skips what is for MySQL from 8.0 on and reads its own comment instead.
const SESSION =
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES', autocommit = 1, wait_timeout = 31536000, " +
  "lock_wait_timeout = 60, innodb_lock_wait_timeout = 3 " +
  "/*!80000 , transaction_read_only = OFF, max_execution_time = 0 */ /*M! , max_statement_time = 0 */";

/** Connects, authenticates and sets the session up, all within the limit. Errors: AP_MYSQLD_TIMEOUT, AP_MYSQLD_EXITED. */
export async function connect(target: Target, limitMs: number): Promise<Sql> {
  const startedAt = performance.now();
  const sql = openSql(createConnection(optionsOf(target)));
  try {
    await sql.connected(limitMs);
    await sql.rows(SESSION, Math.max(1, limitMs - (performance.now() - startedAt)));
    return sql;
  } catch (error) {
    sql.destroy();
    throw error;
  }
}

function optionsOf(target: Target): ConnectionOptions {
  return {
    ...("socket" in target
      ? { socketPath: target.socket }
      : { host: target.host, port: target.port }),
    user: target.user,
    password: target.password,
    ...(target.tls === true ? { ssl: { rejectUnauthorized: false } } : {}),
    multipleStatements: target.scripts === true,
    // The limit is ours (bounded): one clock for connecting, authenticating and asking.
    connectTimeout: 0,
    // Dates are only ever printed by MySQL itself.
    dateStrings: true,
  };
}

type Done = (error: Error | null, result?: unknown) => void;

/** A connection on which every question has a limit, and on whose end every outstanding question is answered. */
type Bounded = {
  readonly ask: (limitMs: number, what: string, start: (done: Done) => void) => Promise<unknown>;
  readonly end: (error: UnavailableError) => void;
  readonly isClosed: () => boolean;
};

function bounded(connection: Connection): Bounded {
  let closed = false;
  // mysql2 forgets what is outstanding on a connection that we end ourselves, so we keep it.
  const waiting = new Set<(error: UnavailableError) => void>();
  const end = (error: UnavailableError): void => {
    closed = true;
    connection.destroy();
    // destroy() only half-closes: a stopped mysqld would keep the socket for ever.
    (connection as unknown as { stream: { destroy(): void } }).stream.destroy();
    for (const fail of waiting) fail(error);
    waiting.clear();
  };
  // Without these listeners a lost connection would be an uncaught exception.
  connection.on("error", (error) => end(plainError(error)));
  connection.on("end", () => end(lost("the connection was closed")));
  return {
    ask: (limitMs, what, start) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(lost("the connection is closed"));
        const fail = (error: UnavailableError): void => {
          clearTimeout(timer);
          reject(error);
        };
        const timer = setTimeout(() => {
          const why = `mysqld: no answer to a ${what} within ${Math.round(limitMs)} ms`;
          end(new UnavailableError("AP_MYSQLD_TIMEOUT", why));
        }, limitMs);
        waiting.add(fail);
        start((error, result) => {
          waiting.delete(fail);
          clearTimeout(timer);
          if (error instanceof Error) reject(plainError(error));
          else resolve(result);
        });
      }),
    end,
    isClosed: () => closed,
  };
}

function openSql(connection: Connection): Sql & { connected(limitMs: number): Promise<void> } {
  const { ask, end, isClosed } = bounded(connection);
  const query = (statement: string, limitMs: number): Promise<unknown> =>
    ask(limitMs, "statement", (done) => connection.query(statement, done));
  const destroy = (): void => end(lost("the connection was given up"));
  return {
    connected: async (limitMs) => {
      await ask(limitMs, "login", (done) => connection.connect(done));
    },
    rows: async (statement, limitMs) => rowsOf(await query(statement, limitMs)),
    script: async (statements, limitMs) => {
      const results = await query(statements.join(";"), limitMs);
      if (statements.length === 1) return [rowsOf(results)];
      return (results as readonly unknown[]).map((result) => rowsOf(result));
    },
    change: async (statement, limitMs) => {
      const { affectedRows } = (await query(statement, limitMs)) as { affectedRows?: number };
      return affectedRows ?? 0;
    },
    secretly: async (statement, limitMs) => {
      try {
        await query(statement, limitMs);
      } catch (error) {
        throw withoutMessage(error);
      }
    },
    get id() {
      return connection.threadId ?? 0;
    },
    get closed() {
      return isClosed();
    },
    destroy,
    [Symbol.asyncDispose]: () => Promise.resolve(destroy()),
  };
}

function rowsOf(result: unknown): readonly Row[] {
  return Array.isArray(result) ? (result as readonly Row[]) : [];
}

/** AP_MYSQLD_EXITED when the connection is gone, AP_VERB_FAILED when mysqld refused the statement. */
function plainError(error: Error): UnavailableError {
  const { code = "", errno = 0 } = error as { code?: string; errno?: number };
  const refused = (error as { sqlState?: string }).sqlState !== undefined && errno > 0;
  const cause = new SqlError(error.message || code, code, refused ? errno : 0);
  if (!refused || GONE.has(errno)) return lost("connection lost", cause);
  return new UnavailableError("AP_VERB_FAILED", `mysqld refused (${errno})`, { cause });
}

function withoutMessage(error: unknown): unknown {
  if (!(error instanceof UnavailableError) || !(error.cause instanceof SqlError)) return error;
  const { code, errno } = error.cause;
  return new UnavailableError(error.code, error.message, {
    cause: new SqlError(code, code, errno),
  });
}

// ER_SERVER_SHUTDOWN, ER_NET_*: the server says itself that this connection is over.
const GONE: ReadonlySet<number> = new Set([1053, 1158, 1159, 1160, 1161]);

function lost(why: string, cause?: SqlError): UnavailableError {
  return new UnavailableError("AP_MYSQLD_EXITED", `mysqld: ${why}`, { cause });
}

/** MySQL's error number behind an error of ours; 0: none. */
export function sqlErrno(error: unknown): number {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof SqlError) return at.errno;
  }
  return 0;
}

/** A string literal for our sessions' sql_mode, in which \ escapes. */
export function quote(value: string): string {
  return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}
