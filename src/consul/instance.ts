// An instance of a service as Consul prints it, and as we know it.
import type { Instance } from "../ports.ts";

/** The part of /v1/health/service that we read. */
type HealthEntry = {
  readonly Node: { readonly Node: string; readonly Address: string };
  readonly Service: {
    readonly ID: string;
    readonly Service: string;
    readonly Address: string;
    readonly Port: number;
    readonly Tags: readonly string[] | null;
    readonly Meta: Readonly<Record<string, string>> | null;
  };
  readonly Checks: readonly { readonly Status: string }[];
};

/** The instances of an answer of /v1/health/service, by node and id: Consul's own order changes from call to call. */
export function instancesOf(answer: unknown): readonly Instance[] {
  return ((answer ?? []) as readonly HealthEntry[]).map(instanceOf).toSorted(byNodeAndId);
}

function byNodeAndId(a: Instance, b: Instance): number {
  if (a.node !== b.node) return a.node < b.node ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

/** The worst of its checks is the instance's status; its node's address stands in for a missing one of its own. */
function instanceOf({ Node, Service: found, Checks }: HealthEntry): Instance {
  const statuses = Checks.map((check) => check.Status);
  const status = statuses.includes("critical")
    ? "critical"
    : statuses.includes("warning")
      ? "warning"
      : "passing";
  return {
    node: Node.Node,
    id: found.ID,
    name: found.Service,
    address: found.Address || Node.Address,
    port: found.Port,
    tags: found.Tags ?? [],
    meta: found.Meta ?? {},
    status,
  };
}
