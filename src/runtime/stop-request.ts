// The wish to stop: SIGTERM, SIGINT or SIGHUP, also twice, or a word over the control socket. It means the same each
// time: stop in good order. Nothing here ends the process; only SIGKILL does that at once, and takes the server along.
import type { Log } from "../log.ts";

export type StopRequest = Disposable & {
  /** Aborted by the first request; for what can be given up while the node still starts. */
  readonly signal: AbortSignal;
  readonly request: () => void;
  /** Called for each request from now on, and at once when there was one already. */
  onRequest(listener: () => void): void;
};

const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

export function listenForStop(log: Log): StopRequest {
  const first = new AbortController();
  let listener: (() => void) | null = null;
  const request = (): void => {
    first.abort();
    listener?.();
  };
  let over = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (over) return;
    log.info(`${signal}: stopping`);
    request();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    signal: first.signal,
    request,
    onRequest(added) {
      listener = added;
      if (first.signal.aborted) added();
    },
    // The listeners stay: a signal between here and the process's end must not turn its exit code into the signal.
    [Symbol.dispose]() {
      over = true;
    },
  };
}
