// Our connections to one mysqld. Three stand open at all times, because in some faults nobody can log in any more (S22):
// one for verbs, one for looking, so that a slow look never holds up a fence, and one for the heartbeat.
// A line that timed out is opened anew at once, in the background: the next user finds it, or tries again.
import type { Sql } from "./connection.ts";

export interface Line extends AsyncDisposable {
  /** The limit holds for opening the connection, where it must be, and is handed on for the work. */
  use<T>(limitMs: number, work: (sql: Sql) => Promise<T>): Promise<T>;
}

export type Lines = {
  readonly admin: Line;
  readonly look: Line;
  readonly heartbeat: Line;
  /** A new connection, for what may wait long or changes its session. Dispose of it. */
  fresh(limitMs: number): Promise<Sql>;
  /** mysqld's ids of all connections of ours that may be open. */
  ours(): ReadonlySet<number>;
  /** The cluster's replication password. */
  readonly replicationPassword: string;
};

/** Nothing is opened before the first use. */
export function standingLine(open: (limitMs: number) => Promise<Sql>): Line {
  let current: Promise<Sql> | null = null;
  let over = false;

  function reopen(limitMs: number): Promise<Sql> {
    const opening = open(limitMs).then(async (sql) => {
      if (over) await sql[Symbol.asyncDispose]();
      return sql;
    });
    current = opening;
    opening.catch(() => {
      if (current === opening) current = null; // its user hears of it; the next one opens anew
    });
    return opening;
  }

  /** Forgets a line that was lost, unless somebody has opened the next one already. */
  function lost(line: Promise<Sql>): void {
    if (current === line) current = null;
  }

  return {
    async use(limitMs, work) {
      let line = current ?? reopen(limitMs);
      let sql = await line;
      if (sql.closed) {
        lost(line);
        line = current ?? reopen(limitMs);
        sql = await line;
      }
      try {
        return await work(sql);
      } finally {
        if (sql.closed) {
          lost(line);
          // In the background and at once (S22); a failure is heard by the next user, who tries again.
          if (current === null && !over) reopen(limitMs).catch(() => undefined);
        }
      }
    },
    async [Symbol.asyncDispose]() {
      over = true;
      const sql = await current?.catch(() => null);
      sql?.destroy();
    },
  };
}
