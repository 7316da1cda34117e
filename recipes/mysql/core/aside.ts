// Datadirs that were set aside: which of them go, so that the disk never fills and no evidence is lost (PROTOCOL §7
// "Rebuild"). The newest one never goes, nor one whose errant transactions are not extracted.

export type AsideFacts = {
  readonly name: string;
  readonly bytes: number;
  /** Its errant transactions are extracted, or it had none. */
  readonly extracted: boolean;
};

export type RoomFacts = {
  /** Oldest first. */
  readonly aside: readonly AsideFacts[];
  readonly freeBytes: number;
  /** Of this node's last datadir, without its logs; null: there was none. */
  readonly lastBytes: number | null;
};

export type Room = {
  /** Names, oldest first. */
  readonly remove: readonly string[];
  /** What a copy still lacks when all that may go is gone; then nothing goes. */
  readonly missingBytes: number;
};

/** A copy grows while it is made, and its server writes from the start. */
const MARGIN = 1.1;

/** `copyBytes`: what the donor said last time, which is better than this node's old size; null: not known. */
export function makeRoom(
  { aside, freeBytes, lastBytes }: RoomFacts,
  keep: number,
  copyBytes: number | null,
): Room {
  const wanted = Math.ceil((copyBytes ?? lastBytes ?? 0) * MARGIN);
  const beyond = aside.length - Math.max(keep, 1);
  const able = aside.filter((one, at) => at < aside.length - 1 && one.extracted);
  const remove: string[] = [];
  let free = freeBytes;
  for (const one of able) {
    if (aside.indexOf(one) >= beyond && free >= wanted) break;
    remove.push(one.name);
    free += one.bytes;
  }
  return free >= wanted ? { remove, missingBytes: 0 } : { remove: [], missingBytes: wanted - free };
}
