// What a drill leaves behind: plain JSON, written by the runner after each round, continued by `--resume`, shown by
// report/. Every time inside a round is in ms since the round began, on the one monotonic clock that the drill, the
// outage client and the timeline share; dates are for people.
// A reader accepts FORMAT only: the shape is versioned, never guessed.

export const FORMAT = 1;

/** `invalid`: the fault did not take effect, so the round proves nothing. `skipped`: it cannot be done here. */
export type Outcome = "passed" | "failed" | "invalid" | "skipped";

/** What was done to whom, and how we know that it happened. */
export type Fault = {
  /** "SIGKILL to mysqld", "cut off from Consul". */
  readonly what: string;
  /** The node's name; null where it is not one node's (Consul, the network). */
  readonly node: string | null;
  readonly at: number;
  /** What was seen that proves the effect ("pid 4711 is gone"); null: nothing was, the round is invalid. */
  readonly proof: string | null;
  /** When it was taken back; null where there is nothing to take back, or it was not. */
  readonly healedAt: number | null;
};

/** A time without acknowledgements on the client's clock; `to` is null where none came any more. */
export type Outage = { readonly from: number; readonly to: number | null; readonly ms: number };

/** From the fault to the first sign of it, to the election's start, to the open primary; null: it was not seen. */
export type Phases = {
  readonly detectMs: number | null;
  readonly electMs: number | null;
  readonly promoteMs: number | null;
};

/** What the ledger's checker counted. Violations are all but the first three; any of them fails the round. */
export type LedgerCounts = {
  readonly acknowledged: number;
  readonly unknown: number;
  readonly refused: number;
  /** Acknowledged, and missing on a node. */
  readonly lost: number;
  readonly doubled: number;
  /** There, though never sent, refused, or with another content. */
  readonly invented: number;
  /** On one node and not on another. */
  readonly diverged: number;
  /** Seen on the open primary, and missing on a node later. */
  readonly vanished: number;
  /** Transfers of which one half is there, and sums of balances that were not what they must be. */
  readonly imbalanced: number;
  /** Acknowledgements that prove a second node able to acknowledge. */
  readonly twoAcknowledging: number;
};

export type NodeEnd = {
  readonly node: string;
  /** `converged`: it holds the primary's set and nothing besides. `absent`: the scenario leaves it dead. */
  readonly state: "converged" | "set aside" | "diverged" | "absent";
  /** Where the set aside datadir or the errant transactions are; else one sentence, or null. */
  readonly evidence: string | null;
};

/** What the timeline can show, and so how it is drawn. */
export type EntryKind =
  | "acknowledging"
  | "outage"
  | "primary"
  | "replica"
  | "candidate"
  | "closed"
  | "down"
  | "provisioning"
  | "held"
  | "fault"
  | "event";

/** One thing on one lane: a bar where it has an end, else a moment. */
export type Entry = {
  readonly at: number;
  readonly until?: number;
  /** A node's name, or one of the lanes that are no node: "clients", "lock", "faults". */
  readonly lane: string;
  readonly kind: EntryKind;
  /** One sentence; the hover title. */
  readonly text: string;
};

export type Round = {
  readonly scenario: string;
  /** Counted per scenario, from 1, through resumes. */
  readonly round: number;
  readonly seed: number;
  readonly target: string;
  /** Nodes of the cluster. */
  readonly size: number;
  /** ISO 8601, for people. */
  readonly startedAt: string;
  readonly tookMs: number;
  readonly faults: readonly Fault[];
  readonly verdict: Outcome;
  /** Why it is not `passed`; empty where it is. */
  readonly reasons: readonly string[];
  /** The longest time without an acknowledgement; null where no client wrote. */
  readonly outage: Outage | null;
  /** The longest time in which the client process itself was not run, ms: so much of an outage may be the machine's. */
  readonly stalledMs: number;
  readonly phases: Phases | null;
  readonly ledger: LedgerCounts | null;
  readonly nodes: readonly NodeEnd[];
  readonly timeline: readonly Entry[];
};

/** What a scenario promises, so that a reader of the report needs nothing else. */
export type ScenarioFacts = {
  readonly name: string;
  /** One sentence each. */
  readonly does: string;
  readonly expects: string;
  /** What the outage should stay below over many rounds; null where there is none to have, or no limit. */
  readonly limits: { readonly medianMs: number; readonly maxMs: number } | null;
};

export type DrillReport = {
  readonly format: typeof FORMAT;
  readonly startedAt: string;
  /** Of the last round; null before one ended. */
  readonly endedAt: string | null;
  /** Name to version: autopilot, node, mysqld, consul. */
  readonly tools: Readonly<Record<string, string>>;
  readonly machine: {
    readonly system: string;
    readonly cpu: string;
    readonly cores: number;
    readonly memoryMiB: number;
  };
  readonly seed: number;
  readonly scenarios: readonly ScenarioFacts[];
  readonly rounds: readonly Round[];
};
