// The face of etcd to everything else: three ports over one set of endpoints. Nothing is connected before it is used,
// and nothing is retried: a lost answer is an UnavailableError, and only the caller knows what that means.
import { hostname } from "node:os";
import type { Directory, Kv, Leaser } from "../ports.ts";
import type { EtcdConfig } from "./config.ts";
import { createDirectory } from "./directory.ts";
import { createKv } from "./kv.ts";
import { createLeaser } from "./sessions.ts";
import { createTransport } from "./transport.ts";

export type Etcd = {
  readonly kv: Kv;
  readonly directory: Directory;
  readonly leaser: Leaser;
  /** The endpoint that the next call goes to. */
  address(): string;
  /** Closes connections; running watches end with their own signals. */
  close(): void;
};

/** Speaks to the first endpoint; after a failure to reach it the next call goes to the next one. */
export function connectEtcd(config: EtcdConfig): Etcd {
  const transport = createTransport(config);
  const place = { prefix: config.prefix, node: hostname() };
  return {
    kv: createKv(transport, config),
    directory: createDirectory(transport, config, place),
    leaser: createLeaser(transport, config, place),
    address: transport.address,
    close: transport.close,
  };
}
