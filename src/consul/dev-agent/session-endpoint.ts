// /v1/session/…
import { randomUUID } from "node:crypto";
import { malformedSession } from "./keys.ts";
import {
  durationMs,
  json,
  notAllowed,
  parseObject,
  stringAt,
  stringsAt,
  text,
  type Call,
  type Query,
  type Reply,
} from "./reply.ts";
import { createSession, endSession, renewSession, type SessionWish } from "./sessions.ts";
import { NODE, write, type Session, type State } from "./state.ts";

const LOCK_DELAY_DEFAULT_MS = 15_000;
const NS_PER_MS = 1_000_000;
/** Consul takes a number below this for seconds, any other for nanoseconds. */
const LOCK_DELAY_SECONDS_BELOW = 1000;

function printed(session: Session): unknown {
  return {
    ID: session.id,
    Name: session.name,
    Node: session.node,
    LockDelay: session.lockDelayMs * NS_PER_MS,
    Behavior: session.behavior,
    TTL: session.ttl,
    NodeChecks: session.nodeChecks,
    ServiceChecks: session.serviceChecks,
    CreateIndex: session.createIndex,
    ModifyIndex: session.createIndex,
  };
}

export function sessionCreate(state: State, call: Call): Reply {
  if (call.method !== "PUT") return notAllowed(call.method);
  const body = parseObject(call.body);
  if (typeof body === "string") return text(400, body);
  const lockDelayMs = lockDelayOf(body["LockDelay"]);
  if (lockDelayMs === null) {
    const given = JSON.stringify(body["LockDelay"]);
    return text(400, `Request decode failed: time: invalid duration ${given}`);
  }
  const ttl = stringAt(body, "TTL");
  const wish: SessionWish = {
    name: stringAt(body, "Name"),
    node: stringAt(body, "Node") || NODE,
    lockDelayMs,
    behavior: stringAt(body, "Behavior") || "release",
    ttl,
    ttlMs: ttl === "" ? 0 : durationMs(ttl),
    // Without any list of its own a session is bound to the node's health; `Checks` is the name before 1.7.
    nodeChecks: stringsAt(body, "NodeChecks") ?? stringsAt(body, "Checks") ?? ["serfHealth"],
    serviceChecks: serviceChecksOf(body["ServiceChecks"]),
  };
  const made = write(state, (at) => createSession(state, at, randomUUID(), wish, call.now));
  return typeof made === "string" ? text(500, made) : json({ ID: made.id });
}

function lockDelayOf(given: unknown): number | null {
  if (given === undefined) return LOCK_DELAY_DEFAULT_MS;
  if (typeof given === "string") return durationMs(given);
  if (typeof given !== "number") return null;
  return given < LOCK_DELAY_SECONDS_BELOW ? given * 1000 : given / NS_PER_MS;
}

function serviceChecksOf(given: unknown): SessionWish["serviceChecks"] {
  if (!Array.isArray(given)) return null;
  return (given as readonly Record<string, unknown>[]).map((it) => ({
    ID: stringAt(it, "ID"),
    Namespace: stringAt(it, "Namespace"),
  }));
}

export function sessionDestroy(state: State, call: Call): Reply {
  if (call.method !== "PUT") return notAllowed(call.method);
  const refusal = refusedId(call.rest);
  if (refusal) return refusal;
  write(state, (at) => endSession(state, at, call.rest, call.now));
  return json(true);
}

export function sessionRenew(state: State, call: Call): Reply {
  if (call.method !== "PUT") return notAllowed(call.method);
  const refusal = refusedId(call.rest);
  if (refusal) return refusal;
  const session = renewSession(state, call.rest, call.now);
  return session ? json([printed(session)]) : text(404, `Session id '${call.rest}' not found`);
}

function refusedId(id: string): Reply | null {
  if (id === "") return text(400, "Missing session");
  const malformed = malformedSession(id);
  return malformed === null ? null : text(500, malformed);
}

export function sessionInfo(state: State, call: Call): Reply | Query {
  if (call.method !== "GET") return notAllowed(call.method);
  const refusal = refusedId(call.rest);
  if (refusal) return refusal;
  return sessionQuery(state, (session) => session.id === call.rest);
}

export function sessionList(state: State, call: Call): Reply | Query {
  return call.method === "GET" ? sessionQuery(state, () => true) : notAllowed(call.method);
}

export function sessionNode(state: State, call: Call): Reply | Query {
  if (call.method !== "GET") return notAllowed(call.method);
  if (call.rest === "") return text(400, "Missing node name");
  return sessionQuery(state, (session) => session.node === call.rest);
}

function sessionQuery(state: State, wanted: (session: Session) => boolean): Query {
  return {
    concerns: ({ topics }) => topics.has("sessions"),
    run: () => {
      const found = [...state.sessions.values()].filter(wanted);
      found.sort((a, b) => (a.id < b.id ? -1 : 1));
      return { status: 200, json: found.map(printed), index: state.sessionIndex || 1 };
    },
  };
}
