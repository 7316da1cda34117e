// Answers of the agent's HTTP port, from the last tick (Patroni's convention: the status code is the answer).
// Never asks mysqld: a load balancer's check must not depend on a server that hangs.
import type { RecipeAnswer } from "../../src/index.ts";
import { alertsOf } from "./core/alerts.ts";
import type { BackupFacts } from "./core/backup/summary.ts";
import type { Observation } from "./core/observation.ts";
import { epochOf, roleOf } from "./core/report.ts";
import { metrics } from "./metrics.ts";

/** A loop that has not turned for this long may have been paused: what it saw last is nobody's truth any more. */
const STALE_MS = 5_000;
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * /primary: open for writes. /replica[?lag=10s]: a replica, at most so far behind. /health: either of them. /readiness:
 * either, and a replica only while it receives and applies. /status: always 200, with what is known. /metrics: likewise, as
 * Prometheus reads it.
 */
export function endpoint(
  o: Observation | null,
  asked: {
    readonly now: number;
    readonly says: string;
    /** Null: none are configured, or nothing is known of them yet. */
    readonly backups: () => BackupFacts | null;
  },
  path: string,
  query: URLSearchParams,
): RecipeAnswer | null {
  const isOld = o === null || asked.now - o.now > STALE_MS;
  if (path === "/metrics") return [200, metrics(isOld ? null : o, asked.backups()), METRICS_TYPE];
  const known = ["/status", "/primary", "/replica", "/health", "/readiness"];
  if (!known.includes(path)) return null;
  const { says } = asked;
  if (isOld) return [503, { role: "unknown", says }];
  const role = roleOf(o);
  const lagSeconds = o.server?.source?.lagSeconds ?? null;
  const body = { node: o.me.node, role, epoch: epochOf(o), lagSeconds, says };
  const yes = (ok: boolean) => [ok ? 200 : 503, body] as const;
  if (path === "/primary") return yes(role === "primary");
  if (path === "/replica") return yes(role === "replica" && within(lagSeconds, query.get("lag")));
  if (path === "/health") return yes(role === "primary" || role === "replica");
  if (path === "/readiness") return yes(role === "primary" || (role === "replica" && flows(o)));
  const { voters = [], acks = 0 } = o.consul.state?.value ?? {};
  return [200, { ...body, voters, acks, alerts: alertsOf(o) }];
}

function flows({ server }: Observation): boolean {
  return server?.source?.io === "Yes" && server.source.sql === "Yes";
}

/** `lag` in seconds, "10s" or "10"; without it any replica will do. */
function within(lag: number | null, limit: string | null): boolean {
  if (limit === null) return true;
  const seconds = Number(limit.replace(/s$/, ""));
  return lag !== null && Number.isFinite(seconds) && lag <= seconds;
}
