// The Lease port on Consul.
import { startLeaseKeeper, type LeaseOptions } from "../lease/lease.ts";
import type { Lease } from "../ports.ts";
import type { ConsulConfig } from "./config.ts";

/** No more than a socket and some texts. */
const HEAP_MIB = 16;

/** Its first address is the local agent; the others are used when that is gone. */
export function startLease(
  options: LeaseOptions & { readonly config: ConsulConfig },
): Promise<Lease> {
  const { config, ...rest } = options;
  // Named in full, so that the file is found by name where sources are looked through.
  const url = new URL(
    import.meta.url.endsWith(".ts") ? "./lease-worker.ts" : "./lease-worker.js",
    import.meta.url,
  );
  return startLeaseKeeper({ ...rest, program: { url, config, heapMiB: HEAP_MIB } });
}
