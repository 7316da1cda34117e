// The writes of a ledger in columns: half an hour of a busy drill is a million of them, which as objects would be
// hundreds of megabytes and long pauses of the garbage collector, in the process that also runs the drill's proxies.
import { InvariantError } from "../../../src/index.ts";
import type { Outcome, Write } from "./ledger.ts";

const OUTCOMES: readonly Outcome[] = ["acked", "refused", "unknown"];
/** At 400 writes per second nearly three hours; 130 MB. */
const MOST_WRITES = 4_000_000;
const FIRST_ROOM = 4_096;

type Columns = {
  readonly writer: Uint32Array;
  readonly seq: Uint32Array;
  readonly sent: Float64Array;
  readonly ended: Float64Array;
  readonly outcome: Uint8Array;
  /** Index of a word: few nodes, ports and reasons recur a million times. */
  readonly node: Uint16Array;
  readonly why: Uint16Array;
  readonly port: Uint16Array;
  readonly connection: Uint32Array;
};

function columns(room: number, old?: Columns): Columns {
  const grown: Columns = {
    writer: new Uint32Array(room),
    seq: new Uint32Array(room),
    sent: new Float64Array(room),
    ended: new Float64Array(room),
    outcome: new Uint8Array(room),
    node: new Uint16Array(room),
    why: new Uint16Array(room),
    port: new Uint16Array(room),
    connection: new Uint32Array(room),
  };
  if (old === undefined) return grown;
  for (const name of Object.keys(grown) as (keyof Columns)[]) grown[name].set(old[name]);
  return grown;
}

/** Append only; positions are the order in which the outcomes became known. */
export type WriteLog = Iterable<Write> & {
  readonly length: number;
  append(write: Write): void;
  /** Where the write of this id is; null: none was sent. */
  find(writer: number, seq: number): number | null;
  at(at: number): Write;
  /** One field of it, without making the object: the checker looks at each write several times. */
  outcomeAt(at: number): Outcome;
  writerAt(at: number): number;
  seqAt(at: number): number;
  sentAt(at: number): number;
  endedAt(at: number): number;
  nodeAt(at: number): string;
  connectionAt(at: number): number;
  /** The last write that was acknowledged, or null. */
  lastAcked(): Write | null;
};

/** The writes as a log: the same one where they are one already. */
export function logOf(writes: Iterable<Write>): WriteLog {
  if ("outcomeAt" in writes) return writes as WriteLog;
  const log = writeLog();
  for (const write of writes) log.append(write);
  return log;
}

export function writeLog(most = MOST_WRITES): WriteLog {
  let all = columns(FIRST_ROOM);
  let length = 0;
  let newestAck: number | null = null;
  const words = wordList();
  /** Positions by writer: each writer's own ids are 1, 2, 3 … */
  const places = new Map<number, number[]>();
  const outcomeAt = (at: number): Outcome => OUTCOMES[all.outcome[at] ?? 0] ?? "unknown";
  const at = (i: number): Write => ({
    writer: all.writer[i] ?? 0,
    seq: all.seq[i] ?? 0,
    sent: all.sent[i] ?? 0,
    ended: all.ended[i] ?? 0,
    outcome: outcomeAt(i),
    node: words.word(all.node[i] ?? 0),
    port: all.port[i] ?? 0,
    connection: all.connection[i] ?? 0,
    why: words.word(all.why[i] ?? 0) || null,
  });
  return {
    get length() {
      return length;
    },
    append(write) {
      if (length === most)
        throw new InvariantError("AP_BUG_INVARIANT", `a ledger of more than ${most} writes`);
      if (length === all.seq.length) all = columns(2 * length, all);
      const here = length++;
      all.writer[here] = write.writer;
      all.seq[here] = write.seq;
      all.sent[here] = write.sent;
      all.ended[here] = write.ended;
      all.outcome[here] = OUTCOMES.indexOf(write.outcome);
      all.node[here] = words.index(write.node);
      all.why[here] = words.index(write.why ?? "");
      all.port[here] = write.port;
      all.connection[here] = write.connection;
      if (write.outcome === "acked") newestAck = here;
      const own = places.get(write.writer) ?? [];
      if (own.length === 0) places.set(write.writer, own);
      own[write.seq] = here;
    },
    find: (writer, seq) => places.get(writer)?.[seq] ?? null,
    at,
    outcomeAt,
    writerAt: (i) => all.writer[i] ?? 0,
    seqAt: (i) => all.seq[i] ?? 0,
    sentAt: (i) => all.sent[i] ?? 0,
    endedAt: (i) => all.ended[i] ?? 0,
    nodeAt: (i) => words.word(all.node[i] ?? 0),
    connectionAt: (i) => all.connection[i] ?? 0,
    lastAcked: () => (newestAck === null ? null : at(newestAck)),
    *[Symbol.iterator]() {
      const until = length;
      for (let i = 0; i < until; i++) yield at(i);
    },
  };
}

function wordList() {
  const list: string[] = [];
  const indexes = new Map<string, number>();
  return {
    word: (index: number): string => list[index] ?? "",
    index(word: string): number {
      const known = indexes.get(word);
      if (known !== undefined) return known;
      indexes.set(word, list.length);
      return list.push(word) - 1;
    },
  };
}
