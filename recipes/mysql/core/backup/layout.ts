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

/** Binlogs of one server_uuid: file names of different servers collide after a failover. */
export const binlogsPrefix = (clusterId: string): string => `${clusterPrefix(clusterId)}binlogs/`;

/** Sorts by time: 20261120T145500Z-mysql-2-3f9a. `nonce`: four hex digits. */
export function backupIdOf(startedAt: string, node: string, nonce: string): string {
  return `${startedAt.slice(0, 19).replaceAll(/[-:]/g, "")}Z-${node}-${nonce}`;
}
