// A cluster of containers, from the very compose file that users type, with other images: driven by Compose and Docker,
// judged by the ledger of acknowledged writes.
import { LedgerRun } from "../../recipes/mysql/drills/ledger-run.ts";
import {
  createLedgerTable,
  judge,
  type Account,
  type NodeAddress,
} from "../../recipes/mysql/drills/ledger-rows.ts";
import type { Verdict } from "../../recipes/mysql/drills/verdict.ts";
import { APP } from "../../recipes/mysql/app-account.ts";
import { contains, executedOf, type Status } from "../cluster/harness.ts";
import { StateWatch } from "../cluster/reigns.ts";
import { until } from "../cluster/until.ts";
import { IMAGES } from "./bases.ts";
import { Compose, docker } from "./docker.ts";

const PROJECT = "autopilot-compose-test";
/** Not Consul's own: a user's may run on this machine. */
const CONSUL_PORT = "28500";
/** Containers start, servers initialize and clone; on a shared machine that takes its time. */
const WHOLE_LIMIT_MS = 240_000;

export class ComposeCluster implements AsyncDisposable {
  readonly compose: Compose;
  #watch: StateWatch | null = null;

  private constructor(compose: Compose) {
    this.compose = compose;
  }

  /** Leftovers of a run that was broken off are removed first. */
  static async open(): Promise<ComposeCluster> {
    const cluster = new ComposeCluster(await Compose.open(PROJECT, { ...IMAGES, CONSUL_PORT }));
    await cluster.#down();
    return cluster;
  }

  /** `docker compose up -d --scale mysql=N`, and until it is whole. */
  async scale(nodes: number): Promise<Status> {
    await this.compose.do("up", "-d", "--no-build", "--scale", `mysql=${nodes}`);
    this.#watch ??= new StateWatch(`http://127.0.0.1:${CONSUL_PORT}`);
    return await this.whole(nodes);
  }

  /** Ids of the running containers of service `mysql`: their nodes' names. */
  async containers(): Promise<readonly string[]> {
    const ids = await this.compose.do("ps", "--quiet", "--status", "running", "mysql");
    return ids.split("\n").flatMap((id) => (id === "" ? [] : [id.slice(0, 12)]));
  }

  async status(): Promise<Status> {
    const [any = ""] = await this.containers();
    return JSON.parse(await docker("exec", any, "autopilot", "status", "--json")) as Status;
  }

  /** Waits until `nodes` voters run, serve in one epoch, and commits wait for one of the others. */
  whole(nodes: number): Promise<Status> {
    return until(
      `${nodes} voters serve`,
      async () => {
        const status = await this.status();
        const running = await this.containers();
        const voters = status.nodes.filter(
          ({ name, voter, epoch }) => voter && running.includes(name) && epoch === status.epoch,
        );
        const all = voters.length === nodes && status.voters.length === nodes;
        return status.phase === "open" && status.acks === 1 && all ? status : null;
      },
      WHOLE_LIMIT_MS,
    );
  }

  /** What Docker itself thinks of each node. */
  async health(): Promise<readonly string[]> {
    const ids = await this.containers();
    return await Promise.all(
      ids.map((id) => docker("inspect", "--format", "{{.State.Health.Status}}", id)),
    );
  }

  /** The nodes as this machine reaches them: by their addresses on the bridge. */
  async addresses(): Promise<readonly NodeAddress[]> {
    const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    const ids = await this.containers();
    const hosts = await Promise.all(ids.map((id) => docker("inspect", "--format", format, id)));
    return ids.map((name, at) => ({ name, host: hosts[at] ?? "", port: 3306 }));
  }

  async account(): Promise<Account> {
    const [any = ""] = await this.containers();
    const password = await docker("exec", any, "cat", "/run/autopilot/secrets/app");
    return { user: APP.user, password, database: APP.database, tls: false };
  }

  async ledger(): Promise<LedgerRun> {
    const account = await this.account();
    const { primary } = await this.status();
    const addresses = await this.addresses();
    const at = addresses.find(({ name }) => name === primary);
    if (at === undefined) throw new Error("there is no primary");
    await createLedgerTable(at, account);
    const run = new LedgerRun({ ...account, addresses, connections: 2, everyMs: 10 });
    await until("a write is acknowledged", () => run.lastAcked !== null);
    return run;
  }

  /** What the nodes hold of what was acknowledged, once all of them hold the primary's set. */
  async verdict(run: LedgerRun): Promise<Verdict> {
    const ledger = await run.finish();
    const account = await this.account();
    const nodes = await this.addresses();
    const { primary } = await this.status();
    const source = nodes.find(({ name }) => name === primary);
    if (source === undefined) throw new Error("there is no primary");
    const held = await executedOf(source, account);
    for (const node of nodes)
      await until(`${node.name} holds the primary's set`, () => contains(node, account, held));
    const reigns = this.#watch?.reigns() ?? [];
    return await judge(ledger, nodes, { account, reigns });
  }

  async lastWords(): Promise<string> {
    const { stdout } = await this.compose.ask("logs", "--tail", "40");
    return stdout;
  }

  async #down(): Promise<void> {
    await this.compose.ask("down", "--volumes", "--timeout", "5");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch?.[Symbol.asyncDispose]();
    await this.#down();
  }
}
