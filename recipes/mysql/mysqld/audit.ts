// What applications have made in a server that weakens the promises of PROTOCOL.md (§2, S26–S28): looked for on a
// primary every ten minutes, on a connection of its own. Reads only; a person decides.
import type { Audit, Names } from "../core/observation.ts";
import type { Lines } from "./lines.ts";

const LIMIT_MS = 5_000;
/** Names that one finding lists; whether there are more is said. */
const LISTED = 5;

const OURS = String.raw`user NOT LIKE 'autopilot%' AND user NOT LIKE 'mysql.%'`;

/** Privileges that pass super_read_only, survive a fence's cut, or write past the binary log. root@localhost is a person's. */
const PRIVILEGED = `SELECT CONCAT(u.user, '@', u.host) AS name FROM mysql.user u WHERE account_locked = 'N' AND ${OURS}
 AND NOT (u.user = 'root' AND u.host = 'localhost') AND (Super_priv = 'Y' OR EXISTS (SELECT 1 FROM mysql.global_grants g
 WHERE g.user = u.user AND g.host = u.host AND g.priv IN ('CONNECTION_ADMIN', 'SYSTEM_VARIABLES_ADMIN',
 'SESSION_VARIABLES_ADMIN', 'REPLICATION_SLAVE_ADMIN', 'BINLOG_ADMIN', 'SET_USER_ID', 'SET_ANY_DEFINER')))
 ORDER BY 1 LIMIT ${LISTED + 1}`;

const TABLES = `FROM information_schema.tables t WHERE t.table_type = 'BASE TABLE'
 AND t.table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema', 'autopilot')`;

const NOT_TRANSACTIONAL = `SELECT CONCAT(t.table_schema, '.', t.table_name) AS name ${TABLES} AND t.engine <> 'InnoDB'
 ORDER BY 1 LIMIT ${LISTED + 1}`;

const WITHOUT_KEY = `SELECT CONCAT(t.table_schema, '.', t.table_name) AS name ${TABLES} AND t.engine = 'InnoDB'
 AND NOT EXISTS (SELECT 1 FROM information_schema.table_constraints c WHERE c.table_schema = t.table_schema
 AND c.table_name = t.table_name AND c.constraint_type IN ('PRIMARY KEY', 'UNIQUE')) ORDER BY 1 LIMIT ${LISTED + 1}`;

/** Errors: AP_MYSQLD_TIMEOUT, AP_MYSQLD_EXITED. */
export async function audit(lines: Lines): Promise<Audit> {
  await using sql = await lines.fresh(LIMIT_MS);
  const names = async (statement: string): Promise<Names> => {
    const found = (await sql.rows(statement, LIMIT_MS)).map((row) => String(row["name"]));
    return { first: found.slice(0, LISTED), more: found.length > LISTED };
  };
  return {
    privileged: await names(PRIVILEGED),
    notTransactional: await names(NOT_TRANSACTIONAL),
    withoutKey: await names(WITHOUT_KEY),
    preparedXa: (await sql.rows("XA RECOVER", LIMIT_MS)).length,
  };
}
