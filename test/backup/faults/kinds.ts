// What can go wrong, stage by stage, each chosen in its details by the dice. A fault of the backup is set before it is
// taken, one of the restore after; a damage is done to what lies in the store.
import type { Fault, Seen } from "../../objects/faulty-way.ts";
import type { EngineTrouble } from "../fake-engine.ts";
import type { Dice } from "./dice.ts";
import type { StoreKind } from "./stand.ts";

export const CHUNK = 64 * 1024;

export type Injection = {
  /** "engine: killed after 400000 bytes", for reports. */
  readonly says: string;
  /** Only one of the stores can have it; null: either. */
  readonly on: StoreKind | null;
  readonly engine?: EngineTrouble;
  /** Instead of zstd. */
  readonly zstd?: readonly string[];
  readonly backupWay?: (seen: Seen, now: number) => Fault | null;
  readonly restoreWay?: (seen: Seen, now: number) => Fault | null;
  /** Given up when so many bytes of the image were read. */
  readonly cancelAt?: number;
  /** The worker is a process of its own, killed when it has said that so many bytes were read. */
  readonly killAt?: number;
  readonly damage?: Damage;
  /** Room for so many bytes in the store's file system. */
  readonly smallDisk?: true;
  /** Restored onto a disk that is full. */
  readonly restoreFull?: true;
};

export type Damage =
  | { readonly do: "cut data"; readonly at: number }
  | { readonly do: "flip data"; readonly at: number }
  | { readonly do: "cut manifest"; readonly at: number }
  | { readonly do: "flip manifest"; readonly at: number }
  | { readonly do: "delete data" };

type Kind = (dice: Dice, length: number) => Injection;

const passing: readonly Fault[] = [
  { do: "answer", status: 500, code: "InternalError" },
  { do: "answer", status: 503, code: "SlowDown" },
  { do: "answer", status: 429, code: "TooManyRequests" },
  { do: "babble", status: 502 },
  { do: "hang" },
  { do: "reset" },
  { do: "lose-answer" },
];
const reading: readonly Fault[] = [
  ...passing,
  { do: "break-body" },
  { do: "shorten-body" },
  { do: "flip-answer" },
];

function nameOf(fault: Fault): string {
  return "status" in fault ? `${fault.do} ${fault.status}` : fault.do;
}

/** `times` requests from the `first` on. */
function some(first: number, times: number, fault: Fault): (seen: Seen) => Fault | null {
  return ({ number }) => (number >= first && number < first + times ? fault : null);
}

/** Requests of a backup of `length` bytes, about: parts, and those around them. */
const requestsOf = (length: number): number => 6 + Math.floor(length / CHUNK / 2);
/** A time-out is waited for. */
const timesOf = (dice: Dice, fault: Fault): number => (fault.do === "hang" ? 1 : 1 + dice.below(4));

