// What an endpoint answers, and the small pieces of Consul's HTTP dialect that all endpoints share.
// An endpoint is a function of the state and a call; it answers at once, or with a query that may block.
import type { Change, State } from "./state.ts";

export type Call = {
  readonly method: string;
  /** What follows the endpoint's prefix, decoded. */
  readonly rest: string;
  readonly query: URLSearchParams;
  readonly body: Buffer;
  /** Milliseconds, monotonic. */
  readonly now: number;
};

export type Reply = {
  readonly status: number;
  /** Undefined: an empty body. */
  readonly json?: unknown;
  readonly text?: string;
  readonly raw?: Buffer;
  /** X-Consul-Index, with its two companions. Undefined: none. */
  readonly index?: number;
};

/** A read that may wait: `run` is asked again after every change that `concerns` it. */
export type Query = {
  readonly run: () => Reply & { readonly index: number };
  readonly concerns: (change: Change) => boolean;
};

export type Endpoint = (state: State, call: Call) => Reply | Query;

export function json(value: unknown): Reply {
  return { status: 200, json: value };
}

export function text(status: number, message: string): Reply {
  return { status, text: message };
}

/** Consul's answer to agent calls: 200 and nothing. */
export const DONE: Reply = { status: 200 };

export function notAllowed(method: string): Reply {
  return text(405, `method ${method} not allowed`);
}

/** A body of JSON as an object; a string is Consul's text of what is wrong. An empty body is {}. */
export function parseObject(body: Buffer): Readonly<Record<string, unknown>> | string {
  if (body.length === 0) return {};
  try {
    const value: unknown = JSON.parse(body.toString());
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
    return "Request decode failed: expected an object";
  } catch (error) {
    return `Request decode failed: ${(error as Error).message}`;
  }
}

export function stringAt(object: Readonly<Record<string, unknown>>, field: string): string {
  const value = object[field];
  return typeof value === "string" ? value : "";
}

export function stringsAt(
  object: Readonly<Record<string, unknown>>,
  field: string,
): string[] | null {
  const value = object[field];
  return Array.isArray(value) ? value.filter((it) => typeof it === "string") : null;
}

export function objectAt(
  object: Readonly<Record<string, unknown>>,
  field: string,
): Readonly<Record<string, unknown>> | null {
  const value = object[field];
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** A duration as Go writes it ("1m30s", "500ms", "0") in milliseconds, or null. */
export function durationMs(given: string): number | null {
  if (given === "0") return 0;
  if (!/^(\d+(\.\d+)?(ns|us|ms|s|m|h))+$/.test(given)) return null;
  let sum = 0;
  for (const [, amount, unit] of given.matchAll(/([\d.]+)(ns|us|ms|s|m|h)/g))
    sum += Number(amount) * (UNITS_MS[unit ?? ""] ?? 0);
  return sum;
}

/** An unsigned number of the query string; a string is Consul's text of the error. */
export function unsigned(given: string): number | string {
  return /^\d+$/.test(given)
    ? Number(given)
    : `strconv.ParseUint: parsing ${JSON.stringify(given)}: invalid syntax`;
}
