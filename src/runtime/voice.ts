// What the loop says of itself, to the log and to whoever watches: the sentence of a tick when it changed and once a
// minute, each decision that was carried out with its time, and each failure once a minute, counted.
import { AutopilotError, messageOf } from "../errors.ts";
import type { RootLog } from "../log.ts";
import type { Clock } from "../ports.ts";
import type { Report } from "../recipe.ts";

type AnyAction = { readonly do: string; readonly why?: string };

export type Voice = {
  /** Each later line of this process carries these. */
  moment(tick: number, report: Report): void;
  /** The sentence of a tick. One that did something is `passing`: its actions are told, and another follows at once. */
  says(report: Report, passing: boolean): void;
  did(action: AnyAction, ms: number): void;
  /** `action` null: it was not an action that failed, but looking. */
  setback(error: unknown, action: AnyAction | null): void;
  /** The loop does not come to rest. */
  busy(ticks: number): void;
};

export type VoiceParts = {
  readonly log: RootLog;
  readonly clock: Clock;
  readonly publish: (type: string, what: string, facts?: Readonly<Record<string, unknown>>) => void;
};

// A silent node is a dead one to whoever reads its log; the same failure need not be read more often either.
const REPEAT_MS = 60_000;
// Messages with changing numbers must not grow the memory.
const REMEMBERED = 64;

export function makeVoice({ log, clock, publish }: VoiceParts): Voice {
  let last = { key: "", at: 0 };
  const failures = new Map<string, { at: number; times: number }>();
  let busyAt: number | null = null;
  return {
    moment: (tick, report) => log.moment({ tick, role: report.role, epoch: report.epoch }),
    says(report, passing) {
      if (passing && clock.now() - last.at < REPEAT_MS) return;
      const key = JSON.stringify([report.says, report.role, report.epoch]);
      const changed = key !== last.key;
      if (!changed && clock.now() - last.at < REPEAT_MS) return;
      last = { key, at: clock.now() };
      log.info(report.says);
      if (changed) publish("says", report.says, { role: report.role, epoch: report.epoch });
    },
    did(action, ms) {
      // An action without a reason is routine (a record written every 2 s): no decision, nothing to read.
      if (action.why === undefined) return log.debug(action.do, { action: action.do, ms });
      log.info(action.do, { action: action.do, why: action.why, ms });
      publish("action", `${action.do}: ${action.why}`, { action: action.do, ms: Math.round(ms) });
    },
    setback(error, action) {
      const what = `${action?.do ?? "observe"}: ${messageOf(error)}`;
      const known = failures.get(what) ?? { at: -Infinity, times: 0 };
      const due = clock.now() - known.at >= REPEAT_MS;
      failures.delete(what);
      failures.set(what, { at: due ? clock.now() : known.at, times: known.times + 1 });
      const [oldest] = failures.keys();
      if (failures.size > REMEMBERED && oldest !== undefined) failures.delete(oldest);
      if (!due) return;
      // What we raised on purpose says who has to act; anything else is a surprise that a person should see.
      const level = error instanceof AutopilotError ? "warn" : "error";
      log[level](what, {
        ...(action === null ? {} : { action: action.do, why: action.why }),
        ...(known.times === 0 ? {} : { times: known.times + 1 }),
        err: error,
      });
      publish("setback", what);
    },
    busy(ticks) {
      if (busyAt !== null && clock.now() - busyAt < REPEAT_MS) return;
      busyAt = clock.now();
      log.warn(`the loop does not come to rest: ${ticks} ticks in 2 s; slowing down`);
    },
  };
}
