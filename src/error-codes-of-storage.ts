// The codes of object stores, backups, archives and restores: a part of the table in error-codes.ts.
import type { ErrorEntry } from "./error-codes.ts";

export const STORAGE_CODES = {
  AP_ARCHIVE_DIVERGED: {
    means:
      "The archive holds transactions under names that this server gives, or will give, to others: its binary logs were reset.",
    hint: "switch over and rebuild this node, so that it gets a new uuid; until then nothing of it is archived",
  },
  AP_ARCHIVE_GAP: {
    means:
      "Transactions were purged before they were archived: what came after them cannot be recovered yet.",
    hint: "a full backup closes the gap; look at why the archive was behind",
  },
  AP_ARCHIVE_LATE: {
    means: "The archive of binary logs is behind by more than it may be.",
    hint: "look at the object store and the network: it goes on by itself, and no binary log is purged before",
  },
  AP_ARCHIVE_UNREADABLE: {
    means:
      "The server's binary logs cannot be archived: encrypted, without GTIDs, or not to be read.",
    hint: "the message says which; the archive encrypts by itself, with age",
  },
  AP_BACKUP_CHAIN: {
    means: "An incremental backup does not fit onto the one that it should rest on.",
    hint: "restore another backup of the list; the next full backup begins a new chain",
  },
  AP_BACKUP_CLUSTER: {
    means:
      "The object store holds backups of several clusters, of none, or not of the one that was named.",
    hint: "give --cluster with a name or an id; the message lists those that are there",
  },
  AP_BACKUP_DAMAGED: {
    means: "A backup, or its manifest, is not what was written.",
    hint: "do not use it; `autopilot backup list` shows the others, and `autopilot objects check` the store",
  },
  AP_BACKUP_ENGINE_FAILED: {
    means:
      "The program that makes the image of the server's data failed; nothing of it is listed as a backup.",
    hint: "the message has its last words; the next scheduled backup begins anew",
  },
  AP_BACKUP_FAILING: {
    means: "Backups have failed since the last good one; they are tried again, later each time.",
    hint: "`autopilot status` says why and on which node; DIR/backup/backup/worker.log has the worker's last words",
  },
  AP_BACKUP_IDENTITY: {
    means: "The backup is encrypted, and no identity that fits it was given.",
    hint: "give the file (mode 0600) with the age identity of one of the backup's recipients",
  },
  AP_BACKUP_NEWER: {
    means: "A manifest was written by a newer version of autopilot.",
    hint: "use that version, or a later one; this one neither reads nor deletes it",
  },
  AP_BACKUP_NOT_CONFIGURED: {
    means: "The cluster has no object store for backups.",
    hint: "set `mysql.backup.to` on every node, or give `autopilot up` --objects",
  },
  AP_BACKUP_NOT_CONFIRMED: {
    means:
      "No open primary has all transactions of the image: some were never acknowledged, or nobody can tell now.",
    hint: "nothing: it is not listed, and another one is made as soon as the cluster has a primary",
  },
  AP_BACKUP_NO_ENGINE: {
    means: "No backup engine fits this server.",
    hint: "the reasons are listed; install the XtraBackup of the server's series, or let the server load its clone plugin",
  },
  AP_BACKUP_RECIPIENTS: {
    means: "The file of recipients for encryption cannot be read, or names none.",
    hint: "one age recipient (age1…) a line; `age-keygen -y` prints that of an identity",
  },
  AP_BACKUP_RETENTION: {
    means: "The retention is none: it would delete everything, or a number of it is wrong.",
    hint: "keep at least one: last, daily, weekly or monthly",
  },
  AP_BACKUP_SPACE: {
    means:
      "There is no room for the copy of the data that a clone backup makes before it is stored.",
    hint: "make room on the node's file system, or install XtraBackup, which needs no copy",
  },
  AP_BACKUP_STORE: {
    means: "No object store was named.",
    hint: "give --store s3://bucket/prefix or a directory, or set AUTOPILOT_MYSQL_BACKUP_TO",
  },
  AP_BACKUP_UNKNOWN: {
    means: "There is no such backup, or it went away meanwhile.",
    hint: "`autopilot backup list` shows those that are there",
  },
  AP_BACKUP_UNPACK: {
    means: "A backup's image could not be made into a datadir.",
    hint: "the message has the reason; what was written so far is no datadir, remove it and try again, or restore another backup",
  },
  AP_BACKUP_WORKER: {
    means:
      "The process that makes, verifies or archives backups ended without a word, or could not be started.",
    hint: "the message names its log; look for the kernel's OOM killer",
  },
  AP_BACKUP_ZSTD_FAILED: {
    means: "The zstd program ended early, or could not be started.",
    hint: "look whether something killed it (memory); nothing was listed, and the next backup begins anew",
  },
  AP_OBJECTS_ADDRESS: {
    means: "The address of the object store, or a setting beside it, is malformed.",
    hint: "write s3://bucket/prefix?region=…&endpoint=… or a directory's path; README lists the parameters",
  },
  AP_OBJECTS_BUCKET: {
    means: "The bucket, or the store's directory, does not exist.",
    hint: "create it, or correct the name in the address",
  },
  AP_OBJECTS_BUSY: {
    means: "The object store is overloaded or failing; it was asked again many times.",
    hint: "wait, or look at the store's own health; what was begun is aborted and nothing half-written is visible",
  },
  AP_OBJECTS_CLOCK: {
    means: "The object store refuses requests because this machine's clock differs from its own.",
    hint: "set the clock right (NTP) here or there; S3 accepts 15 minutes of difference",
  },
  AP_OBJECTS_CONFLICT: {
    means:
      "Another writer was there first: the object exists, or is not the one that was expected.",
    hint: "look at what is there now and decide again; nothing was written",
  },
  AP_OBJECTS_CREDENTIALS: {
    means: "There are no access keys for the object store, or it does not accept them.",
    hint: "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile, or the file of `credentials=`",
  },
  AP_OBJECTS_DAMAGED: {
    means: "Bytes of an object are not the ones that were written.",
    hint: "do not use the object; if it happens with every object, look at the network and the store's disks",
  },
  AP_OBJECTS_DENIED: {
    means: "The access keys may not read there.",
    hint: "give them the rights to list and get objects of the bucket and its prefix",
  },
  AP_OBJECTS_ENDPOINT: {
    means: "What answers at the endpoint is not an S3 store, or not in a way that can be trusted.",
    hint: "check the endpoint's scheme, host, port and certificate",
  },
  AP_OBJECTS_FULL: {
    means: "The object store has no room, or a quota is reached.",
    hint: "make room or raise the quota; nothing half-written is visible",
  },
  AP_OBJECTS_LIMIT: {
    means: "An object, its key or its number of parts is beyond what stores take.",
    hint: "give a better estimate of the size, or divide the object",
  },
  AP_OBJECTS_MISSING: {
    means: "An object, or an upload under way, that was there is gone.",
    hint: "look at what else deletes there: a life cycle rule, another cluster, a person",
  },
  AP_OBJECTS_READONLY: {
    means: "The object store does not let us write there.",
    hint: "give the access keys the rights to put and delete objects and to abort uploads, or make the directory writable",
  },
  AP_OBJECTS_REGION: {
    means: "The bucket is in another region than the address says.",
    hint: "correct `region=` in the address, or AWS_REGION",
  },
  AP_OBJECTS_TRUNCATED: {
    means: "An object's body ended before its end, again and again.",
    hint: "look at proxies and load balancers between here and the store",
  },
  AP_OBJECTS_UNFIT: {
    means: "The object store lacks something that backups need.",
    hint: "use a store with conditional writes: AWS, Ceph RGW, SeaweedFS, versitygw; `autopilot objects check` shows what is missing",
  },
  AP_OBJECTS_UNREACHABLE: {
    means: "The object store does not answer.",
    hint: "check the endpoint, the network and that the store runs; what was begun is aborted or swept later",
  },
  AP_RESTORE_FAILED: {
    means: "The restored server did not start, or did not take the archived transactions.",
    hint: "the message has its own words; what was made so far is removed by the next try",
  },
  AP_RESTORE_GAP: {
    means: "The archive lacks transactions between every backup and the target.",
    hint: "choose a moment that can be recovered: the reasons list them",
  },
  AP_RESTORE_INTO: {
    means: "The directory to restore into is not empty, or cannot be used.",
    hint: "give a directory that does not exist or is empty: restoring overwrites nothing",
  },
  AP_RESTORE_TARGET: {
    means: "The moment or the transaction to restore to is not one that can be recovered.",
    hint: "the reasons list what can be recovered",
  },
  AP_RESTORE_VERSION: {
    means: "The backup is of another series of the server than the one here.",
    hint: "restore with the backup's own series, then upgrade the server in place; AUTOPILOT_MYSQLD names a mysqld",
  },
} as const satisfies Record<string, ErrorEntry>;
