// Signals to the runner. From the first moment on none of them ends it by its default; until somebody obeys, only the
// wish to stop is remembered: there is nothing yet that the others could mean.
import { messageOf } from "../errors.ts";
import type { Live } from "./live.ts";
import type { RunnerLog } from "./log.ts";

const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const;
type Signal = (typeof SIGNALS)[number];

export type Signals = {
  isStopAsked(): boolean;
  /** From now on, and at once when a stop was asked for already. */
  obey(parts: Obedient): void;
};

type Obedient = {
  readonly live: Live;
  readonly log: RunnerLog;
  readonly reload: () => Promise<void>;
};

export function listenForSignals(): Signals {
  let stopAsked = false;
  let obedient: Obedient | null = null;
  for (const signal of SIGNALS)
    process.on(signal, () => {
      stopAsked ||= signal === "SIGTERM" || signal === "SIGINT";
      if (obedient !== null) obey(signal, obedient);
    });
  return {
    isStopAsked: () => stopAsked,
    obey(parts) {
      obedient = parts;
      if (stopAsked) obey("SIGTERM", parts);
    },
  };
}

function obey(signal: Signal, { live, log, reload }: Obedient): void {
  if (signal === "SIGTERM" || signal === "SIGINT") {
    log.info(`${signal}: stopping`);
    return live.engine.send({ kind: "stop" });
  }
  switch (live.prepared().config.signals[signal]) {
    case "event":
      if (signal !== "SIGUSR1") live.engine.send({ kind: "signal", signal });
      return;
    case "reload":
      return void reload().catch((error: unknown) =>
        log.error(`reload: ${messageOf(error)}; the old configuration goes on`),
      );
    case "maintenance":
      return live.engine.send({ kind: "maintenance", on: !live.engine.state().maintenance });
    case "reopen-log":
      try {
        return log.reopen();
      } catch (error) {
        return log.error(`the log goes on as it was: ${messageOf(error)}`);
      }
  }
}
