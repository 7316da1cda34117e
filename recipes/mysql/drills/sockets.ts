// Who is at the other end of a connection on this machine, as the kernel tells it: the peer's port leads to the socket's
// inode in /proc/net/tcp, and the inode to the process that has it open.
import { connect } from "node:net";
import { readdirSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";

/** One line of /proc/net/tcp: hexadecimal "ADDRESS:PORT", little endian. */
type Line = {
  readonly local: string;
  readonly remote: string;
  readonly inode: string;
};

async function lines(): Promise<readonly Line[]> {
  // Not at once: the kernel takes milliseconds for a long list, in which nothing would be relayed.
  const text = await readFile("/proc/net/tcp", "latin1");
  return text
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const columns = line.trim().split(/\s+/);
      const [local, remote, inode] = [columns[1], columns[2], columns[9]];
      return local && remote && inode ? [{ local, remote, inode }] : [];
    });
}

function hex(host: string, port: number): string {
  const bytes = host.split(".").toReversed().map(Number);
  const address = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${address}:${port.toString(16).padStart(4, "0")}`.toUpperCase();
}

type End = { readonly host: string; readonly port: number };

/** Whether somebody listens there: a connection is made, and ended at once. */
export function isListening(address: End): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.on("connect", () => done(true));
    socket.on("error", () => done(false));
  });
}

/** What names the socket whose own end is `peer` and whose other end is `here`; null: nobody has it open any more. */
export async function socketOf(peer: End, here: End): Promise<string | null> {
  const [own, other] = [hex(peer.host, peer.port), hex(here.host, here.port)];
  const found = (await lines()).find(({ local, remote }) => local === own && remote === other);
  return found === undefined || found.inode === "0" ? null : `socket:[${found.inode}]`;
}

/** Whether one of these processes has it open. */
export function isOwned(socket: string, pids: readonly number[]): boolean {
  return pids.some((pid) => filesOf(pid).includes(socket));
}

function filesOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  } catch {
    return []; // ended between the look and this one: it owns nothing
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed between the listing and the look
  }
}
