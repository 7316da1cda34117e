// The Lease port on etcd.
import { startLeaseKeeper, type LeaseOptions } from "../lease/lease.ts";
import type { Lease } from "../ports.ts";
import type { EtcdConfig } from "./config.ts";

/** gRPC and etcd's messages, compiled. */
const HEAP_MIB = 64;

export function startEtcdLease(
  options: LeaseOptions & { readonly config: EtcdConfig },
): Promise<Lease> {
  const { config, ...rest } = options;
  const url = new URL(
    import.meta.url.endsWith(".ts") ? "./lease-worker.ts" : "./lease-worker.js",
    import.meta.url,
  );
  return startLeaseKeeper({ ...rest, program: { url, config, heapMiB: HEAP_MIB } });
}
