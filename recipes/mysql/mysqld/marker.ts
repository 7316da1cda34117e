// The fixed GTID of epoch markers (PROTOCOL §1): uuid5(C, "epoch"):e, so that the newest epoch that a server has
// joined is computed from its GTID set alone.
import { createHash } from "node:crypto";
import { uuidText } from "./uuid-text.ts";

/** RFC 9562 §5.5 name-based UUID (version 5) of `name` in the namespace `namespace`. */
export function uuid5(namespace: string, name: string): string {
  const bytes = createHash("sha1")
    .update(Buffer.from(namespace.replaceAll("-", ""), "hex"))
    .update(name)
    .digest()
    .subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return uuidText(bytes);
}

let newest: { readonly clusterId: string; readonly marker: string } | null = null;

/** Source part of every marker of this cluster; null while the cluster id is not known. */
export function markerUuidOf(clusterId: string | null): string | null {
  if (clusterId === null) return null;
  // Asked in every tick, and a process belongs to one cluster.
  if (newest?.clusterId !== clusterId) newest = { clusterId, marker: uuid5(clusterId, "epoch") };
  return newest.marker;
}
