// What can happen to a cluster, as steps of a schedule: plain JSON, so that a failing one can be shrunk and kept as a
// test. A step names a node, or whoever is primary at its time. Each fault ends by itself; the heal ends the rest.

/** "n1", "n2" …; "primary": who opened the newest epoch; "replica": the first running node that did not. */
export type Who = string;

/** To a node's processes and paths. */
type OfNode =
  | { readonly do: "kill-mysqld" }
  | { readonly do: "kill-in-commit"; readonly withinMs: number }
  | { readonly do: "crash-at"; readonly action: string; readonly when: "before" | "after" }
  /** SIGKILL of the agent, a power cut of the machine, SIGTERM to the agent; it is started again after `ms`. */
  | { readonly do: "kill-node" | "power-loss" | "stop-node"; readonly ms: number }
  | {
      readonly do: "pause-agent" | "pause-loop" | "pause-mysqld" | "pause-node";
      readonly ms: number;
    }
  /** `way`: what is not delivered any more; both ways where it is not said. */
  | {
      readonly do: "cut";
      readonly from: Who;
      readonly way?: "to-it" | "from-it";
      readonly ms: number;
    }
  /** `deny`: the node's token is revoked. */
  | { readonly do: "isolate" | "deny" | "wall-jump"; readonly ms: number }
  | { readonly do: "clock-drift"; readonly rate: number; readonly ms: number };

/** To what lies on its disk, and to its replication. */
type OfData =
  | {
      readonly do:
        | "lose-disk"
        | "break-provisioning"
        | "errant"
        | "purge"
        | "rebuild"
        | "remove-node";
    }
  /** `old-volume`: the node's disk as it was `ms` before (S29). */
  | {
      readonly do:
        | "old-volume"
        | "disk-full"
        | "disk-slow"
        | "applier-slow"
        | "applier-error"
        | "receiver-slow-to-stop";
      readonly ms: number;
    };

type OfAll =
  | { readonly do: "kill-all" | "stop-cluster" | "pause-cluster"; readonly ms: number }
  | { readonly do: "consul"; readonly how: ConsulDay; readonly ms: number }
  | { readonly do: "lose-sessions" }
  /** Back to how it was `ms` before, or to nothing. */
  | { readonly do: "restore-consul"; readonly to: "snapshot" | "nothing"; readonly ms: number }
  | { readonly do: "network-slow"; readonly by: number; readonly ms: number }
  | { readonly do: "long-transaction"; readonly ms: number }
  | { readonly do: "switchover"; readonly to: Who | null }
  | { readonly do: "add-node" };

export type ConsulDay =
  | "down"
  | "restart"
  | "leaderless"
  | "slow"
  | "lossy"
  | "late"
  | "twice"
  | "failing"
  | "stale"
  | "denied";

export type DataStep = { readonly at: number; readonly node: Who } & OfData;
export type NodeStep = { readonly at: number; readonly node: Who } & OfNode;
export type Step = NodeStep | DataStep | ({ readonly at: number } & OfAll);
