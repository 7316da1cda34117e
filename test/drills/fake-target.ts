// A cluster that is played by a few variables: for the tests of what drills conclude, and from what.
import type { Row } from "../../recipes/mysql/view.ts";
import type { Judgement, Witness } from "../../recipes/mysql/drills/witness.ts";
import type { Harm } from "../../recipes/mysql/drills/faults.ts";
import { monotonicNow } from "../../recipes/mysql/drills/ledger.ts";
import type { Process, Target, TargetEvent } from "../../recipes/mysql/drills/target.ts";

const NAMES = ["mysql-1", "mysql-2", "mysql-3"];

function never(what: string): never {
  throw new Error(`the test did not expect ${what}`);
}

export class FakeCluster {
  primary = "mysql-1";
  epoch = 1;
  /** Whether writes that are sent now are acknowledged. */
  acknowledges = true;
  readonly events: TargetEvent[] = [];
  readonly log: string[] = [];
  says = "replica at epoch 1, voter, following";
  evidence: string | null = null;
  /** What the nodes' servers answer, by the node's name. */
  readonly executed = new Map<string, string>();
  disposed = 0;
  kept = 0;

  /** Another primary opens. */
  failover(to = "mysql-2"): void {
    this.primary = to;
    this.epoch += 1;
    const at = monotonicNow();
    const facts = { role: "primary" };
    this.events.push({ node: to, at, type: "electing", what: "starts the election", facts: {} });
    this.events.push({ node: to, at, type: "opened", what: "is primary", facts });
  }

  /** A harm that notes what is done to it. */
  harm(name: string, more: Partial<Harm> = {}): Harm {
    return {
      what: name,
      node: this.primary,
      inflict: () => Promise.resolve(void this.log.push(`inflict ${name}`)),
      proof: () => Promise.resolve(`${name} is so`),
      heals: true,
      heal: () => Promise.resolve(void this.log.push(`heal ${name}`)),
      ...more,
    };
  }

  /** Sets are texts of letters here; one is within another when all of its letters are. */
  #answer(node: string, sql: string): Record<string, unknown> {
    const [, subset, set] = /GTID_SUBSET\('(.*)', '(.*)'\)/.exec(sql) ?? [];
    if (subset === undefined || set === undefined)
      return { executed: this.executed.get(node) ?? "abc" };
    return { within: Array.from(subset).every((letter) => set.includes(letter)) ? 1 : 0 };
  }

  #row(node: string, i: number): Row {
    const isPrimary = node === this.primary;
    const sets = { executed: "", retrieved: "", purged: "" };
    const ids = { uuid: `uuid-${node}`, node, serverId: i + 1, controlSocket: "" };
    const address = { host: `127.0.1.${i + 1}`, port: 3307, agentPort: 3309, pid: 1, mysqldPid: 2 };
    const rest = {
      joined: 1,
      ver: 1,
      semiSync: true,
      promised: 1,
      stopping: false,
      stopped: false,
    };
    const calm = { errant: "", needsRebuild: false, amnesiac: false, priority: 100, since: "" };
    return {
      ...sets,
      ...ids,
      ...address,
      ...rest,
      ...calm,
      role: isPrimary ? "primary" : "replica",
      state: isPrimary ? "open" : "replica",
      says: this.says,
      epoch: this.epoch,
      writable: isPrimary,
      lagSeconds: isPrimary ? null : 0,
      seesPrimary: true,
      noFailover: false,
      reaches: [],
      diskFull: false,
      zone: "",
      seenVer: 1,
      seenEpoch: 1,
      answer: null,
      voter: true,
    };
  }

  target(): Target {
    const voters = NAMES.map((name) => `uuid-${name}`);
    const state = () => ({
      ver: 1,
      epoch: this.epoch,
      phase: "open" as const,
      primary: `uuid-${this.primary}`,
      prevPrimary: null,
      voters,
      acks: 1,
    });
    const none = { leader: null, paused: false, intents: [], history: [] };
    const rows = () => NAMES.map((name, i) => this.#row(name, i));
    return {
      kind: "fake",
      nodes: NAMES.map((name, i) => ({ name, address: { host: `127.0.1.${i + 1}`, port: 3307 } })),
      see: () => Promise.resolve({ ...none, state: state(), locked: true, rows: rows() }),
      state: () => Promise.resolve(state()),
      marker: () => Promise.resolve(null),
      account: () => never("account"),
      query: (node, sql = "") => Promise.resolve([this.#answer(node, sql)]),
      switchover: () => never("switchover"),
      events: () => this.events,
      processes: (): readonly Process[] => [
        { pid: 1, who: "agent" },
        { pid: 2, who: "mysqld" },
      ],
      stateOf: () => "runs",
      signal: () => never("signal"),
      startNode: () => never("startNode"),
      stopNode: () => never("stopNode"),
      cut: () => never("cut"),
      clientAddress: null,
      hangs: () => never("hangs"),
      consul: { kill: () => never("kill"), start: () => never("start"), running: () => true },
      disks: null,
      fillDisk: () => never("fillDisk"),
      freeDisk: () => never("freeDisk"),
      diskFree: () => never("diskFree"),
      evidence: () => Promise.resolve(this.evidence),
      keep: () => {
        this.kept += 1;
        return "/kept";
      },
      [Symbol.asyncDispose]: () => {
        this.disposed += 1;
        return Promise.resolve();
      },
    };
  }

  /** Clients whose every write is acknowledged at once, while the cluster does so. */
  witness(more: Partial<Judgement> = {}): Witness {
    const counts = {
      acknowledged: 100,
      unknown: 0,
      refused: 0,
      lost: 0,
      doubled: 0,
      invented: 0,
      diverged: 0,
      vanished: 0,
      imbalanced: 0,
      twoAcknowledging: 0,
    };
    let last: number | null = null;
    const judgement = { counts, violations: [], gaps: [], ranges: [], stalls: [], nodes: [] };
    return {
      ackedSentAt: () => (last = this.acknowledges ? monotonicNow() : last),
      judge: () => Promise.resolve({ ...judgement, ...more }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
}
