// The address that a service advertises: the first of its specifications that some interface of this machine matches.
// Interfaces are in the order of their names, their addresses in the order of their bytes, IPv4 as ::ffff:a.b.c.d.
import { BlockList, isIPv4 } from "node:net";
import { networkInterfaces, type NetworkInterfaceInfo } from "node:os";
import type { InterfaceSpec } from "../core/interface-spec.ts";
import { ConfigError } from "../errors.ts";

type Found = { readonly name: string; readonly address: string; readonly isLoopback: boolean };

/** Errors: ConfigError AP_CONFIG_INVALID with what was looked for and what there is. */
export function addressFor(
  who: string,
  specs: readonly InterfaceSpec[],
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): string {
  const all = inOrder(interfaces);
  for (const spec of specs) {
    const address = matching(spec, all);
    if (address !== null) return address;
  }
  const wanted = specs.map(printed).join(", ");
  const found = all.map(({ name, address }) => `${name}:${address}`).join(", ");
  const why = `${who}: none of the interface specifications were able to match. Specifications: [${wanted}]. Interfaces IPs: [${found}]`;
  throw new ConfigError("AP_CONFIG_INVALID", why);
}

function inOrder(interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>): readonly Found[] {
  return Object.entries(interfaces)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, addresses = []]) =>
      addresses
        .map(({ address, internal }) => ({ name, address, isLoopback: internal }))
        .toSorted((a, b) => (bytesOf(a.address) < bytesOf(b.address) ? -1 : 1)),
    );
}

function matching(spec: InterfaceSpec, all: readonly Found[]): string | null {
  switch (spec.kind) {
    case "static":
      return spec.address;
    case "network":
      return all.find(({ address }) => isWithin(address, spec.cidr))?.address ?? null;
    case "index":
      return all.filter(({ name }) => name === spec.name)[spec.index]?.address ?? null;
    case "family": {
      const fits = ({ name, address, isLoopback }: Found): boolean =>
        (spec.name === null ? !isLoopback : name === spec.name) &&
        isIPv4(address) === (spec.family === 4);
      return all.find(fits)?.address ?? null;
    }
  }
}

function isWithin(address: string, cidr: string): boolean {
  const [network = "", bits = ""] = cidr.split("/");
  if (isIPv4(network) !== isIPv4(address)) return false;
  const list = new BlockList();
  const family = isIPv4(network) ? "ipv4" : "ipv6";
  list.addSubnet(network, Number(bits), family);
  return list.check(address, family);
}

/** Sixteen bytes as a text that sorts as they do. */
function bytesOf(address: string): string {
  if (isIPv4(address)) {
    const hex = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
    return `${"0".repeat(20)}ffff${hex.join("")}`;
  }
  const [before = "", after] = address.split("%")[0]?.split("::") ?? [];
  const head = before === "" ? [] : before.split(":");
  const tail = after === undefined || after === "" ? [] : after.split(":");
  const missing = after === undefined ? 0 : 8 - head.length - tail.length;
  const groups = [...head, ...Array.from({ length: missing }, () => "0"), ...tail];
  return groups.map((group) => group.padStart(4, "0")).join("");
}

function printed(spec: InterfaceSpec): string {
  if (spec.kind === "static") return `static:${spec.address}`;
  if (spec.kind === "network") return spec.cidr;
  if (spec.kind === "index") return `${spec.name}[${spec.index}]`;
  const family = spec.family === 4 ? "inet" : "inet6";
  return spec.name === null ? family : `${spec.name}:${family}`;
}
