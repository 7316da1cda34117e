// What the development agent answers to a question of DNS: its services and nodes, in Consul's names.
//
//   [TAG.]NAME.service[.dc1].consul     _NAME._TAG.service.consul (RFC 2782; _tcp and _udp are no tags)
//   NODE.node[.dc1].consul              7f000001.addr[.dc1].consul, which SRV answers point to
//
// Only instances without a critical check, in random order, as Consul does by default.
import { isIPv4, isIPv6 } from "node:net";
import {
  hexOfAddress,
  RCODES,
  TYPES,
  type Answer,
  type DnsRecord,
  type Question,
} from "./dns-message.ts";
import { DATACENTER, type CatalogNode, type CatalogService, type State } from "./state.ts";

const DOMAIN = "consul";
const NONE: Answer = { code: RCODES.ok, answers: [], authority: [], additional: [] };

/** Null question: a query that cannot be answered. */
export function answerTo(state: State, question: Question | null): Answer {
  if (question === null) return { ...NONE, code: RCODES.format };
  const labels = question.name.split(".");
  // Not ours, and we ask nobody else.
  if (labels.at(-1) !== DOMAIN) return { ...NONE, code: RCODES.refused };
  if (labels.length === 1) return ofDomain(state, question);
  const found = lookUp(state, question, labels.slice(0, -1));
  if (found === null) return { ...NONE, code: RCODES.noName, authority: [soa(state)] };
  return found.answers.length === 0 ? { ...found, authority: [soa(state)] } : found;
}

function soa({ index }: State): DnsRecord {
  return { name: DOMAIN, type: "SOA", serial: index % 2 ** 32 };
}

function ofDomain(state: State, { type }: Question): Answer {
  const ns: DnsRecord = { name: DOMAIN, type: "NS", target: "ns.consul" };
  if (type === TYPES.SOA) return { ...NONE, answers: [soa(state)], authority: [ns] };
  if (type === TYPES.NS) return { ...NONE, answers: [ns] };
  return { ...NONE, authority: [soa(state)] };
}

const KINDS = ["service", "node", "addr"] as const;

/** Null: there is no such name. */
function lookUp(state: State, question: Question, labels: readonly string[]): Answer | null {
  // The datacenter is behind the kind, where it is named.
  const named = !KINDS.some((kind) => kind === labels.at(-1));
  if (named && labels.at(-1) !== DATACENTER) return null;
  const rest = named ? labels.slice(0, -1) : labels;
  const before = rest.slice(0, -1);
  if (before.length === 0) return null;
  switch (rest.at(-1) ?? "") {
    case "service":
      return ofService(state, question, before);
    case "node":
      return ofNode(state, question, before.join("."));
    case "addr":
      return ofAddress(question, before);
    default:
      return null;
  }
}

/** ["blue", "web"], ["web"] or ["_web", "_blue"]. */
function ofService(state: State, question: Question, labels: readonly string[]): Answer | null {
  const [first = "", second = ""] = labels;
  const rfc2782 = labels.length === 2 && first.startsWith("_") && second.startsWith("_");
  const name = rfc2782 ? first.slice(1) : (labels.at(-1) ?? "");
  const protocol = rfc2782 && (second === "_tcp" || second === "_udp");
  const tag = rfc2782 ? (protocol ? "" : second.slice(1)) : labels.slice(0, -1).join(".");
  const instances = [...state.services.values()].filter(
    (it) =>
      it.name.toLowerCase() === name &&
      (tag === "" || it.tags.some((one) => one.toLowerCase() === tag)) &&
      isHealthy(state, it),
  );
  if (instances.length === 0) return null;
  return question.type === TYPES.SRV
    ? srvAnswer(state, question, shuffled(instances))
    : addressAnswer(state, question, shuffled(instances));
}

function isHealthy(state: State, service: CatalogService): boolean {
  for (const check of state.checks.values())
    if (
      check.status === "critical" &&
      check.node === service.node &&
      (check.serviceId === service.id || check.serviceId === "")
    )
      return false;
  return true;
}

function shuffled<T>(given: readonly T[]): readonly T[] {
  return given
    .map((it) => ({ it, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ it }) => it);
}

function addressOf(state: State, { address, node }: CatalogService): string {
  return address === "" ? (state.nodes.get(node)?.address ?? "") : address;
}

function addressAnswer(
  state: State,
  { name, type }: Question,
  instances: readonly CatalogService[],
): Answer {
  const all = [...new Set(instances.map((it) => addressOf(state, it)))];
  return { ...NONE, answers: all.flatMap((address) => addressRecords(name, address, type)) };
}

/** A host's name in place of an address is handed on: who asks looks it up elsewhere. */
function addressRecords(name: string, address: string, type: number): readonly DnsRecord[] {
  const any = type === TYPES.ANY;
  if (isIPv4(address)) return any || type === TYPES.A ? [{ name, type: "A", address }] : [];
  if (isIPv6(address)) return any || type === TYPES.AAAA ? [{ name, type: "AAAA", address }] : [];
  const follows = any || type === TYPES.A || type === TYPES.AAAA || type === TYPES.CNAME;
  return follows && address !== "" ? [{ name, type: "CNAME", target: address }] : [];
}

function srvAnswer(state: State, { name }: Question, instances: readonly CatalogService[]): Answer {
  const targets = instances.map((it) => ({ it, target: targetOf(state, it) }));
  const seen = new Set<string>();
  const fresh = targets.filter(({ it, target }) => {
    const id = `${target}:${it.port}`;
    return !seen.has(id) && seen.add(id);
  });
  return {
    ...NONE,
    answers: fresh.map(({ it, target }) => ({ name, type: "SRV", port: it.port, target })),
    additional: fresh.flatMap(({ it, target }) =>
      addressRecords(target, addressOf(state, it), TYPES.ANY).filter(
        ({ type }) => type !== "CNAME",
      ),
    ),
  };
}

/** A name with an address: of the node, of the address itself, or the host that the service names. */
function targetOf(state: State, service: CatalogService): string {
  const { address, node } = service;
  if (address === "" || address === state.nodes.get(node)?.address)
    return `${node}.node.${DATACENTER}.${DOMAIN}`;
  if (isIPv4(address) || isIPv6(address))
    return `${hexOfAddress(address)}.addr.${DATACENTER}.${DOMAIN}`;
  return address;
}

function ofNode(state: State, { name, type }: Question, called: string): Answer | null {
  const node = [...state.nodes.values()].find((it) => it.name.toLowerCase() === called);
  if (node === undefined) return null;
  const addresses = addressRecords(name, node.address, type);
  const wanted = type === TYPES.TXT || type === TYPES.ANY;
  const texts = wanted ? textsOf(name, node) : [];
  return { ...NONE, answers: [...addresses, ...texts] };
}

/** RFC 1464: "rack=7"; a key that begins with "rfc1035-" gives its value alone, as in Consul. */
function textsOf(name: string, { meta }: CatalogNode): readonly DnsRecord[] {
  return Object.entries(meta ?? {}).map(([key, value]) => {
    const text = key.startsWith("rfc1035-") ? value : `${key}=${value}`;
    return { name, type: "TXT", text };
  });
}

function ofAddress({ name, type }: Question, labels: readonly string[]): Answer | null {
  const [hex = ""] = labels;
  if (labels.length !== 1 || !/^([0-9a-f]{8}|[0-9a-f]{32})$/.test(hex)) return null;
  const bytes = Buffer.from(hex, "hex");
  const address = bytes.length === 4 ? bytes.join(".") : (hex.match(/.{4}/g) ?? []).join(":");
  return { ...NONE, answers: addressRecords(name, address, type) };
}
