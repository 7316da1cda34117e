// The numbers of a node and of its cluster's backups for Prometheus, from memory alone. Plain text: the library for it
// would stay in the agent's memory for months, and counts what we count anyway.
import { backupNumbers, type BackupFacts } from "./core/backup/summary.ts";
import { alertsOf } from "./core/alerts.ts";
import type { Observation, Role } from "./core/observation.ts";
import { epochOf, roleOf } from "./core/report.ts";

const ROLES: readonly Role[] = [
  "primary",
  "replica",
  "candidate",
  "fenced",
  "provisioning",
  "stopped",
  "unknown",
];

type Sample = readonly [name: string, help: string, value: number | null];

/** `o` null: nothing is known of the node, or what was known is too old. `backups` null: none are configured. */
export function metrics(o: Observation | null, backups: BackupFacts | null): string {
  const role = o === null ? "unknown" : roleOf(o);
  const roles = ROLES.map((one) => `autopilot_role{role="${one}"} ${Number(one === role)}`);
  const numbers = [
    ...(o === null ? [] : nodeNumbers(o)),
    ...(backups === null ? [] : backupSamples(backups)),
  ];
  return [
    ...headOf("autopilot_role", "1 for what the node is."),
    ...roles,
    // What is not known is left out: no number says it.
    ...numbers.flatMap(([name, help, value]) =>
      value === null ? [] : [...headOf(name, help), `${name} ${value}`],
    ),
    "",
  ].join("\n");
}

function headOf(name: string, help: string): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`];
}

function nodeNumbers(o: Observation): readonly Sample[] {
  const state = o.consul.state?.value ?? null;
  const lag = roleOf(o) === "replica" ? (o.server?.source?.lagSeconds ?? null) : null;
  return [
    ["autopilot_epoch", "Epoch that the node belongs to.", epochOf(o)],
    ["autopilot_lag_seconds", "How far a replica is behind its primary.", lag],
    ["autopilot_voters", "Voters of the cluster.", state?.voters.length ?? null],
    ["autopilot_acks", "Acknowledgements that a commit waits for.", state?.acks ?? null],
    ["autopilot_alerts", "Alerts that the node has; /status says which.", alertsOf(o).length],
  ];
}

function backupSamples(f: BackupFacts): readonly Sample[] {
  const n = backupNumbers(f);
  // How far the archive is only the primary knows: of the others the image's age would be a wrong answer.
  const unknown = f.plan?.archive === true && f.archive === null;
  const backup = (name: string, help: string, value: number | null): Sample => [
    `autopilot_backup_${name}`,
    help,
    value,
  ];
  return [
    backup("last_age_seconds", "Age of the newest backup.", n.lastAgeSeconds),
    backup("last_raw_bytes", "Its image.", n.lastRawBytes),
    backup("last_stored_bytes", "Its size in the store.", n.lastStoredBytes),
    backup("verified_age_seconds", "Since a backup was last verified.", n.verifiedAgeSeconds),
    backup(
      "recovery_point_age_seconds",
      "What would be lost if every node were lost now.",
      unknown ? null : n.recoveryPointAgeSeconds,
    ),
    backup("restore_seconds", "How long a restore is expected to take.", n.restoreSeconds),
    backup("failures", "Failures in a row.", n.failures),
    backup("running", "1 while a backup or a verification runs.", Number(f.running !== null)),
    [
      "autopilot_archive_lag_seconds",
      "How far the archive of binary logs is behind.",
      n.archiveLagSeconds,
    ],
  ];
}
