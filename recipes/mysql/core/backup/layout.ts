// Where things lie in the object store. Everything of one cluster id is below one prefix, and a cluster that is made from
// a backup has an id of its own: it never writes among what it came from.

export const CLUSTERS = "clusters/";

export const clusterPrefix = (clusterId: string): string => `${CLUSTERS}${clusterId}/`;
/** Name, id, since when, and what it was restored from: written when the cluster first has something to store. */
export const clusterKey = (clusterId: string): string => `${clusterPrefix(clusterId)}cluster.json`;

export const backupsPrefix = (clusterId: string): string => `${clusterPrefix(clusterId)}backups/`;
export const backupPrefix = (clusterId: string, id: string): string =>
  `${backupsPrefix(clusterId)}${id}/`;
export const manifestKey = (clusterId: string, id: string): string =>
  `${backupPrefix(clusterId, id)}manifest.json`;
export const dataKey = (clusterId: string, id: string): string =>
  `${backupPrefix(clusterId, id)}data`;
export const holdKey = (clusterId: string, id: string): string =>
  `${backupPrefix(clusterId, id)}hold.json`;
export const verdictKey = (clusterId: string, id: string, at: string): string =>
  `${backupPrefix(clusterId, id)}verdicts/${at.replaceAll(":", "")}.json`;

export const binlogsPrefix = (clusterId: string): string => `${clusterPrefix(clusterId)}binlogs/`;
/** The segments' indexes, apart from their data: what lists the archive asks for nothing else. */
export const segmentsPrefix = (clusterId: string): string => `${binlogsPrefix(clusterId)}index/`;
export const segmentDataPrefix = (clusterId: string): string => `${binlogsPrefix(clusterId)}data/`;

export type SegmentPlace = {
  /** Names of files collide after a failover: the server's uuid is in the key. */
  readonly uuid: string;
  /** And after a reset of its binlogs: so is what the head of the file hashes to. */
  readonly file: string;
  readonly head: string;
  readonly from: number;
  readonly to: number;
};

const segmentName = ({ uuid, file, head, from, to }: SegmentPlace): string =>
  `${uuid}/${file}-${head}/${offset(from)}-${offset(to)}`;
const offset = (bytes: number): string => String(bytes).padStart(12, "0");

export const segmentKey = (clusterId: string, place: SegmentPlace): string =>
  `${segmentsPrefix(clusterId)}${segmentName(place)}.json`;
/** `nonce`: no two attempts write the same object, so that no index ever names bytes of another attempt. */
export const segmentDataKey = (clusterId: string, place: SegmentPlace, nonce: string): string =>
  `${segmentDataPrefix(clusterId)}${segmentName(place)}-${nonce}`;

/** Sorts by time: 20261120T145500Z-mysql-2-3f9a. `nonce`: four hex digits. */
export function backupIdOf(startedAt: string, node: string, nonce: string): string {
  return `${startedAt.slice(0, 19).replaceAll(/[-:]/g, "")}Z-${node}-${nonce}`;
}
