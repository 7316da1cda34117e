// A key as Consul prints it, and as we know it.
import type { KvEntry } from "../ports.ts";

/** The part of an entry that we read; the package has decoded the value from base64, an empty one is null. */
export type ConsulItem = {
  readonly Key: string;
  readonly Value: string | null;
  readonly ModifyIndex: number;
  readonly Session?: string;
};

export function entryOf(item: ConsulItem): KvEntry {
  return {
    key: item.Key,
    value: item.Value ?? "",
    index: item.ModifyIndex,
    session: item.Session ?? null,
  };
}
