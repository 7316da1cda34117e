// The faults that a drill can inflict, as values: how to do it, what proves that it took effect, and how it is taken
// back. The proof is looked for in the world, never in what the fault itself did.
import { bothWays, CONSUL, type Healing, type Link, type Party } from "./network.ts";
import type { Process, ProcessState, Target, Who } from "./target.ts";

export type Harm = {
  /** "SIGKILL to mysqld". */
  readonly what: string;
  /** The node that it happens to; null: Consul's or the network's. */
  readonly node: string | null;
  /** Errors: what the target raises. */
  inflict(): Promise<void>;
  /** One sentence of what was seen; null: nothing (yet). */
  proof(): Promise<string | null>;
  /** Takes it back; nothing happens the second time, nor where it was never inflicted. */
  heal(): Promise<void>;
  /** Whether there is anything to take back. */
  readonly heals: boolean;
};

const BOTH: readonly Who[] = ["agent", "mysqld"];

/** SIGKILL. Where the agent went, healing starts the node again. */
export function kill(target: Target, node: string, who: readonly Who[] = BOTH): Harm {
  const victims = chosen(target, node, who);
  const agent = who.includes("agent");
  return {
    what: `SIGKILL to ${who.join(" and ")}`,
    node,
    inflict: () => signalAll(target, victims(), "SIGKILL"),
    proof: () => all(target, victims(), "gone"),
    heals: agent,
    heal: () => (agent ? target.startNode(node) : Promise.resolve()),
  };
}

/** SIGSTOP: the process is there, its connections are open, and nothing answers. */
export function pause(target: Target, node: string, who: readonly Who[] = BOTH): Harm {
  const victims = chosen(target, node, who);
  return {
    what: `SIGSTOP to ${who.join(" and ")}`,
    node,
    inflict: () => signalAll(target, victims(), "SIGSTOP"),
    proof: () => all(target, victims(), "stopped"),
    heals: true,
    heal: () => signalAll(target, victims(), "SIGCONT"),
  };
}

/** The processes as they are when the fault is inflicted; the same ones when it is proven and healed. */
function chosen(target: Target, node: string, who: readonly Who[]): () => readonly Process[] {
  let found: readonly Process[] | null = null;
  return () => (found ??= target.processes(node).filter((process) => who.includes(process.who)));
}

async function signalAll(
  target: Target,
  victims: readonly Process[],
  signal: Parameters<Target["signal"]>[1],
): Promise<void> {
  for (const victim of victims) target.signal(victim, signal);
  await Promise.resolve();
}

async function all(
  target: Target,
  victims: readonly Process[],
  state: ProcessState,
): Promise<string | null> {
  await Promise.resolve();
  // Nobody is left standing where nobody stood.
  if (victims.length === 0 || victims.some((one) => target.stateOf(one) !== state)) return null;
  const names = victims.map(({ who, pid }) => `${who} (pid ${pid})`).join(" and ");
  return `${names} ${victims.length === 1 ? "is" : "are"} ${state}`;
}

/** The node stops in good order, as on SIGTERM to its agent. */
export function stopWell(target: Target, node: string): Harm {
  const victims = chosen(target, node, BOTH);
  return {
    what: "SIGTERM to the agent",
    node,
    inflict: () => {
      victims();
      return target.stopNode(node);
    },
    proof: () => all(target, victims(), "gone"),
    heals: true,
    heal: () => target.startNode(node),
  };
}

/** A cable pulled: links go silent. `healing` says what becomes of what was frozen: it flows, or it is reset. */
export function cut(
  target: Target,
  what: { readonly name: string; readonly node: string | null; readonly links: readonly Link[] },
  healing: Healing,
): Harm {
  const { name, node, links } = what;
  let undo: ((healing: Healing) => void) | null = null;
  return {
    what: `${name} (${healing === "flow" ? "frozen bytes flow" : "connections are reset"} afterwards)`,
    node,
    inflict: () => {
      undo = target.cut(links);
      return Promise.resolve();
    },
    proof: () => silence(target, links),
    heals: true,
    heal: () => {
      undo?.(healing);
      return Promise.resolve();
    },
  };
}

