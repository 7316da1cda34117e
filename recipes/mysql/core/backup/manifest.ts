// What a backup is: the facts that its manifest holds, as plain data. A backup exists when its manifest does, and not
// before: everything else below its prefix is garbage.

/** What made the image. */
export type EngineName = "clone" | "xtrabackup" | "mariadb-backup";

export type Flavor = "mysql" | "percona" | "mariadb";

export type ServerVersion = { readonly flavor: Flavor; readonly version: string };

/** Where the image stands in the binlogs of the server that it was taken from. */
export type BinlogPosition = { readonly file: string; readonly position: number };

/** The one object that holds the image, as it lies in the store. */
export type StoredData = {
  readonly key: string;
  readonly bytes: number;
  readonly sha256: string;
  /** In order; what a download is checked by, piece by piece. */
  readonly parts: readonly { readonly bytes: number; readonly sha256: string }[];
};

export type Manifest = {
  readonly format: 1;
  readonly id: string;
  readonly cluster: { readonly name: string; readonly id: string };
  /** Of the node whose data it is. */
  readonly node: { readonly name: string; readonly uuid: string; readonly role: string };
  /** The epoch that the node followed. */
  readonly epoch: number;
  readonly engine: { readonly name: EngineName; readonly version: string };
  readonly server: ServerVersion;
  readonly kind: "full" | "incremental";
  /** Of an incremental: the backup that it rests on. */
  readonly parent: string | null;
  /** InnoDB's log sequence numbers, where the engine tells them; decimal. */
  readonly lsn: { readonly from: string; readonly to: string } | null;
  /** MySQL: gtid_executed of the image. MariaDB: gtid_slave_pos. */
  readonly gtid: string;
  readonly binlog: BinlogPosition | null;
  /** Wall clock, ISO 8601 in UTC. */
  readonly startedAt: string;
  readonly finishedAt: string;
  /** Of the stream before compression. */
  readonly rawBytes: number;
  /** Format of the stream: what unpacks it. */
  readonly stream: "tar" | "xbstream" | "mbstream";
  readonly compression: { readonly name: "zstd"; readonly level: number } | null;
  readonly encryption: { readonly name: "age"; readonly recipients: readonly string[] } | null;
  readonly data: StoredData;
};

/** What a verification found out. Each is an object of its own: a manifest never changes. */
export type Verdict = {
  readonly format: 1;
  readonly backup: string;
  readonly at: string;
  readonly node: string;
  readonly ok: boolean;
  /** What was found, one sentence each. */
  readonly problems: readonly string[];
  /** From an empty directory to a server that answers, ms; null: it never did. */
  readonly restoreMs: number | null;
  readonly gtid: string | null;
};

/** A backup as the catalogue lists it. */
export type CatalogEntry = {
  readonly manifest: Manifest;
  /** Newest first. */
  readonly verdicts: readonly Verdict[];
  /** Why it must be kept, or null. */
  readonly hold: string | null;
};
