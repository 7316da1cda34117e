// DNS messages (RFC 1035, 2782, 6891), as much as the development agent answers: one question in, records out. Names are
// written in full, without compression: answers stay on this host, and are few.

export const TYPES = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  ANY: 255,
} as const;
const OPT = 41;
const CLASS_IN = 1;

export type Question = { readonly name: string; readonly type: number };

export type Query = {
  readonly id: number;
  readonly recursion: boolean;
  /** Null: none, or more than one, or of another class: it cannot be answered. */
  readonly question: Question | null;
  /** The name as it was written, for the answer's own question. */
  readonly asked: Buffer;
  /** What the client takes by UDP (EDNS), or null: it does not say. */
  readonly udpBytes: number | null;
};

export type DnsRecord =
  | { readonly name: string; readonly type: "A" | "AAAA"; readonly address: string }
  | { readonly name: string; readonly type: "CNAME" | "NS"; readonly target: string }
  | { readonly name: string; readonly type: "TXT"; readonly text: string }
  | { readonly name: string; readonly type: "SOA"; readonly serial: number }
  | { readonly name: string; readonly type: "SRV"; readonly port: number; readonly target: string };

export const RCODES = { ok: 0, format: 1, failure: 2, noName: 3, notBuilt: 4, refused: 5 } as const;

export type Answer = {
  readonly code: number;
  readonly answers: readonly DnsRecord[];
  readonly authority: readonly DnsRecord[];
  readonly additional: readonly DnsRecord[];
};

/** What every answer says of itself where there is no EDNS: the client takes no more by UDP. */
const UDP_BYTES = 512;
/** What we take; loopback carries it whole. */
const OWN_UDP_BYTES = 4096;
const HEADER_BYTES = 12;

/** Null: no query at all, to be ignored. */
export function parseQuery(bytes: Buffer): Query | null {
  if (bytes.length < HEADER_BYTES) return null;
  const flags = bytes.readUInt16BE(2);
  if ((flags & 0x8000) !== 0) return null;
  const base = { id: bytes.readUInt16BE(0), recursion: (flags & 0x0100) !== 0 };
  const unanswerable = { ...base, question: null, asked: Buffer.alloc(0), udpBytes: null };
  const opcode = (flags >> 11) & 15;
  if (opcode !== 0 || bytes.readUInt16BE(4) !== 1) return unanswerable;
  const read = readName(bytes, HEADER_BYTES);
  if (read === null || read.end + 4 > bytes.length) return unanswerable;
  const type = bytes.readUInt16BE(read.end);
  if (bytes.readUInt16BE(read.end + 2) !== CLASS_IN) return unanswerable;
  const asked = bytes.subarray(HEADER_BYTES, read.end + 4);
  const udpBytes = ednsBytes(bytes, read.end + 4);
  return { ...base, question: { name: read.name.toLowerCase(), type }, asked, udpBytes };
}

/** A name without its last dot. A question's name is never compressed. */
function readName(
  bytes: Buffer,
  from: number,
): { readonly name: string; readonly end: number } | null {
  const labels: string[] = [];
  let at = from;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > 63 || at + 1 + length > bytes.length) return null;
    if (length === 0) return { name: labels.join("."), end: at + 1 };
    labels.push(bytes.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
    if (at - from > 255) return null;
  }
}

/** The OPT record stands alone behind the question in every client that we know. */
function ednsBytes(bytes: Buffer, at: number): number | null {
  if (bytes.readUInt16BE(10) !== 1 || at + 11 > bytes.length) return null;
  if (bytes[at] !== 0 || bytes.readUInt16BE(at + 1) !== OPT) return null;
  return Math.max(UDP_BYTES, bytes.readUInt16BE(at + 3));
}

/** Within what the client takes by UDP; what does not fit is left away, and the client is told to ask by TCP. */
export function encodeForUdp(query: Query, answer: Answer): Buffer {
  const limit = Math.min(query.udpBytes ?? UDP_BYTES, OWN_UDP_BYTES);
  const whole = encode(query, answer, false);
  if (whole.length <= limit) return whole;
  const bare = { ...answer, additional: [] };
  const withoutMore = encode(query, bare, false);
  if (withoutMore.length <= limit) return withoutMore;
  let kept = answer.answers.length;
  let bytes: Buffer;
  do {
    kept -= 1;
    bytes = encode(query, { ...bare, answers: answer.answers.slice(0, kept) }, true);
  } while (bytes.length > limit && kept > 0);
  return bytes;
}

