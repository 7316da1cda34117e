// What one tick may do: the verbs that the log, the tests and the status print. Coarse and idempotent; executed in
// order, the first failure ends the tick. `why` is for people and always there.
import type { Loss } from "./answers.ts";
import type { State } from "./observation.ts";

type Reason = { readonly why: string };

/** fsyncs the highest state.ver and epoch that was read (§7 Consul wiped). Routine: nobody needs to be told why. */
type NoteState = {
  readonly do: "note-state";
  readonly state: State;
  readonly why?: string;
};

export type Action =
  | NoteState
  | (Reason &
      (
        | { readonly do: "hold" }
        // the server process
        | { readonly do: "start-mysqld" }
        /** §6 hard fence: SIGKILL; it comes back closed. */
        | { readonly do: "kill-mysqld" }
        /** §6 soft fence, hard when it does not succeed. */
        | { readonly do: "soft-fence" }
        /** §6 stop: KILL client connections, SIGTERM, wait for the exit. */
        | { readonly do: "stop-mysqld" }
        // data
        | { readonly do: "claim-server-id" }
        | { readonly do: "initialize"; readonly clusterId: string | null }
        | {
            readonly do: "provision";
            readonly donor: {
              readonly uuid: string;
              readonly node: string;
              readonly host: string;
              readonly port: number;
            };
          }
        /** Extracts what the primary lacks, and keeps the datadir as evidence. `intent`: the order that it obeys. */
        | { readonly do: "set-aside"; readonly intent: string | null }
        /** Deletes datadirs that were set aside. */
        | { readonly do: "remove-aside"; readonly names: readonly string[] }
        /** A datadir of a bootstrap that another node won holds nothing of anybody. */
        | { readonly do: "discard-bootstrap" }
        | { readonly do: "finish-bootstrap" }
        /** First start of a new datadir: forgets the replica metadata of its donor. */
        | { readonly do: "settle-datadir" }
        | { readonly do: "register-cluster"; readonly clusterId: string }
        // the lock and the election
        | { readonly do: "take-lock" }
        | {
            readonly do: "release-lock";
            readonly prefer: string | null;
            readonly closed: boolean;
            readonly gaveUp: boolean;
          }
        /** One transaction: take the lock and raise the epoch (§4 steps 1–2). */
        | { readonly do: "elect"; readonly from: State; readonly index: number }
        /** §7a: an operator's wish, in one transaction with the lock, the wish and the cluster's id. */
        | {
            readonly do: "rewrite-state";
            readonly intent: string;
            readonly how: "keep" | "elect" | "loss";
            readonly next: State;
            /** 0: Consul has no state. */
            readonly index: number;
            readonly loss: Loss | null;
          }
        | { readonly do: "promise"; readonly epoch: number }
        | { readonly do: "take-over"; readonly epoch: number; readonly acks: number }
        /** §4 step 5: copies what T has and this node has not from a holder, asynchronously; the holder stays closed. */
        | {
            readonly do: "fetch";
            readonly epoch: number;
            readonly from: string;
            readonly host: string;
            readonly port: number;
          }
        | {
            readonly do: "publish";
            readonly epoch: number;
            readonly from: State;
            readonly index: number;
          }
        /** Starts step 9; the marker's acknowledgement is an observed fact. */
        | { readonly do: "mark"; readonly epoch: number; readonly voters: readonly string[] }
        | { readonly do: "open"; readonly epoch: number }
        | { readonly do: "end-primacy" }
        | { readonly do: "reacquire"; readonly epoch: number }
        // following
        | {
            readonly do: "follow";
            readonly epoch: number;
            readonly primary: string;
            readonly host: string;
            readonly port: number;
            readonly semiSync: boolean;
          }
        | { readonly do: "set-semi-sync"; readonly on: boolean; readonly epoch: number }
        | { readonly do: "start-applier" }
        /** Restarts the receiver, so that it need not wait for its own next try. */
        | { readonly do: "reconnect" }
        | { readonly do: "ask-join"; readonly ver: number; readonly epoch: number }
        | { readonly do: "say-lost"; readonly epoch: number }
        | { readonly do: "unsay-lost"; readonly epoch: number }
        | { readonly do: "end-session"; readonly session: string }
        // membership, by the published primary (§7)
        | {
            readonly do: "admit";
            readonly intent: string;
            readonly serverId: number;
            readonly uuid: string;
          }
        | {
            readonly do: "cut";
            readonly uuid: string;
            readonly serverId: number;
            readonly voters: readonly string[];
            readonly acks: number;
          }
        | {
            readonly do: "cut-all";
            readonly others: readonly { readonly uuid: string; readonly serverId: number }[];
          }
        | { readonly do: "raise-acks"; readonly acks: number; readonly voters: readonly string[] }
        /** What the server waits for goes back to what Consul says: a raise that nobody acknowledged, or that was overtaken. */
        | { readonly do: "lower-acks"; readonly acks: number }
        | {
            readonly do: "commit-change";
            readonly kind: "remove" | "add" | "acks-up" | "acks-down" | "alone";
            readonly uuid: string | null;
            readonly voters: readonly string[];
            readonly acks: number;
            readonly from: State;
            readonly index: number;
          }
        | { readonly do: "kick"; readonly uuids: readonly string[] }
        /** The primary's own: whoever founded the cluster never asked for one. */
        | { readonly do: "make-account"; readonly serverId: number }
        /** Of a server_id that no datadir claims any more. */
        | { readonly do: "drop-account"; readonly serverId: number }
        // intents
        | { readonly do: "drain"; readonly intent: string | null; readonly to: string }
        | {
            readonly do: "hand-over";
            readonly to: string;
            readonly host: string;
            readonly port: number;
          }
        | { readonly do: "undrain"; readonly epoch: number }
        | { readonly do: "answer-intent"; readonly intent: string; readonly ok: boolean }
        | { readonly do: "drop-intent"; readonly intent: string }
        | { readonly do: "begin-stop" }
        | { readonly do: "finish-stop" }
      ));

/** The action of one kind. */
export type Do<K extends Action["do"]> = Extract<Action, { do: K }>;

/** "Do nothing", said aloud. `code`: of the error table, where a person should look it up. */
export function hold(why: string, code: string | null = null): readonly Action[] {
  return [{ do: "hold", why: code === null ? why : `${code}: ${why}` }];
}