/** Both directions between one party and each of the others. */
export function between(one: Party, others: readonly Party[]): readonly Link[] {
  return others.flatMap((other) => bothWays(one, other));
}

/** A connection is tried along each link to somebody who listens: all of them have to hang. */
async function silence(target: Target, links: readonly Link[]): Promise<string | null> {
  const listens = (party: Party): boolean =>
    party === CONSUL || target.nodes.some(({ name }) => name === party);
  // Consul connects to nobody.
  const tried = links.filter(({ from, to }) => from !== CONSUL && listens(to));
  const hung = await Promise.all(tried.map(({ from, to }) => target.hangs(from, to)));
  if (tried.length === 0 || hung.includes(false)) return null;
  const pairs = tried.map(({ from, to }) => `${from} to ${to}`).join(", ");
  return `a new connection from ${pairs} hangs`;
}

export function consulGone(target: Target): Harm {
  return {
    what: "SIGKILL to Consul",
    node: null,
    inflict: () => target.consul.kill(),
    proof: () => Promise.resolve(target.consul.running() ? null : "Consul's process is gone"),
    heals: true,
    heal: async () => {
      if (!target.consul.running()) await target.consul.start();
    },
  };
}

/** Less than what a page of InnoDB takes. */
const FULL_BYTES = 16_384;

export function fullDisk(target: Target, node: string): Harm {
  return {
    what: "disk filled",
    node,
    inflict: () => target.fillDisk(node),
    async proof() {
      const free = await target.diskFree(node);
      return free < FULL_BYTES ? `its disk takes ${free} more bytes` : null;
    },
    heals: true,
    heal: () => target.freeDisk(node),
  };
}

export const ERRANT_TABLE = "autopilot_errant";

/** An operator with every right writes on a replica: a transaction that no primary ever had. */
export function errantWrite(target: Target, node: string): Harm {
  let uuid = "";
  return {
    what: "an operator's write on a replica",
    node,
    async inflict() {
      const [row] = await target.query(node, "SELECT @@server_uuid AS uuid");
      uuid = String(row?.["uuid"]);
      await target.query(
        node,
        "SET GLOBAL super_read_only = OFF",
        "SET GLOBAL read_only = OFF",
        `CREATE TABLE app.${ERRANT_TABLE}_${Date.now()} (id INT PRIMARY KEY)`,
        "SET GLOBAL super_read_only = ON",
      );
    },
    async proof() {
      const [row] = await target.query(node, "SELECT @@GLOBAL.gtid_executed AS executed");
      const executed = String(row?.["executed"]);
      return uuid !== "" && executed.includes(uuid)
        ? `its executed set has transactions of its own, ${uuid.slice(0, 8)}`
        : null;
    },
    heals: false,
    heal: () => Promise.resolve(),
  };
}

/** The primary holds transactions that clients wait for and nobody else has; it must be cut off from its replicas. */
export function unacknowledgedTail(target: Target, node: string): Harm {
  return {
    what: "commits that wait for an acknowledgement",
    node,
    inflict: () => Promise.resolve(),
    async proof() {
      const [row] = await target.query(
        node,
        "SELECT VARIABLE_VALUE AS waiting FROM performance_schema.global_status" +
          " WHERE VARIABLE_NAME = 'Rpl_semi_sync_source_wait_sessions'",
      );
      const waiting = Number(row?.["waiting"]);
      return waiting > 0 ? `${waiting} commits wait for an acknowledgement` : null;
    },
    heals: false,
    heal: () => Promise.resolve(),
  };
}

export function handOver(target: Target, from: string, to: string, signal: AbortSignal): Harm {
  let outcome: string | null = null;
  return {
    what: `switchover to ${to}`,
    node: from,
    async inflict() {
      await target.switchover(to, signal);
      outcome = "the wish had its outcome";
    },
    proof: () => Promise.resolve(outcome),
    heals: false,
    heal: () => Promise.resolve(),
  };
}
