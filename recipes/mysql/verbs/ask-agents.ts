// A second opinion for `autopilot status`: a node that Consul hears nothing of may be alive and well and only be cut off
// from Consul, or refused by it. Its own agent's /status says so.
import { hostPort } from "../../../src/index.ts";
import type { Row, Seen } from "../view.ts";

const ANSWER_WITHIN_MS = 1_000;

export async function askSilent(seen: Seen): Promise<Seen> {
  const rows = await Promise.all(
    seen.rows.map(async (row) => (row.role === "unknown" && row.pid === 0 ? asked(row) : row)),
  );
  return { ...seen, rows };
}

async function asked(row: Row): Promise<Row> {
  try {
    const answer = await fetch(`http://${hostPort(row.host, row.agentPort)}/status`, {
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const { node, role, says, alerts } = (await answer.json()) as Record<string, unknown>;
    if (node !== row.node || typeof says !== "string") return row;
    const told = Array.isArray(alerts) ? alerts.filter((one) => typeof one === "string") : [];
    const heard = { says, alerts: told };
    return {
      ...row,
      says: `not heard through Consul; says itself (${String(role)}): ${says}`,
      heard,
    };
  } catch {
    return row; // It does not answer either: what Consul last heard is all there is.
  }
}
