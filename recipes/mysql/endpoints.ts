// Answers of the agent's HTTP port, from the last tick (Patroni's convention: the status code is the answer).
// Never asks mysqld: a load balancer's check must not depend on a server that hangs.
import type { Observation } from "./core/observation.ts";
import { epochOf, roleOf } from "./core/report.ts";

export function endpoint(
  o: Observation | null,
  says: string,
  path: string,
  query: URLSearchParams,
): readonly [number, unknown] | null {
  const known = ["/status", "/primary", "/replica", "/health", "/readiness"];
  if (!known.includes(path)) return null;
  if (o === null) return [503, { role: "unknown", says }];
  const role = roleOf(o);
  const lagSeconds = o.server?.source?.lagSeconds ?? null;
  const body = { node: o.me.node, role, epoch: epochOf(o), lagSeconds, says };
  const yes = (ok: boolean) => [ok ? 200 : 503, body] as const;
  if (path === "/primary") return yes(role === "primary");
  if (path === "/replica") return yes(role === "replica" && within(lagSeconds, query.get("lag")));
  if (path === "/health" || path === "/readiness")
    return yes(role === "primary" || role === "replica");
  return [
    200,
    { ...body, voters: o.consul.state?.value.voters ?? [], acks: o.consul.state?.value.acks ?? 0 },
  ];
}

/** `lag` in seconds, "10s" or "10"; without it any replica will do. */
function within(lag: number | null, limit: string | null): boolean {
  if (limit === null) return true;
  const seconds = Number(limit.replace(/s$/, ""));
  return lag !== null && Number.isFinite(seconds) && lag <= seconds;
}
