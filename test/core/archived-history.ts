// A made-up history that is archived in pieces, some of which are missing, and backups of some of its moments: what the
// functions of core/backup conclude from the indexes is compared with the history itself.
import fc from "fast-check";
import type { Manifest } from "../../recipes/mysql/core/backup/manifest.ts";
import { timelineOf, type Segment, type Stamp } from "../../recipes/mysql/core/backup/segment.ts";
import { formatGtidSet, gtidSet, type GtidSet } from "../../recipes/mysql/core/gtid.ts";

/** Of which epoch each transaction is says also which server committed it, and in which of its files. */
export type History = {
  readonly stamps: readonly Stamp[];
  readonly segments: readonly Segment[];
  readonly timeline: readonly Segment[];
  readonly backups: readonly Manifest[];
};

export const uuidOf = (epoch: number): string => `0000000${epoch}-0000-4000-8000-000000000000`;

export const setOfStamps = (stamps: readonly Stamp[]): GtidSet =>
  gtidSet(stamps.map(({ gtid }) => gtid).join(","));

export function segmentOf(o: {
  readonly epoch: number;
  readonly file: string;
  readonly from: number;
  readonly to: number;
  readonly before: readonly Stamp[];
  readonly stamps: readonly Stamp[];
}): Segment {
  const { epoch, file, from, to } = o;
  const [first, last] = [o.stamps[0], o.stamps.at(-1)];
  if (first === undefined || last === undefined) throw new Error("a segment without transactions");
  return {
    format: 1,
    server: { uuid: uuidOf(epoch), flavor: "mysql", version: "9.7.4" },
    epoch,
    file,
    head: "0",
    from,
    to,
    previous: formatGtidSet(setOfStamps(o.before)),
    added: formatGtidSet(setOfStamps(o.stamps)),
    transactions: o.stamps.length,
    first,
    last,
    latest: Math.max(...o.stamps.map(({ at }) => at)),
    rawBytes: to - from,
    compression: { name: "zstd", level: 1 },
    encryption: null,
    data: { key: `${epoch}/${file}/${from}`, bytes: 1, sha256: "", parts: [] },
  };
}

export function backupOf(id: string, stamps: readonly Stamp[]): Manifest {
  return {
    format: 1,
    id,
    cluster: { name: "shop", id: "c" },
    node: { name: "n", uuid: "u", role: "replica" },
    epoch: 1,
    engine: { name: "clone", version: "9.7.4" },
    server: { flavor: "mysql", version: "9.7.4" },
    kind: "full",
    parent: null,
    lsn: null,
    gtid: formatGtidSet(setOfStamps(stamps)),
    binlog: null,
    startedAt: `2026-01-01T00:00:00.${id}Z`,
    finishedAt: `2026-01-01T00:00:00.${id}Z`,
    rawBytes: 1,
    stream: "tar",
    compression: null,
    encryption: null,
    data: { key: "k", bytes: 1, sha256: "", parts: [] },
  };
}

/** Pieces: how many transactions each, and whether a new file or a new epoch begins with it. */
const piece = fc.record({
  transactions: fc.integer({ min: 1, max: 4 }),
  begins: fc.constantFrom("nothing", "nothing", "file", "epoch"),
});
const holes = fc.subarray([0, 1, 2, 3, 4, 5, 6, 7], { maxLength: 2 });

export const history = fc
  .record({
    pieces: fc.array(piece, { minLength: 1, maxLength: 8 }),
    holes,
    backups: fc.array(fc.nat({ max: 32 }), { maxLength: 4 }),
    steps: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 40, maxLength: 40 }),
  })
  .map(({ pieces, holes: missing, backups, steps }): History => {
    const stamps: Stamp[] = [];
    const segments: Segment[] = [];
    let [epoch, file, from, n, at] = [1, 1, 4, 0, 1_000];
    for (const [index, { transactions, begins }] of pieces.entries()) {
      if (begins !== "nothing") [file, from] = [file + 1, 4];
      if (begins === "epoch") [epoch, n] = [epoch + 1, 0];
      const before = [...stamps];
      const own: Stamp[] = [];
      for (let i = 0; i < transactions; i++) {
        n += 1;
        at += steps[stamps.length + own.length] ?? 1;
        own.push({ gtid: `${uuidOf(epoch)}:${n}`, at });
      }
      const to = from + transactions;
      const name = `binlog.${String(file).padStart(6, "0")}`;
      if (!missing.includes(index))
        segments.push(segmentOf({ epoch, file: name, from, to, before, stamps: own }));
      stamps.push(...own);
      from = to;
    }
    const taken = backups.map((many, id) =>
      backupOf(String(id).padStart(3, "0"), stamps.slice(0, many)),
    );
    return { stamps, segments, timeline: timelineOf(segments), backups: taken };
  });
