// The hidden verb behind `up`: the embedded Consul-compatible agent as a process of its own. When `up` dies it is told
// so by SIGTERM, together with the nodes, which need it to stop in order: it stays until the last one is gone.
import { startDevAgent } from "../consul/dev-agent/start.ts";
import { realClock as clock } from "../runtime/clock.ts";

// As long as a node may take to stop.
const STAY_AT_MOST_MS = 45_000;
const LOOK_EVERY_MS = 200;

export async function runDevAgent(options: {
  port: number;
  file: string;
  dnsPort?: number;
}): Promise<number> {
  const stop = new AbortController();
  // Also several times: a parent with threads that dies tells its children once per thread that takes them over.
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop.abort());
  const log = (line: string): void => void process.stdout.write(`${line}\n`);
  await using agent = await startDevAgent({ ...options, log });
  await new Promise<void>((resolve) => {
    // It may have come while we started.
    if (stop.signal.aborted) return resolve();
    stop.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await lastOneGone(agent.url);
  return 0;
}

async function lastOneGone(url: string): Promise<void> {
  const deadline = clock.now() + STAY_AT_MOST_MS;
  while (clock.now() < deadline) {
    // Nodes have sessions; services that somebody registered with curl have none, and nobody stops those.
    const response = await fetch(`${url}/v1/session/list`);
    if (((await response.json()) as readonly unknown[]).length === 0) return;
    await clock.sleep(LOOK_EVERY_MS);
  }
}
