// What lies on a simulated machine's disk, what a power cut leaves of it, and how well the disk does.
import { COPY_ACCOUNT } from "../../recipes/mysql/core/accounts.ts";
import { Gtids } from "./gtids.ts";

export type Trx = {
  readonly uuid: string;
  readonly n: number;
  readonly kind: "data" | "beat" | "marker" | "account" | "no-account" | "errant";
  /** data: the client's number of it; account, no-account: the server_id. */
  readonly what: number;
  readonly at: number;
  /** A large one: so long to apply on a replica, and a quarter of that to send; 0: an ordinary one. */
  readonly heavyMs: number;
};

/** What is on disk. */
export type Data = {
  readonly uuid: string;
  readonly serverId: number;
  readonly clusterId: string;
  readonly binlog: Trx[];
  /** In the binlog and not in the engine yet: recovery commits them. */
  readonly tail: Set<Trx>;
  readonly executed: Gtids;
  readonly purged: Gtids;
  relay: Trx[];
  /** How many of them are on the disk for good: only these are acknowledged, and applied. */
  synced: number;
  applied: number;
  retrieved: Gtids;
  /** By server_id: locked? */
  readonly accounts: Map<number, boolean>;
  source: { host: string; port: number; serverId: number } | null;
  lastOwn: number;
};

export function newData(of: { uuid: string; serverId: number; clusterId: string }): Data {
  return {
    ...of,
    binlog: [],
    tail: new Set(),
    executed: new Gtids(),
    purged: new Gtids(),
    relay: [],
    synced: 0,
    applied: 0,
    retrieved: new Gtids(),
    accounts: new Map([[COPY_ACCOUNT, false]]),
    source: null,
    lastOwn: 0,
  };
}

/** A power cut: what was written and not synced is gone. Returns that. */
export function tear(data: Data): readonly Trx[] {
  const torn = data.relay.splice(data.synced);
  if (torn.length > 0) {
    data.retrieved = new Gtids();
    for (const { uuid, n } of data.relay) data.retrieved.add(uuid, n);
  }
  return torn;
}

/** As a snapshot of the volume has it. */
export function copyOf(data: Data): Data {
  return {
    ...data,
    binlog: [...data.binlog],
    tail: new Set(data.tail),
    executed: data.executed.copy(),
    purged: data.purged.copy(),
    relay: [...data.relay],
    retrieved: data.retrieved.copy(),
    accounts: new Map(data.accounts),
    source: data.source === null ? null : { ...data.source },
  };
}

/** The machine's disk as it is now. */
export type DiskWeather = {
  slowMs: number;
  full: boolean;
  applyMs: number;
  /** The applier stops with an error at the next transaction. */
  applierBroken: boolean;
  /** STOP REPLICA IO_THREAD takes up to so much longer. */
  stopMs: number;
  /** The next commit that waits for an acknowledgement ends the process, within this many ms; null: not. */
  killInCommit: number | null;
};

export function goodWeather(): DiskWeather {
  return {
    slowMs: 0,
    full: false,
    applyMs: 0,
    applierBroken: false,
    stopMs: 0,
    killInCommit: null,
  };
}
