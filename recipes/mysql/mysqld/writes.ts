// The agent's own writes: the marker of an epoch, the heartbeat, and the probe that tells a hang from a wait.
// A write that we gave up may still be committed later: "not known" is neither yes nor no.
import type { Lines } from "./lines.ts";

const LOGIN_MS = 2_000;
/** PROTOCOL §3: own connection, 3 s. */
const HEARTBEAT_MS = 3_000;
/** §3 tier 1. */
const PROBE_MS = 500;

/**
 * PROTOCOL §4 step 9. Returns after k acknowledgements. MySQL skips a GTID that it has executed and says OK at once:
 * then a heartbeat, which has a GTID of its own, waits for the acknowledgements of everything before it.
 */
export async function mark(
  lines: Lines,
  marker: { readonly uuid: string; readonly epoch: number },
  limitMs: number,
): Promise<void> {
  const over = performance.now() + limitMs;
  const left = (): number => Math.max(1, over - performance.now());
  await using sql = await lines.fresh(Math.min(LOGIN_MS, left()));
  await sql.rows(`SET SESSION gtid_next = '${marker.uuid}:${marker.epoch}'`, left());
  const inserted = await sql.change(
    `INSERT INTO autopilot.epoch (epoch, node, uuid, at) VALUES
     (${marker.epoch}, CONCAT(@@report_host, ':', @@report_port), @@server_uuid, UTC_TIMESTAMP(6))`,
    left(),
  );
  await sql.rows("SET SESSION gtid_next = 'AUTOMATIC'", left());
  if (inserted === 0) await sql.change(beat(marker.epoch), left());
}

export function heartbeat(lines: Lines, epoch: number): Promise<void> {
  return lines.heartbeat.use(HEARTBEAT_MS, async (sql) => {
    await sql.change(beat(epoch), HEARTBEAT_MS);
  });
}

/**
 * Rows that heartbeats take in turn. One that waits for its acknowledgement keeps its row locked: with a single row the
 * next would never reach the binlog, and an acknowledgement that was lost would never be asked for again (S10).
 */
const ROWS = 16;
let beats = 0;

function beat(epoch: number): string {
  const id = 1 + (beats++ % ROWS);
  return `INSERT INTO autopilot.heartbeat (id, epoch, n, at) VALUES (${id}, ${epoch}, 1, UTC_TIMESTAMP(6)) AS new
   ON DUPLICATE KEY UPDATE epoch = new.epoch, n = heartbeat.n + 1, at = new.at`;
}

/** A new login, and where asked a write that nobody must acknowledge: sql_log_bin=0, in a table of its own. */
export async function probe(lines: Lines, write: boolean): Promise<void> {
  const over = performance.now() + PROBE_MS;
  const left = (): number => Math.max(1, over - performance.now());
  await using sql = await lines.fresh(left());
  if (!write) return;
  await sql.rows("SET SESSION sql_log_bin = OFF", left());
  await sql.change("UPDATE autopilot.probe SET n = n + 1 WHERE id = 1", left());
}
