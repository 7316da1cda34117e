// A promotion's steps on the winner (PROTOCOL §4 steps 6–10). The order is the proof: armed before the first write can
// happen, the marker before anybody else may write. Each step checks what it stands on.
import { UnavailableError, invariant } from "../../../src/index.ts";
import { quote, type Row, type Sql } from "./connection.ts";
import type { Lines } from "./lines.ts";
import { forget, setServing } from "./replication.ts";
import { arm, setReplicaFlag } from "./semisync.ts";

const LIMIT_MS = 5_000;
// STOP REPLICA waits for the applier's current transaction; everything received is applied by now.
const STOP_MS = 10_000;

/** Steps 6–7. On a closed server only. */
export function takeOver(lines: Lines, acks: number): Promise<void> {
  return lines.admin.use(STOP_MS, async (sql) => {
    // offline_mode would refuse the replication accounts (S23).
    await setServing(sql);
    await forget(sql);
    await setReplicaFlag(sql, false);
    await arm(sql, acks);
  });
}

/** Step 9, first half: applications still get error 1290. */
export function liftSuperReadOnly(lines: Lines): Promise<void> {
  return lines.admin.use(LIMIT_MS, async (sql) => {
    await sql.rows("SET GLOBAL super_read_only = OFF", LIMIT_MS);
    const [row] = await sql.rows("SELECT @@GLOBAL.read_only AS read_only", LIMIT_MS);
    invariant(row?.["read_only"] === 1, "AP_BUG_INVARIANT", "read_only is OFF before the marker");
  });
}

/** Step 10: whoever calls this has read that the epoch is still its own, after its marker was acknowledged. */
export function open(lines: Lines): Promise<void> {
  return lines.admin.use(LIMIT_MS, async (sql) => {
    await enableEvents(sql);
    await sql.rows("SET GLOBAL read_only = OFF", LIMIT_MS);
    const [row] = await sql.rows(
      "SELECT @@GLOBAL.read_only + @@GLOBAL.super_read_only AS closed",
      LIMIT_MS,
    );
    if (row?.["closed"] === 0) return;
    throw new UnavailableError("AP_VERB_FAILED", "read_only is still ON");
  });
}

/**
 * S26: a replica disables the events that it receives. Bad news: it gives also those that a person had DISABLEd the same
 * status [measured, 9.7.4], so after a failover they run. Nothing on a replica tells them apart; drop such an event.
 */
async function enableEvents(sql: Sql): Promise<void> {
  const events = await sql.rows(
    `SELECT event_schema AS db, event_name AS name, definer AS definer FROM information_schema.events
     WHERE status IN ('SLAVESIDE_DISABLED', 'REPLICA_SIDE_DISABLED')`,
    LIMIT_MS,
  );
  for (const event of events) await sql.rows(enableEvent(event), LIMIT_MS);
}

/** Without its DEFINER the event would become ours, and run with our privileges. */
function enableEvent(event: Row): string {
  const definer = String(event["definer"]);
  const at = definer.lastIndexOf("@");
  const user = `${quote(definer.slice(0, at))}@${quote(definer.slice(at + 1))}`;
  return `ALTER DEFINER = ${user} EVENT ${name(event["db"])}.${name(event["name"])} ENABLE`;
}

function name(value: unknown): string {
  return `\`${String(value).replaceAll("`", "``")}\``;
}
