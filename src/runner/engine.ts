// Drives the state machine: one input at a time, its actions done before the next one is looked at. Timers are here.
import type { Action, Input, MachineConfig, TimerName } from "../core/runner/event.ts";
import { initialState, step, type RunnerState } from "../core/runner/machine.ts";

export type Engine = {
  send(input: Input): void;
  state(): RunnerState;
  /** No timer fires any more. */
  close(): void;
};

export type Effect = Exclude<Action, { do: "set-timer" | "clear-timer" }>;

/** The longest that a timer of Node's can wait. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export function makeEngine(config: MachineConfig, perform: (action: Effect) => void): Engine {
  let state = initialState(config);
  const inputs: Input[] = [];
  let busy = false;
  const timers = new Map<string, NodeJS.Timeout>();

  function set(job: string, timer: TimerName, ms: number): void {
    const key = `${job} ${timer}`;
    clearTimeout(timers.get(key));
    const wait = Math.min(ms, LONGEST_TIMER_MS);
    timers.set(
      key,
      setTimeout(() => {
        timers.delete(key);
        if (ms > wait) set(job, timer, ms - wait);
        else send({ kind: "timer", job, timer });
      }, wait),
    );
  }

  function act(action: Action): void {
    if (action.do === "set-timer") return set(action.job, action.timer, action.ms);
    if (action.do !== "clear-timer") return perform(action);
    const key = `${action.job} ${action.timer}`;
    clearTimeout(timers.get(key));
    timers.delete(key);
  }

  /** What an action brings about at once waits its turn. */
  function send(input: Input): void {
    inputs.push(input);
    if (busy) return;
    busy = true;
    try {
      for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
        const stepped = step(state, next);
        state = stepped.state;
        for (const action of stepped.actions) act(action);
      }
    } finally {
      busy = false;
    }
  }

  return {
    send,
    state: () => state,
    close() {
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}