export const KINDS: Readonly<Record<string, Kind>> = {
  none: () => ({ says: "nothing", on: null }),

  "engine killed"(dice, length) {
    const at = 1 + dice.below(length);
    return { says: `engine: killed after ${at}`, on: null, engine: { do: "killed", at } };
  },
  "engine cut at a chunk"(dice, length) {
    const at = CHUNK * dice.below(Math.ceil(length / CHUNK));
    return { says: `engine: ends well after ${at}`, on: null, engine: { do: "cut", at } };
  },
  "engine cut"(dice, length) {
    const at = dice.below(length);
    return { says: `engine: ends well after ${at}`, on: null, engine: { do: "cut", at } };
  },
  "engine fails": () => ({ says: "engine: fails at its end", on: null, engine: { do: "fails" } }),
  "engine breaks"(dice, length) {
    const at = 1 + dice.below(length);
    return {
      says: `engine: its stream breaks after ${at}`,
      on: null,
      engine: { do: "breaks", at },
    };
  },

  "zstd killed"(dice, length) {
    const at = dice.below(length);
    const script = `head -c ${at} | zstd "$@"; kill -9 $$`;
    return { says: `zstd: killed after ${at}`, on: null, zstd: ["sh", "-c", script, "zstd"] };
  },
  "zstd ends early"(dice, length) {
    const at = dice.below(length);
    const script = `head -c ${at} | zstd "$@"`;
    return { says: `zstd: ends well after ${at}`, on: null, zstd: ["sh", "-c", script, "zstd"] };
  },
  "zstd fails": () => ({
    says: "zstd: exit code 1 at its end",
    on: null,
    zstd: ["sh", "-c", 'zstd "$@"; exit 1', "zstd"],
  }),

  "store stumbles during the backup"(dice, length) {
    const fault = dice.pick(passing);
    const first = 1 + dice.below(requestsOf(length));
    const times = timesOf(dice, fault);
    const says = `store: ${nameOf(fault)} to ${times} requests from ${first} on`;
    return { says, on: "s3", backupWay: some(first, times, fault) };
  },
  "store fails during the backup"(dice, length) {
    const lasting: readonly Fault[] = [
      ...passing.filter((fault) => fault.do !== "hang"),
      { do: "answer", status: 403, code: "AccessDenied" },
      { do: "answer", status: 507, code: "QuotaExceeded" },
      { do: "babble", status: 200 },
    ];
    const fault = dice.pick(lasting);
    const first = 1 + dice.below(requestsOf(length));
    const says = `store: ${nameOf(fault)} to all requests from ${first} on`;
    return { says, on: "s3", backupWay: some(first, Number.POSITIVE_INFINITY, fault) };
  },
  "store away for a minute"(dice, length) {
    const first = 1 + dice.below(requestsOf(length));
    let until: number | null = null;
    const backupWay = ({ number }: Seen, now: number): Fault | null => {
      if (number < first) return null;
      until ??= now + 60_000;
      return now < until ? { do: "reset" } : null;
    };
    return { says: `store: away for a minute from request ${first} on`, on: "s3", backupWay };
  },
  "a flipped bit on the way there"(dice, length) {
    const first = 1 + dice.below(requestsOf(length));
    const fault: Fault = { do: "flip-request" };
    return { says: `way: a bit of request ${first}`, on: "s3", backupWay: some(first, 1, fault) };
  },
  "disk full": () => ({ says: "store: its disk fills up", on: "disk", smallDisk: true }),

  cancelled(dice, length) {
    const cancelAt = 1 + dice.below(length);
    return { says: `cancelled after ${cancelAt}`, on: null, cancelAt };
  },
  "worker killed"(dice, length) {
    const killAt = dice.below(length);
    return { says: `worker: SIGKILL after ${killAt}`, on: null, killAt };
  },

  "store stumbles during the restore"(dice) {
    const fault = dice.pick(reading);
    const first = 1 + dice.below(4);
    const times = fault.do === "flip-answer" ? 1 : timesOf(dice, fault);
    const says = `store: ${nameOf(fault)} to ${times} requests of the restore from ${first} on`;
    return { says, on: "s3", restoreWay: some(first, times, fault) };
  },
  "store fails during the restore"(dice) {
    const fault = dice.pick(reading.filter((it) => it.do !== "hang"));
    const first = 1 + dice.below(3);
    const says = `store: ${nameOf(fault)} to all requests of the restore from ${first} on`;
    return { says, on: "s3", restoreWay: some(first, Number.POSITIVE_INFINITY, fault) };
  },
  "restored onto a full disk": () => ({
    says: "restore: its disk fills up",
    on: null,
    restoreFull: true,
  }),

  "data cut at a part"(dice, length) {
    const at = CHUNK * dice.below(Math.ceil(length / 2 / CHUNK));
    return { says: `stored: data cut to ${at}`, on: null, damage: { do: "cut data", at } };
  },
  "data flipped"(dice, length) {
    const at = dice.below(length);
    return {
      says: `stored: a bit of byte ${at} of the data`,
      on: null,
      damage: { do: "flip data", at },
    };
  },
  "data deleted": () => ({ says: "stored: data deleted", on: null, damage: { do: "delete data" } }),
  "manifest cut"(dice) {
    const at = dice.below(1500);
    return { says: `stored: manifest cut to ${at}`, on: null, damage: { do: "cut manifest", at } };
  },
  "manifest flipped"(dice) {
    const at = dice.below(1500);
    return {
      says: `stored: a bit of byte ${at} of the manifest`,
      on: null,
      damage: { do: "flip manifest", at },
    };
  },
};
