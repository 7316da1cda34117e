// Reads one fact of a program file: which loader the kernel would start it with.
// Needed because a program in a private prefix must be started by that prefix's own loader.
import { closeSync, openSync, readSync } from "node:fs";

const PT_INTERP = 3;

/**
 * The path of the loader that a dynamic ELF program names ("/lib64/ld-linux-x86-64.so.2").
 * Null for scripts, for static programs, and for anything but 64-bit little-endian ELF (x86_64 and aarch64 are that).
 * Throws the file system's error when the file cannot be read.
 */
export function interpreterOf(file: string): string | null {
  const fd = openSync(file, "r");
  try {
    const header = readAt(fd, 0, 64);
    if (header.length < 64 || header.toString("latin1", 0, 6) !== "\x7fELF\x02\x01") return null;
    const tableAt = Number(header.readBigUInt64LE(32));
    const entrySize = header.readUInt16LE(54);
    const table = readAt(fd, tableAt, entrySize * header.readUInt16LE(56));
    for (let at = 0; at + 56 <= table.length; at += entrySize) {
      if (table.readUInt32LE(at) !== PT_INTERP) continue;
      const start = Number(table.readBigUInt64LE(at + 8));
      const size = Number(table.readBigUInt64LE(at + 32));
      return readAt(fd, start, size).toString("utf8").replace(/\0+$/, "");
    }
    return null;
  } finally {
    closeSync(fd);
  }
}

function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
}
