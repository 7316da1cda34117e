// HTTP and TCP checks, as the development agent runs them: one try at a time for each, on an interval, within a limit.
// A try that ends after its check was removed or replaced says nothing.
import { connect } from "node:net";
import { messageOf } from "../../errors.ts";
import type { Check, CheckStatus, Probe } from "./state.ts";

export type Outcome = { readonly status: CheckStatus; readonly output: string };

/** How much of a body is kept as the check's output; Consul's own limit. */
const OUTPUT_MAX = 4096;

export type Prober = {
  /** Runs the probes of these checks from now on, and no others. */
  readonly run: (checks: Iterable<Check>) => void;
  readonly stop: () => void;
};

type Running = { readonly probe: Probe; readonly end: AbortController };

/** `tell` hears the outcome of each try. */
export function createProber(tell: (check: Check, outcome: Outcome) => void): Prober {
  const running = new Map<string, Running>();

  function begin(id: string, check: Check, probe: Probe): void {
    const end = new AbortController();
    running.set(id, { probe, end });
    const again = async (): Promise<void> => {
      const outcome = await tryOnce(probe, end.signal);
      if (end.signal.aborted) return;
      tell(check, outcome);
      timer = setTimeout(next, probe.intervalMs);
    };
    const next = (): void => void again();
    // The first one soon and not at once: who registers a service mostly starts it, too.
    let timer = setTimeout(next, Math.random() * Math.min(probe.intervalMs, FIRST_WITHIN_MS));
    end.signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }

  function stopOne(id: string): void {
    running.get(id)?.end.abort();
    running.delete(id);
  }

  return {
    run(checks) {
      const wanted = new Map<string, Check>();
      for (const check of checks) if (check.probe) wanted.set(`${check.node}\0${check.id}`, check);
      for (const [id, { probe }] of running) if (wanted.get(id)?.probe !== probe) stopOne(id);
      for (const [id, check] of wanted)
        if (check.probe && !running.has(id)) begin(id, check, check.probe);
    },
    stop() {
      for (const id of running.keys()) stopOne(id);
    },
  };
}

const FIRST_WITHIN_MS = 1000;

/** Never rejects. */
async function tryOnce(probe: Probe, end: AbortSignal): Promise<Outcome> {
  const limit = AbortSignal.timeout(probe.timeoutMs);
  const signal = AbortSignal.any([limit, end]);
  try {
    return await (probe.kind === "http" ? tryHttp(probe, signal) : tryTcp(probe, signal));
  } catch (error) {
    const why = limit.aborted ? `no answer within ${probe.timeoutMs} ms` : messageOf(error);
    return { status: "critical", output: `${probe.kind} ${probe.target}: ${why}` };
  }
}

/** 2xx passes, 429 warns, everything else is critical. */
async function tryHttp(probe: Probe, signal: AbortSignal): Promise<Outcome> {
  const { method, target, headers } = probe;
  const sent = headers.map(([name, value]): [string, string] => [name, value]);
  const answer = await fetch(target, { method, headers: sent, redirect: "manual", signal });
  const said = `HTTP ${method} ${target}: ${answer.status} ${answer.statusText} Output: `;
  const output = said + (await beginningOf(answer));
  if (answer.ok) return { status: "passing", output };
  return { status: answer.status === 429 ? "warning" : "critical", output };
}

async function beginningOf(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= OUTPUT_MAX) break;
  }
  return Buffer.concat(chunks).subarray(0, OUTPUT_MAX).toString();
}

function tryTcp({ target }: Probe, signal: AbortSignal): Promise<Outcome> {
  const at = target.lastIndexOf(":");
  const host = target.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(target.slice(at + 1)), signal });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.destroy();
      resolve({ status: "passing", output: `TCP connect ${target}: Success` });
    });
  });
}
