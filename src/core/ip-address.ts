// Whether a text is an address, and not a name: a server that looks names up when it reads its configuration refuses all
// of it for one that nobody knows.

const BYTE = "(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)";
const V4 = new RegExp(`^(?:${BYTE}\\.){3}${BYTE}$`);
const GROUP = /^[\da-f]{1,4}$/i;

/** IPv4, or IPv6 without a zone. */
export function isIpAddress(text: string): boolean {
  return isV4(text) || isV6(text);
}

function isV4(text: string): boolean {
  return V4.test(text) && !/(^|\.)0\d/.test(text);
}

function isV6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2 || !text.includes(":")) return false;
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const all = groups.flat();
  const last = all.at(-1) ?? "";
  // The last two groups may be an IPv4 address.
  const tail = text.endsWith(last) && isV4(last) ? 1 : 0;
  if (!all.slice(0, all.length - tail).every((group) => GROUP.test(group))) return false;
  const count = all.length + tail;
  // `::` stands for one group at least.
  return halves.length === 2 ? count <= 7 : count === 8;
}
