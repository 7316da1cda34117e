// What other systems' own documentation, or a published measurement of them, says of the same fault: a reader wants to
// know what a figure is worth. None of it was measured here, on this machine or with this client; a range from defaults
// is computed from the timers that produce it.

export type Figure = {
  readonly system: string;
  readonly figure: string;
  /** Number of its source in SOURCES. */
  readonly source: number;
};

export const SOURCES: readonly string[] = [
  "Patroni: documentation of ttl, loop_wait and primary_start_timeout, defaults",
  "Stolon: cluster specification, defaults (sleepInterval, failInterval, convergence)",
  "Orchestrator: GitHub engineering, “MySQL High Availability at GitHub”, 2018, typical total",
  "Vitess VTOrc: third-party failover audit (chaos harness, not upstream), measured there",
  "MariaDB MaxScale: MariaDB Monitor documentation, defaults (failcount, verify_master_failure)",
  "MHA: wiki, overview; online switch as documented",
  "MySQL Group Replication: manual, group_replication_member_expel_timeout, defaults",
  "mysync: README, defaults (failover_delay and what follows)",
  "replication-manager: configuration defaults",
  "autopilotpattern/mysql: its ContainerPilot configuration (session and health TTL)",
];

const PATRONI = { system: "Patroni", figure: "30–40 s", source: 1 };
const STOLON = { system: "Stolon", figure: "20–30 s", source: 2 };
const GROUP = { system: "Group Replication", figure: "≈ 10 s", source: 7 };

const KILLED: readonly Figure[] = [
  { system: "VTOrc", figure: "1.4–2.8 s", source: 4 },
  { system: "Orchestrator", figure: "10–13 s", source: 3 },
  GROUP,
  { system: "replication-manager", figure: "≈ 10 s", source: 9 },
  { system: "MHA", figure: "10–30 s", source: 6 },
];
const NODE: readonly Figure[] = [
  GROUP,
  STOLON,
  { system: "MaxScale", figure: "≤ 25 s to notice", source: 5 },
  PATRONI,
  { system: "mysync", figure: "35–75 s", source: 8 },
  { system: "autopilotpattern/mysql", figure: "25–50 s to notice", source: 10 },
];
const HUNG: readonly Figure[] = [GROUP, { system: "VTOrc", figure: "11.7–12.9 s", source: 4 }];
const FROZEN: readonly Figure[] = [GROUP, STOLON, PATRONI];
const CUT_OFF: readonly Figure[] = [
  GROUP,
  { system: "VTOrc", figure: "11.3–12.9 s", source: 4 },
  STOLON,
  PATRONI,
];
const PLANNED: readonly Figure[] = [
  { system: "MHA", figure: "0.5–2 s", source: 6 },
  { system: "VTOrc", figure: "1.2–1.5 s", source: 4 },
  { system: "Patroni", figure: "a few seconds", source: 1 },
];

const BY_SCENARIO: Readonly<Record<string, readonly Figure[]>> = {
  "mysqld-killed": [...KILLED, { system: "Patroni", figure: "10–320 s", source: 1 }],
  "node-killed": NODE,
  "mysqld-paused": HUNG,
  "node-paused": FROZEN,
  "primary-cut-off": CUT_OFF,
  "replication-cut": [{ system: "VTOrc", figure: "44–103 s, or never", source: 4 }],
  switchover: PLANNED,
  "clean-stop": PLANNED,
};

/** Empty where nobody says anything of that fault. */
export function elsewhere(scenario: string): readonly Figure[] {
  return BY_SCENARIO[scenario] ?? [];
}
