// A second opinion for `autopilot status`: a node that Consul refuses cannot say so through Consul, and one that Consul hears
// nothing of may be alive and well. Each node's own agent is asked (/status); one that does not answer is what Consul says.
import { hostPort } from "../../../src/index.ts";
import type { Row, Seen } from "../view.ts";

const ANSWER_WITHIN_MS = 500;

export async function askAgents(seen: Seen): Promise<Seen> {
  const asked = seen.rows.map(async (row) => (row.role === "stopped" ? row : askAgent(row)));
  return { ...seen, rows: await Promise.all(asked) };
}

async function askAgent(row: Row): Promise<Row> {
  try {
    const answer = await fetch(`http://${hostPort(row.host, row.agentPort)}/status`, {
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const { node, role, says, alerts } = (await answer.json()) as Record<string, unknown>;
    if (node !== row.node || typeof says !== "string") return row;
    const told = Array.isArray(alerts) ? alerts.filter((one) => typeof one === "string") : [];
    const heard = { ...row, heard: told };
    if (row.role !== "unknown" || row.pid !== 0) return heard;
    return { ...heard, says: `not heard through Consul; says itself (${String(role)}): ${says}` };
  } catch {
    return row; // Nobody there, or not for us: what Consul last heard is all there is.
  }
}
