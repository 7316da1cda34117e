// The embedded development agent: the part of Consul's HTTP API that autopilot uses, for `npm start`, tests and trying
// things out. It keeps the keys in one file; sessions, services and checks end with the process, and their locks with
// them. It listens on loopback only. Production runs a real Consul cluster: this is one process without a replica.
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { ConfigError } from "../../errors.ts";
import { createAgentServer } from "./http.ts";
import { readSaved } from "./journal-file.ts";
import { openJournal } from "./journal.ts";
import { createState, type State } from "./state.ts";

export type DevAgentOptions = {
  /** 0: any free port. */
  readonly port: number;
  /** Where the keys are kept; made when it is missing, with its directory. One process at a time. */
  readonly file: string;
  /** A loopback address. Default 127.0.0.1. */
  readonly host?: string;
  /** Answers DNS there, too; 0: any free port. */
  readonly dnsPort?: number;
  /** Hears what a human should know, one line each. */
  readonly log?: (line: string) => void;
};

export interface DevAgent extends AsyncDisposable {
  /** http://127.0.0.1:8500 */
  readonly url: string;
  readonly port: number;
  /** Null: it answers no DNS. */
  readonly dnsPort: number | null;
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;

/**
 * Starts the agent; resolves when it answers. Disposing it ends all its connections and closes the file.
 * Errors: ConfigError AP_CONFIG_INVALID (an address that is not loopback), AP_PORT_IN_USE, AP_CONFIG_UNREADABLE (file).
 */
export async function startDevAgent(options: DevAgentOptions): Promise<DevAgent> {
  const { port, file, host = "127.0.0.1", dnsPort, log = () => undefined } = options;
  if (!LOOPBACK.test(host)) {
    const why = `the development agent listens on loopback only, not on ${host}`;
    throw new ConfigError("AP_CONFIG_INVALID", why, { hint: "run a real Consul for other hosts" });
  }
  const { state, journal } = await openState(file, log);
  const { server, advance, stop } = createAgentServer(state, journal);
  // A blocking query is silent for minutes, and keep-alive clients come back when they like.
  server.requestTimeout = 0;
  server.keepAliveTimeout = 0;
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
  } catch (error) {
    await journal.close();
    const why = `the development agent cannot listen on ${host}:${port}`;
    throw new ConfigError("AP_PORT_IN_USE", why, { cause: error });
  }
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${bound}`;
  const end = async (): Promise<void> => {
    stop();
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
    await journal.close();
  };
  const dns =
    dnsPort === undefined ? null : await openDns({ state, host, port: dnsPort, advance }, end);
  log(`embedded Consul-compatible agent at ${url}: for development only, one process, no replica`);
  return {
    url,
    port: bound,
    dnsPort: dns?.port ?? null,
    async [Symbol.asyncDispose]() {
      await dns?.[Symbol.asyncDispose]();
      await end();
    },
  };
}

/** Loaded only where it is asked for. Without it the agent does not run: `end` ends it. */
async function openDns(
  at: {
    readonly state: State;
    readonly host: string;
    readonly port: number;
    readonly advance: () => void;
  },
  end: () => Promise<void>,
) {
  try {
    const { startDns } = await import("./dns.ts");
    return await startDns(at.state, at, at.advance);
  } catch (error) {
    await end();
    throw error;
  }
}

/** The state as the file has it, with all locks released: their sessions did not survive. */
async function openState(file: string, log: (line: string) => void) {
  try {
    await mkdir(dirname(file), { recursive: true });
    const saved = await readSaved(file);
    if (saved.tornBytes > 0)
      log(`${file}: cut off ${saved.tornBytes} bytes of a write that never was acknowledged`);
    const state: State = createState(saved.index);
    for (const entry of saved.entries) {
      const freed =
        entry.session === null
          ? {}
          : { session: null, modifyIndex: state.index, lockIndex: entry.lockIndex };
      const kept = { ...entry, ...freed };
      state.kv.set(kept.key, kept);
      state.kvIndex = Math.max(state.kvIndex, kept.modifyIndex);
    }
    const journal = await openJournal(file, state.kv.values(), state.index);
    return { state, journal };
  } catch (error) {
    throw new ConfigError("AP_CONFIG_UNREADABLE", `the development agent's file ${file}`, {
      cause: error,
    });
  }
}
