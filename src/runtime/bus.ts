// What happened on this node, for people and programs that watch (`autopilot events`): a bounded ring in memory with
// sequence numbers, so that a reader can go on where it stopped. Nothing decides by it, and nothing waits for a reader.

export type BusEvent = {
  /** Grows by one with each event of this process; starts at 1. */
  readonly seq: number;
  /** Wall clock, ISO 8601; for people only. */
  readonly at: string;
  /** One word: "says", "action", "setback", "hook", or what the recipe announces. */
  readonly type: string;
  /** One sentence. */
  readonly what: string;
  readonly facts: Readonly<Record<string, unknown>>;
};

export type Publish = (
  type: string,
  what: string,
  facts?: Readonly<Record<string, unknown>>,
) => void;

export type Bus = {
  readonly publish: Publish;
  /**
   * Events with a number above `seq`, oldest first; those that fell out of the ring are gone. A `seq` that was not
   * reached yet is from another life of this node: then all of them.
   */
  since(seq: number): readonly BusEvent[];
  /** Calls back for each event from now on, in the publisher's turn; must not throw. Returns the way to end it. */
  subscribe(listener: (event: BusEvent) => void): () => void;
};

// An eventful failover says about thirty things; a thousand hold hours of a node's life in some hundred kilobytes.
const KEPT = 1_000;

export function makeBus(kept = KEPT): Bus {
  let ring: BusEvent[] = [];
  let last = 0;
  const listeners = new Set<(event: BusEvent) => void>();
  return {
    publish(type, what, facts = {}) {
      last += 1;
      const event = { seq: last, at: new Date().toISOString(), type, what, facts };
      ring.push(event);
      // Cut in halves: moving the whole ring at each event would cost more than the memory.
      if (ring.length >= 2 * kept) ring = ring.slice(-kept);
      for (const listener of listeners) listener(event);
    },
    since: (seq) => {
      const from = seq > last ? 0 : seq;
      return ring.slice(-kept).filter((event) => event.seq > from);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}
