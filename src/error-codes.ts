// The table of stable codes: `autopilot explain CODE` prints it, and a test holds it and README's list together.
// A code is never renamed or reused; its text may become better.

import { STORAGE_CODES } from "./error-codes-of-storage.ts";

export type ErrorEntry = {
  /** What the code means, one sentence. */
  readonly means: string;
  /** What to do about it, one sentence. */
  readonly hint: string;
};

const table = {
  ...STORAGE_CODES,
  AP_ACCOUNT_TOO_STRONG: {
    means: "An account that applications use may write past a fence or past the binary log.",
    hint: "revoke SUPER, CONNECTION_ADMIN and the like, or lock the account; root@localhost is not counted",
  },
  AP_ADOPT_REFUSED: {
    means: "This Consul cannot be adopted, or not without a loss that nobody has accepted.",
    hint: 'the reasons are listed; README\'s runbook "Consul lost its data" says what to do in which order',
  },
  AP_ALONE: {
    means: "The primary's writes are on its disk only, and nobody else may be promoted.",
    hint: "start a replica; it becomes a voter by itself once it has caught up",
  },
  AP_BUG_INVARIANT: {
    means: "Something that must always hold did not: a bug of autopilot.",
    hint: "report it with the black box file that the log names; the node fenced itself",
  },
  AP_CLUSTER_NOT_FOUND: {
    means: "No local cluster in this directory and no Consul address to ask.",
    hint: "run `autopilot up` first, or give --dir or CONSUL_HTTP_ADDR",
  },
  AP_CLUSTER_RUNNING: {
    means: "Another `autopilot up` runs in this directory.",
    hint: "use it, stop it with `autopilot stop`, or give another --dir",
  },
  AP_CONFIG_INVALID: {
    means: "The configuration has unknown, mistyped or contradictory values.",
    hint: "correct each listed path; `autopilot config check FILE` shows all of them",
  },
  AP_CONFIG_UNREADABLE: {
    means: "The configuration, or a file that it names, cannot be read or parsed.",
    hint: "check the path, its permissions and its JSON5 syntax",
  },
  AP_CONSUL_DENIED: {
    means: "Consul refused the ACL token.",
    hint: "give a token with key, session and service rights in CONSUL_HTTP_TOKEN or CONSUL_HTTP_TOKEN_FILE; the file is read again at each refusal",
  },
  AP_CONSUL_UNREACHABLE: {
    means: "No Consul agent answers at the configured addresses.",
    hint: "check CONSUL_HTTP_ADDR and that the agent runs; autopilot waits and goes on when it comes",
  },
  AP_CONTROL_UNREACHABLE: {
    means: "The node's control socket does not answer.",
    hint: "the node is not running; start it with `autopilot node start NAME`",
  },
  AP_DATADIR_FOREIGN: {
    means: "The data directory holds something that is not a datadir of this cluster.",
    hint: "point `datadir` at an empty directory; autopilot never deletes data that it does not know",
  },
  AP_DATADIR_OTHER_CLUSTER: {
    means: "The datadir belongs to another cluster id than Consul's.",
    hint: "give the right Consul and cluster name, or move the datadir away",
  },
  AP_DATADIR_TWICE: {
    means: "Another node runs a datadir with the same server_uuid: one is a copy of the other.",
    hint: "stop the one that is wrong; a copy is no replica: empty its directory, and it is provisioned under an identity of its own",
  },
  AP_DATADIR_UNWRITABLE: {
    means: "The data directory cannot be written.",
    hint: "check its owner and permissions, and that its file system is not read-only or full",
  },
  AP_DISK_FULL: {
    means:
      "The file system of the node's data has less than 64 MiB left; a commit that finds no room waits.",
    hint: "make room, or grow the volume; with room on another voter's disk that one takes over",
  },
  AP_DISK_SPACE: {
    means: "There is no room for a copy of the data, and no old datadir that may go.",
    hint: "make room on the node's file system; what is in its `aside/` and `errant/` is yours to move away",
  },
  AP_DRILL_TARGET: {
    means: "The drill's target cannot be made here.",
    hint: "use --target local: real agents and servers as processes of this machine",
  },
  AP_ETCD_DENIED: {
    means: "The user, or what it may do, was refused by etcd.",
    hint: "give a user with read and write rights on the keys that are used, in ETCDCTL_USER and ETCDCTL_PASSWORD or etcd.user and etcd.passwordFile",
  },
  AP_ETCD_FULL: {
    means: "The database of etcd has reached its quota and takes no writes.",
    hint: "compact and defragment it, or raise --quota-backend-bytes, then `etcdctl alarm disarm`",
  },
  AP_ETCD_UNREACHABLE: {
    means: "No etcd member answers at the configured endpoints, or they have no leader.",
    hint: "check etcd.endpoints or ETCDCTL_ENDPOINTS and that a majority of the members runs; autopilot waits and goes on when it comes",
  },
  AP_EXPLAIN_UNKNOWN: {
    means: "There is no such error code.",
    hint: "`autopilot explain` without a code lists them all",
  },
  AP_FAILOVER_REFUSED: {
    means: "No primary can be elected now, or there is one.",
    hint: "the reasons are listed; a living primary is handed over by `autopilot switchover`",
  },
  AP_FAILSAFE: {
    means:
      "Consul does not answer; the primary stays because its voters acknowledge its heartbeats.",
    hint: "bring Consul back: until then no failover is possible",
  },
  AP_MYSQLD_EXITED: {
    means: "mysqld ended while it was needed.",
    hint: "read the last lines of its error log, which the message names",
  },
  AP_MYSQLD_TIMEOUT: {
    means: "mysqld did not answer within the limit.",
    hint: "look at the server's load, its disk and its error log",
  },
  AP_NODE_ENDED: {
    means:
      "All agents of the local cluster ended by themselves, and at least one did not end well.",
    hint: "read the last lines of DIR/nodes/NAME/agent.log",
  },
  AP_NODE_RUNNING: {
    means: "Another agent runs this node already.",
    hint: "stop it with `autopilot node stop NAME`, or give this one another directory",
  },
  AP_NODE_UNKNOWN: {
    means: "The cluster has no node of that name.",
    hint: "`autopilot status` lists the nodes",
  },
  AP_NOT_BUILT: {
    means: "This version of autopilot cannot do that yet.",
    hint: "README says what it can do",
  },
  AP_OUTCOME_TIMEOUT: {
    means: "The recorded wish had no outcome within the limit.",
    hint: "`autopilot status` says what each node waits for; the wish was taken back",
  },
  AP_PORT_IN_USE: {
    means: "A port that the node needs is taken.",
    hint: "stop what listens there, or choose another --base-port",
  },
  AP_PROVISION_FAILED: {
    means: "Making this node's data failed; the half-made datadir is never used.",
    hint: "the message says why (disk full, donor gone); it is tried again with back-off",
  },
  AP_REBUILD_REFUSED: {
    means: "The node cannot be rebuilt safely now.",
    hint: "the reasons are listed; `autopilot status` shows when they are gone",
  },
  AP_RENDER_COMMAND: {
    means: "The command of a rendered file failed, or did not end in time.",
    hint: "run it by hand; the new file is in place, and the command is run again after a while",
  },
  AP_RENDER_WAITS: {
    means: "A template could not be rendered in time: something that it asks for gave no answer.",
    hint: "check Consul and the named keys; `keyOrDefault` does not wait for a key, `--limit` waits longer",
  },
  AP_RENDER_WRITE: {
    means: "A rendered file cannot be written; what was there is unchanged.",
    hint: "check that its directory exists, may be written to, and has room",
  },
  AP_REPORT_OTHER: {
    means: "The drill report to go on with was made with other versions, or on another machine.",
    hint: "begin a new report; figures of two builds or machines are never mixed",
  },
  AP_REPORT_UNUSABLE: {
    means: "A drill report cannot be read, is not one of this version, or cannot be written.",
    hint: "check the path; give --resume the JSON file that an earlier drill wrote",
  },
  AP_RUNNER_STOPPING: {
    means: "The runner is being stopped and takes no new configuration.",
    hint: "start it again with the new one",
  },
  AP_SECRET_UNREADABLE: {
    means: "A secret's file cannot be read, is empty, or others may read it.",
    hint: "check the path; nobody else may read a secret (mode 0600)",
  },
  AP_SPAWN_FAILED: {
    means: "A program could not be started.",
    hint: "the message names the program and the system's reason",
  },
  AP_STATE_OLDER: {
    means:
      "Consul's state is older than what this node has already seen: it was wiped or restored.",
    hint: "check which Consul this is: give back the right one, or run `autopilot adopt`; until then nothing is changed",
  },
  AP_SWITCHOVER_REFUSED: {
    means: "The switchover cannot be done safely now.",
    hint: "the reasons are listed; `autopilot status` shows when they are gone",
  },
  AP_TABLE_NOT_TRANSACTIONAL: {
    means:
      "Tables of another engine than InnoDB: their writes are not protected by acknowledgements.",
    hint: "ALTER TABLE … ENGINE=InnoDB",
  },
  AP_TABLE_WITHOUT_KEY: {
    means: "Tables without a primary or unique key: replicas apply their changes by scanning them.",
    hint: "add a primary key; an invisible column will do",
  },
  AP_TEMPLATE_INVALID: {
    means: "A template cannot be parsed or rendered.",
    hint: "the message gives line and column; the language is Go's text/template, see README",
  },
  AP_TOOL_MISSING: {
    means: "A program that the recipe needs is not here and cannot be fetched.",
    hint: "install it as the message says",
  },
  AP_TOOL_UNUSABLE: {
    means: "The program that was named explicitly cannot be used.",
    hint: "unset the variable, or point it at a supported version",
  },
  AP_UP_TIMEOUT: {
    means: "The cluster did not become ready within the limit.",
    hint: "the nodes' last sentences say what they wait for; their logs are below DIR/nodes",
  },
  AP_USAGE: {
    means: "The command was typed wrongly.",
    hint: "see `autopilot --help`",
  },
  AP_VERB_FAILED: {
    means: "The node refused or failed the verb.",
    hint: "the message says why",
  },
  AP_VOTER_AMNESIAC: {
    means: "A voter cannot prove what it has acknowledged; its promise does not count.",
    hint: "nothing: the primary removes it from V and admits it anew, where V can spare it",
  },
  AP_WRITES_BLOCKED: {
    means: "Commits on the primary wait: no voter acknowledges, or the disk is full.",
    hint: "look at the replicas and at the disk; after aloneAfter the primary goes on alone, where minAcks allows it",
  },
  AP_XA_PREPARED: {
    means: "Prepared XA transactions hold locks on the primary.",
    hint: "XA RECOVER lists them; commit or roll back those that nobody will end",
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof table;
/** In alphabetical order. */
export const ERROR_CODES = Object.fromEntries(
  Object.entries(table).toSorted(([a], [b]) => (a < b ? -1 : 1)),
) as Readonly<Record<ErrorCode, ErrorEntry>>;
