// `failover`, and its override: refused while there is a primary, says who is missing, asks for the operator's word, and
// what was lost with that word is recorded, set aside and never merged (PROTOCOL §7a).
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { acknowledges } from "./harness.ts";
import { isAlive } from "./processes.ts";
import { story } from "./story.ts";
import { until } from "./until.ts";

type Done = { readonly epoch: number };

story(
  "with the primary and its only witness gone the operator's word elects the last replica, and nothing is merged",
  {},
  async (cluster) => {
    await cluster.start();
    const { epoch, cluster: name, nodes } = await cluster.whole();
    // Alone, nobody's acknowledgement paces the writers: three servers on one disk must keep up with them.
    await using run = await cluster.ledger({ everyMs: 40, transferEveryMs: 200 });
    const primary = await cluster.primary();
    const [witness, last] = nodes.filter((node) => node.name !== primary.name);
    if (witness === undefined || last === undefined) throw new Error("no two replicas");

    const healthy = await cluster.verb("failover", "--accept-data-loss", "--yes");
    expect(healthy).toMatchObject({ code: 3, stderr: expect.stringContaining("switchover") });

    // The last replica is away while writes are acknowledged by the witness; then those two die, and it comes back.
    await cluster.must("node", "stop", last.name);
    await acknowledges(run);
    const dead = [primary, witness].flatMap(({ pid, mysqldPid }) => [pid ?? 0, mysqldPid ?? 0]);
    await Promise.all([primary, witness].map((node) => cluster.must("node", "kill", node.name)));
    await until("they are dead", () => !dead.some(isAlive));
    await cluster.must("node", "start", last.name);
    await until("the last one's server is up", async () => {
      const node = await cluster.node(last.name);
      return node.mysqldPid !== null && node.executed !== "";
    });

    const refused = await until("nobody can be elected, and that is said", async () => {
      const answer = await cluster.verb("failover");
      return answer.stderr.includes("nobody can be elected") ? answer : null;
    });
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("AP_FAILOVER_REFUSED");
    expect(refused.stderr).toContain("are needed; missing or amnesiac");
    const word = await cluster.verb("failover", "--accept-data-loss", "--yes");
    expect(word).toMatchObject({
      code: 3,
      stderr: expect.stringContaining(`--primary-is-off ${primary.name}`),
    });
    const off = ["--accept-data-loss", "--primary-is-off", primary.name];
    const unasked = await cluster.verb("failover", ...off);
    expect(unasked).toMatchObject({ code: 3, stderr: expect.stringContaining("may be lost") });
    // Elections are tried in vain meanwhile, each with an epoch of its own.
    expect(await cluster.status()).toMatchObject({ primary: null });

    const done = JSON.parse(await cluster.must("failover", ...off, "--yes", "--json")) as Done;
    expect(done).toMatchObject({ ok: true, primary: last.name, loss: { epoch } });
    expect(done.epoch).toBeGreaterThan(epoch);
    await acknowledges(run);
    const history = await fetch(`${cluster.consul}/v1/kv/autopilot/${name}/history/?recurse`);
    const records = ((await history.json()) as { Value: string }[]).map(
      ({ Value }) => JSON.parse(Buffer.from(Value, "base64").toString()) as object,
    );
    const missing = [primary.name, witness.name].toSorted();
    const loss = expect.objectContaining({ epoch, missing });
    const kept = { verb: "failover", how: "loss", node: last.name, loss };
    expect(records).toContainEqual(expect.objectContaining(kept));
    expect(JSON.stringify((await cluster.status()).events)).toContain("DATA LOSS ACCEPTED");

    // What the dead ones held beyond it is errant: kept aside, and no row of it comes back.
    for (const node of [primary, witness]) await cluster.must("node", "start", node.name);
    await cluster.whole();
    for (const node of [primary, witness]) {
      const aside = join(cluster.dir, "nodes", node.name, "aside");
      await until(
        `${node.name}'s data is kept`,
        () => existsSync(aside) && readdirSync(aside).length > 0,
      );
    }
    await acknowledges(run);
    const { lost, doubled, invented, diverged, twoAcking } = await cluster.verdict(run);
    expect({ doubled, invented, diverged, twoAcking }).toEqual({
      doubled: [],
      invented: [],
      diverged: [],
      twoAcking: [],
    });
    expect(lost.length).toBeGreaterThan(0);
    // The same writes on every node: lost is lost everywhere.
    const seqs = new Set(lost.map(({ writer, seq }) => `${writer}:${seq}`));
    expect(lost).toHaveLength(3 * seqs.size);
  },
);