export function encodeForTcp(query: Query, answer: Answer): Buffer {
  const bytes = encode(query, answer, false);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function encode(query: Query, answer: Answer, truncated: boolean): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(query.id, 0);
  // An answer, with authority for what it says.
  const flags = 0x8400 | (truncated ? 0x0200 : 0) | (query.recursion ? 0x0100 : 0);
  header.writeUInt16BE(flags | answer.code, 2);
  const edns = query.udpBytes === null ? [] : [optRecord()];
  const additional = [...answer.additional.map(encodeRecord), ...edns];
  header.writeUInt16BE(query.asked.length > 0 ? 1 : 0, 4);
  header.writeUInt16BE(answer.answers.length, 6);
  header.writeUInt16BE(answer.authority.length, 8);
  header.writeUInt16BE(additional.length, 10);
  const records = [...answer.answers, ...answer.authority].map(encodeRecord);
  return Buffer.concat([header, query.asked, ...records, ...additional]);
}

function optRecord(): Buffer {
  const bytes = Buffer.alloc(11);
  bytes.writeUInt16BE(OPT, 1);
  bytes.writeUInt16BE(OWN_UDP_BYTES, 3);
  return bytes;
}

/** TTL 0: whoever asks again gets what is true by then. */
function encodeRecord(record: DnsRecord): Buffer {
  const data = dataOf(record);
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(TYPES[record.type], 0);
  fixed.writeUInt16BE(CLASS_IN, 2);
  fixed.writeUInt32BE(0, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([encodeName(record.name), fixed, data]);
}

function dataOf(record: DnsRecord): Buffer {
  switch (record.type) {
    case "A":
    case "AAAA":
      return addressBytes(record.address);
    case "CNAME":
    case "NS":
      return encodeName(record.target);
    case "TXT":
      return textBytes(record.text);
    case "SOA": {
      const times = Buffer.alloc(20);
      // Refresh, retry, expire and minimum as Consul has them.
      for (const [at, value] of [record.serial, 3600, 600, 86_400, 0].entries())
        times.writeUInt32BE(value, 4 * at);
      return Buffer.concat([encodeName("ns.consul"), encodeName("hostmaster.consul"), times]);
    }
    case "SRV": {
      const head = Buffer.alloc(6);
      for (const [at, value] of [1, 1, record.port].entries()) head.writeUInt16BE(value, 2 * at);
      return Buffer.concat([head, encodeName(record.target)]);
    }
  }
}

function encodeName(name: string): Buffer {
  const labels = name.split(".").filter((label) => label !== "");
  const parts = labels.flatMap((label) => {
    const bytes = Buffer.from(label, "latin1").subarray(0, 63);
    return [Buffer.from([bytes.length]), bytes];
  });
  return Buffer.concat([...parts, Buffer.from([0])]);
}

function textBytes(text: string): Buffer {
  const bytes = Buffer.from(text).subarray(0, 255);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

/** 4 or 16 bytes of an address that node:net calls one. */
function addressBytes(address: string): Buffer {
  if (!address.includes(":")) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail] = address.split("::");
  const groups = (text: string): number[] => (text === "" ? [] : text.split(":").flatMap(groupOf));
  const [before, after] = [groups(head), tail === undefined ? [] : groups(tail)];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  const bytes = Buffer.alloc(16);
  for (const [at, group] of [...before, ...zeros, ...after].entries())
    bytes.writeUInt16BE(group, 2 * at);
  return bytes;
}

/** One group of IPv6; its end may be written as IPv4. */
function groupOf(text: string): number[] {
  if (!text.includes(".")) return [Number.parseInt(text, 16)];
  const [a = 0, b = 0, c = 0, d = 0] = text.split(".").map(Number);
  return [256 * a + b, 256 * c + d];
}

/** As a label of a name: "7f000001". */
export function hexOfAddress(address: string): string {
  return addressBytes(address).toString("hex");
}
