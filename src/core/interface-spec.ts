// Which address a service advertises: "eth0", "eth0:inet6", "eth0[1]", "10.0.0.0/16", "inet", "static:10.0.0.7".

export type InterfaceSpec =
  /** `name` null: any interface but the loopback. */
  | { readonly kind: "family"; readonly name: string | null; readonly family: 4 | 6 }
  /** From 0, over the interface's addresses in their order. */
  | { readonly kind: "index"; readonly name: string; readonly index: number }
  | { readonly kind: "network"; readonly cidr: string }
  | { readonly kind: "static"; readonly address: string };

// ContainerPilot took \w only: bridges and VLANs (br-1a2b, eth0.100) could not be named.
const NAMED = /^([\w.@-]{1,64}?)(?:\[(\d{1,4})\]|:(inet6?))?$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

/** null: it is none. */
export function parseInterfaceSpec(text: string): InterfaceSpec | null {
  if (text === "inet" || text === "inet6")
    return { kind: "family", name: null, family: text === "inet" ? 4 : 6 };
  if (text.startsWith("static:")) {
    const address = text.slice("static:".length);
    return isAddress(address) ? { kind: "static", address } : null;
  }
  if (text.includes("/")) return isNetwork(text) ? { kind: "network", cidr: text } : null;
  // A bare address would be taken for a name.
  if (isAddress(text)) return null;
  const [, name, index, family] = NAMED.exec(text) ?? [];
  if (name === undefined) return null;
  if (index !== undefined) return { kind: "index", name, index: Number(index) };
  return { kind: "family", name, family: family === "inet6" ? 6 : 4 };
}

function isNetwork(text: string): boolean {
  const [address = "", bits = "", ...more] = text.split("/");
  const most = IPV4.test(address) ? 32 : 128;
  return more.length === 0 && isAddress(address) && /^\d{1,3}$/.test(bits) && Number(bits) <= most;
}

function isAddress(text: string): boolean {
  return IPV4.test(text) || isIpv6(text);
}

function isIpv6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2 || !text.includes(":")) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  const dotted = groups.at(-1)?.includes(".") === true;
  if (dotted && !IPV4.test(groups.at(-1) ?? "")) return false;
  const words = dotted ? groups.slice(0, -1) : groups;
  const count = words.length + (dotted ? 2 : 0);
  if (!words.every((word) => /^[\da-fA-F]{1,4}$/.test(word))) return false;
  return halves.length === 2 ? count < 8 : count === 8;
}
