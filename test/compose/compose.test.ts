// The compose file that users type, with images made of Debian packages: one image for primary and replica, a container
// killed, the cluster scaled.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { acknowledges } from "../cluster/harness.ts";
import { until } from "../cluster/until.ts";
import { makeImages } from "./bases.ts";
import { ComposeCluster } from "./cluster.ts";
import { docker, whyNoDocker } from "./docker.ts";

const why = await whyNoDocker();
if (why !== null)
  console.error(
    `SKIPPED, loudly: the compose suite. ${why}. \`.ci/run\` installs and starts Docker.`,
  );

const IMAGES_LIMIT_MS = 900_000;
const STORY_LIMIT_MS = 420_000;
/** What a verdict may hold against a cluster. */
const SPOTLESS = {
  ok: true,
  lost: [],
  doubled: [],
  invented: [],
  diverged: [],
  halved: [],
  vanished: [],
  twoAcking: [],
};

describe.skipIf(why !== null)("docker compose", () => {
  let cluster: ComposeCluster;

  beforeAll(async () => {
    await makeImages();
    cluster = await ComposeCluster.open();
  }, IMAGES_LIMIT_MS);
  afterAll(() => cluster[Symbol.asyncDispose](), STORY_LIMIT_MS);

  const told = (title: string, tell: () => Promise<void>): void => {
    test(title, { timeout: STORY_LIMIT_MS }, async ({ onTestFailed }) => {
      onTestFailed(async () => console.error(await cluster.lastWords()));
      await tell();
    });
  };

  told(
    "three containers of one image become one cluster, and say that they are healthy",
    async () => {
      const { nodes, primary } = await cluster.scale(3);
      expect(nodes.map(({ role }) => role).toSorted()).toEqual(["primary", "replica", "replica"]);
      expect(await cluster.containers()).toContain(primary);
      await until("Docker calls all of them healthy", async () =>
        (await cluster.health()).every((word) => word === "healthy"),
      );
    },
  );

  told("a killed container of the primary costs nothing that was acknowledged", async () => {
    const before = await cluster.whole(3);
    await using run = await cluster.ledger();
    const victim = before.primary ?? "";
    await docker("kill", victim);
    const after = await until("another is primary", async () => {
      const status = await cluster.status();
      return status.phase === "open" && status.primary !== victim ? status : null;
    });
    expect(after.epoch).toBeGreaterThan(before.epoch);
    await acknowledges(run);
    await docker("start", victim);
    await cluster.whole(3);
    expect(await cluster.verdict(run)).toMatchObject(SPOTLESS);
  });

  told("scaled down, a node leaves in good order; scaled up, a new one joins", async () => {
    await using run = await cluster.ledger();
    await cluster.scale(2);
    await cluster.scale(3);
    expect(await cluster.verdict(run)).toMatchObject(SPOTLESS);
  });
});
