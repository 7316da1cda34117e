// Services, nodes and checks. One place for what this agent's own services and foreign registrations share: every
// change moves the index of the service's name, and a check that turns critical or vanishes ends its sessions.
import { endSession, endSessionsOf } from "./sessions.ts";
import {
  idOf,
  NODE,
  write,
  type CatalogNode,
  type CatalogService,
  type Check,
  type CheckStatus,
  type State,
} from "./state.ts";

type Unindexed<T> = Omit<T, "createIndex" | "modifyIndex">;

export function putNode(state: State, index: number, node: Unindexed<CatalogNode>): void {
  const before = state.nodes.get(node.name);
  if (before && before.address === node.address && sameJson(before.meta, node.meta)) return;
  const createIndex = before?.createIndex ?? index;
  state.nodes.set(node.name, { ...node, createIndex, modifyIndex: index });
  state.nodeIndex = index;
  state.topics.add("catalog");
}

/** Registers or replaces a service; the same once more changes nothing. */
export function putService(
  state: State,
  index: number,
  service: Unindexed<CatalogService>,
  now: number,
): void {
  const id = idOf(service.node, service.id);
  const before = state.services.get(id);
  if (before) {
    const { createIndex, modifyIndex: _, ...rest } = before;
    if (sameJson(rest, service)) return;
    if (before.name !== service.name) touchName(state, index, before.name, id);
    state.services.set(id, { ...service, createIndex, modifyIndex: index });
  } else {
    state.services.set(id, { ...service, createIndex: index, modifyIndex: index });
  }
  state.serviceIndex = index;
  touchName(state, index, service.name);
  // The name and tags of a service are copied into its checks.
  for (const check of checksOf(state, service.node, service.id)) {
    const copied = { serviceName: service.name, serviceTags: service.tags };
    putCheck(state, index, { ...check, ...copied }, now);
  }
}

/** Registers or replaces a check. `now` is when its TTL starts, if it has one and is not critical. */
export function putCheck(
  state: State,
  index: number,
  check: Unindexed<Omit<Check, "deadline">> & { readonly deadline?: number | null },
  now: number,
): void {
  const id = idOf(check.node, check.id);
  const before = state.checks.get(id);
  const { deadline = before?.deadline ?? null, ...rest } = check;
  const same = before !== undefined && sameJson(contentOf(before), contentOf(rest));
  const createIndex = before?.createIndex ?? index;
  const modifyIndex = same ? before.modifyIndex : index;
  const criticalSince = rest.status === "critical" ? (before?.criticalSince ?? now) : null;
  state.checks.set(id, { ...rest, criticalSince, createIndex, modifyIndex, deadline });
  if (same) return;
  state.checkIndex = index;
  touchName(state, index, check.serviceName);
  if (check.status === "critical") endSessionsOf(state, index, check.node, check.id, now);
}

/** What a check says, without its indexes and deadline. */
function contentOf(check: Unindexed<Omit<Check, "deadline">>): unknown {
  const { node, name, status, notes, output, serviceId, serviceName, serviceTags } = check;
  return [node, name, status, notes, output, serviceId, serviceName, serviceTags];
}

/** Passes, warns or fails a TTL check and starts its TTL again. False: no such TTL check. */
export function reportCheck(
  state: State,
  index: number,
  id: string,
  status: CheckStatus,
  output: string,
  now: number,
): boolean {
  const check = state.checks.get(idOf(NODE, id));
  if (check === undefined || check.ttlMs === null || !check.local) return false;
  const deadline = now + check.ttlMs;
  // Said again, as nearly always: nothing but its TTL moves.
  if (check.status === status && check.output === output) check.deadline = deadline;
  else putCheck(state, index, { ...check, status, output, deadline }, now);
  return true;
}

export function removeCheck(
  state: State,
  index: number,
  node: string,
  id: string,
  now: number,
): void {
  const check = state.checks.get(idOf(node, id));
  if (check === undefined) return;
  state.checks.delete(idOf(node, id));
  state.checkIndex = index;
  touchName(state, index, check.serviceName);
  endSessionsOf(state, index, node, id, now);
}

/** Removes a service and its checks, and with them the sessions that were bound to those. */
export function removeService(
  state: State,
  index: number,
  node: string,
  id: string,
  now: number,
): void {
  const service = state.services.get(idOf(node, id));
  if (service === undefined) return;
  for (const check of checksOf(state, node, id)) removeCheck(state, index, node, check.id, now);
  state.services.delete(idOf(node, id));
  state.serviceIndex = index;
  touchName(state, index, service.name, idOf(node, id));
}

export function removeNode(state: State, index: number, node: string, now: number): void {
  if (!state.nodes.has(node)) return;
  for (const service of state.services.values())
    if (service.node === node) removeService(state, index, node, service.id, now);
  for (const check of state.checks.values())
    if (check.node === node) removeCheck(state, index, node, check.id, now);
  for (const session of state.sessions.values())
    if (session.node === node) endSession(state, index, session.id, now);
  state.nodes.delete(node);
  state.nodeIndex = index;
  state.topics.add("catalog");
}

/** Turns overdue checks critical, drops services that were so for too long, and ends overdue sessions. */
export function expire(state: State, now: number): void {
  for (const check of state.checks.values()) {
    if (check.deadline === null || check.deadline > now) continue;
    const last =
      check.output === "" ? "" : ` (last output before timeout follows): ${check.output}`;
    const output = check.output.startsWith("TTL expired") ? check.output : `TTL expired${last}`;
    write(state, (index) =>
      putCheck(state, index, { ...check, status: "critical", output, deadline: null }, now),
    );
  }
  for (const check of state.checks.values()) {
    if ((dropAt(check) ?? Infinity) > now) continue;
    write(state, (index) => removeService(state, index, check.node, check.serviceId, now));
  }
  for (const session of state.sessions.values()) {
    if (session.deadline !== null && session.deadline <= now)
      write(state, (index) => endSession(state, index, session.id, now));
  }
}

/** When `expire` has something to do next, or null. */
export function nextDeadline(state: State): number | null {
  let next: number | null = null;
  for (const check of state.checks.values())
    next = sooner(sooner(next, check.deadline), dropAt(check));
  for (const session of state.sessions.values()) next = sooner(next, session.deadline);
  return next;
}

/** When the service of this check is dropped, if it stays as it is. */
function dropAt({ dropAfterMs, criticalSince, serviceId }: Check): number | null {
  if (dropAfterMs == null || criticalSince == null || serviceId === "") return null;
  return criticalSince + dropAfterMs;
}

export function checksOf(state: State, node: string, serviceId: string): Check[] {
  return [...state.checks.values()].filter(
    (check) => check.node === node && check.serviceId === serviceId,
  );
}

/** The index of a service's name: of the name while it has instances, else of all the catalog. */
export function nameIndexOf(state: State, name: string): number {
  return (
    state.nameIndex.get(name) ?? Math.max(state.nodeIndex, state.serviceIndex, state.checkIndex)
  );
}

function touchName(state: State, index: number, name: string, leaving?: string): void {
  state.topics.add("catalog");
  if (name === "") return;
  for (const [id, service] of state.services) {
    if (service.name === name && id !== leaving) {
      state.nameIndex.set(name, index);
      return;
    }
  }
  state.nameIndex.delete(name);
}

function sooner(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.min(a, b);
}

function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
