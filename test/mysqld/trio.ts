// An open primary with two replicas, for the tests of the primary's verbs.
import { connect, type Sql } from "../../recipes/mysql/mysqld/connection.ts";
import type { Mysqld } from "../../recipes/mysql/mysqld/port.ts";
import { lab, promote, until, type Lab, type Server } from "./servers.ts";

export type Trio = AsyncDisposable & {
  readonly servers: Lab;
  readonly a: Server;
  readonly b: Server;
  readonly c: Server;
  /** On a; the others are on b (server_id 2) and c (3). */
  readonly primary: Mysqld;
  readonly second: Mysqld;
  readonly third: Mysqld;
  /** An open primary with two semi-sync replicas and k = 1. */
  rest(): Promise<void>;
  /** Makes a replica follow a, and waits until it receives. */
  follow(replica: Mysqld, serverId: number): Promise<void>;
  clientsAre(count: number): Promise<void>;
  executed(): Promise<string>;
  /** An application's write that waits for an acknowledgement; its outcome, as the client sees it. */
  waitingWrite(): Promise<{ readonly outcome: Promise<"OK" | Error>; readonly sql: Sql }>;
  /** A connection to a with a replication account. */
  replicaLogin(serverId: number): Promise<Sql>;
};

/** One more acknowledgement than there are replicas: every commit waits, until setAcks lowers it again. */
export const TOO_MANY = 3;

export async function trio(): Promise<Trio> {
  const servers = await lab();
  const [a, b, c] = [await servers.server(1), await servers.server(2), await servers.server(3)];
  const [primary, second, third] = [await a.mysqld(), await b.mysqld(), await c.mysqld()];
  const follow = async (replica: Mysqld, serverId: number): Promise<void> => {
    await replica.follow({ host: a.host, port: a.port }, { serverId }, true);
    await until("it receives", async () => (await replica.receiver()).io === "Yes");
  };
  const clientsAre = (count: number): Promise<void> =>
    until(`${count} semi-sync replicas`, async () => {
      return (await primary.observe()).semiSync.clients === count;
    });
  await promote(primary, { epoch: 1, acks: 0, replicas: [1, 2, 3] });
  await using admin = await a.admin();
  await admin.rows("CREATE TABLE app.t (id INT AUTO_INCREMENT PRIMARY KEY, n INT)", 5_000);
  await follow(second, 2);
  await follow(third, 3);
  return {
    servers,
    a,
    b,
    c,
    primary,
    second,
    third,
    follow,
    clientsAre,
    rest: async () => {
      await primary.setAccounts({ unlocked: [2, 3], locked: [], keep: [b.uuid, c.uuid] });
      await clientsAre(2);
      await primary.setAcks(1);
    },
    executed: async () => (await primary.observe()).executed,
    waitingWrite: () => waitingWrite(primary, a),
    replicaLogin: (serverId) => {
      const user = `autopilot_repl_${serverId}`;
      const login = { user, password: servers.secrets.replication, tls: true };
      return connect({ host: a.host, port: a.port, ...login }, 5_000);
    },
    [Symbol.asyncDispose]: () => servers[Symbol.asyncDispose](),
  };
}

async function waitingWrite(
  primary: Mysqld,
  a: Server,
): Promise<{ outcome: Promise<"OK" | Error>; sql: Sql }> {
  const sql = await a.app();
  const before = (await primary.observe()).semiSync.waitSessions;
  const outcome = sql.change("INSERT INTO app.t (n) VALUES (1)", 60_000).then(
    () => "OK" as const,
    (error: unknown) => error as Error,
  );
  await until("a commit waits", async () => {
    return (await primary.observe()).semiSync.waitSessions > before;
  });
  return { outcome, sql };
}

/** Whether a promise is unsettled now. */
export async function pending(work: Promise<unknown>): Promise<boolean> {
  const still = Symbol("pending");
  return (await Promise.race([work.catch(() => 0), Promise.resolve(still)])) === still;
}
