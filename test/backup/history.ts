// What a server writes in its life, of every kind that its binary log knows: each step is one that a restore could stop at.
import type { Server } from "../mysqld/servers.ts";

const LIMIT_MS = 30_000;

export async function makeTables(server: Server): Promise<void> {
  await using sql = await server.admin();
  for (const statement of [
    "CREATE TABLE app.t (id INT PRIMARY KEY AUTO_INCREMENT, w INT NOT NULL, v VARCHAR(300)) ENGINE=InnoDB",
    "CREATE TABLE app.big (id INT PRIMARY KEY, v LONGBLOB) ENGINE=InnoDB",
    "CREATE EVENT app.tick ON SCHEDULE EVERY 1 SECOND DISABLE DO INSERT INTO app.t (w, v) VALUES (99, 'tick')",
  ])
    await sql.rows(statement, LIMIT_MS);
}

/** Small transactions from several connections at once. */
export async function writeSmall(server: Server, writers: number, each: number): Promise<void> {
  await Promise.all(
    Array.from({ length: writers }, async (_, w) => {
      await using sql = await server.app();
      for (let i = 0; i < each; i++)
        await sql.rows(`INSERT INTO app.t (w, v) VALUES (${w}, REPEAT('${i % 10}', 50))`, LIMIT_MS);
    }),
  );
}

/** Compressed, tagged, DDL, an account, XA in one and in two parts, a rollback to a savepoint. */
export async function writeSpecial(server: Server): Promise<void> {
  await using sql = await server.admin();
  const run = async (...statements: readonly string[]): Promise<void> => {
    for (const statement of statements) await sql.rows(statement, LIMIT_MS);
  };
  await run(
    "SET SESSION binlog_transaction_compression = ON",
    "BEGIN",
    "INSERT INTO app.t (w, v) VALUES (7, 'compressed'), (7, REPEAT('c', 200))",
    "UPDATE app.t SET v = CONCAT(v, '!') WHERE w = 7",
    "COMMIT",
    "SET SESSION binlog_transaction_compression = OFF",
    "SET SESSION gtid_next = 'AUTOMATIC:nightly_job'",
    "INSERT INTO app.t (w, v) VALUES (8, 'tagged')",
    "SET SESSION gtid_next = 'AUTOMATIC'",
    "ALTER TABLE app.t ADD COLUMN n INT NULL",
    "CREATE TABLE app.made SELECT * FROM app.t WHERE w < 3",
    "CREATE USER 'somebody'@'localhost' IDENTIFIED BY 'a word'",
    "XA START 'one'",
    "INSERT INTO app.t (w, v) VALUES (9, 'xa')",
    "XA END 'one'",
    "XA PREPARE 'one'",
    "XA COMMIT 'one'",
    "BEGIN",
    "INSERT INTO app.t (w, v) VALUES (10, 'kept')",
    "SAVEPOINT s",
    "INSERT INTO app.t (w, v) VALUES (10, 'not kept')",
    "ROLLBACK TO s",
    "COMMIT",
    "TRUNCATE TABLE app.made",
  );
}

/** One transaction of so many MB. */
export async function writeBig(server: Server, megabytes: number): Promise<void> {
  await using sql = await server.app();
  await sql.rows("BEGIN", LIMIT_MS);
  for (let id = 0; id < megabytes; id++)
    await sql.rows(
      `REPLACE INTO app.big VALUES (${id}, REPEAT(RANDOM_BYTES(1000), 1000))`,
      LIMIT_MS,
    );
  await sql.rows("COMMIT", LIMIT_MS);
}

export async function rotate(server: Server): Promise<void> {
  await using sql = await server.admin();
  await sql.rows("FLUSH BINARY LOGS", LIMIT_MS);
}
