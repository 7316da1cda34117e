// Templates to files, again and again: render on what is known, watch what was asked for, and when that changed and it
// has become quiet, render again. A file is written only when its text is another, and only then its command runs.
//
//   changed ─► quiet? ─► evaluate all ─► watch what they asked for ─► write what is another ─► each command once
//      ▲                                                                                              │
//      └──────────────────────────────────────────────────────────────────────────────────────────────┘
import { pauseAfter } from "../core/backoff.ts";
import { changedAt, dueAt, type Unrest, type Wait } from "../core/render/quiet.ts";
import type { Source } from "../core/render/source.ts";
import { templateName, type Target } from "../core/render/target.ts";
import { AutopilotError, UnavailableError, messageOf } from "../errors.ts";
import type { Clock } from "../ports.ts";
import { evaluate, type Outcome } from "./evaluate.ts";
import type { Environment } from "./environment-functions.ts";
import { watchSources, type Catalogue, type Sources } from "./watch-sources.ts";

export type RenderParts = {
  readonly targets: readonly Target[];
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly env: Environment;
  readonly wait: Wait;
  readonly signal: AbortSignal;
  /** Whether the file is another now. */
  readonly write: (path: string, text: string) => Promise<boolean>;
  readonly run: (command: string) => Promise<void>;
  readonly tell: (line: string) => void;
  readonly fail: (error: unknown) => void;
};

type State = {
  readonly parts: RenderParts;
  readonly sources: Sources;
  readonly outcomes: Map<Target, Outcome>;
  firstFailure: unknown;
  /** Commands that failed: they are run again, as the change that they stand for still has to be made known. */
  readonly owed: Set<string>;
  /** Rounds in a row in which a file could not be written, or a command failed. */
  misses: number;
  /** What was said of each target last: it is said once. */
  readonly said: Map<Target, string>;
  /** Changes of what was known. */
  unrest: Unrest | null;
  /** First answers. */
  arrivals: Unrest | null;
  wake: () => void;
};

/** Until the signal aborts. Template, disk and command may fail: that is told, and what was there stays. */
export async function renderForever(parts: RenderParts): Promise<void> {
  const state = begin(parts);
  try {
    for (;;) {
      await round(state);
      const { misses } = state;
      if (misses > 0) await changed(state, pauseAfter(misses, AGAIN));
      else while (!(await changed(state, LONGEST_MS)));
      await quiet(state);
    }
  } catch (error) {
    if (!parts.signal.aborted) throw error;
  } finally {
    await state.sources.close();
  }
}

/**
 * Until every target was rendered, or cannot be: by its own fault. The first failure, or null; all have been told.
 * Errors: UnavailableError AP_RENDER_WAITS after `limitMs`, with what did not answer; the signal's reason.
 */
export async function renderOnce(parts: RenderParts, limitMs: number): Promise<unknown> {
  const endsAt = parts.clock.now() + limitMs;
  const state = begin(parts);
  try {
    for (;;) {
      await round(state);
      const waiting = [...state.outcomes].filter(([, { kind }]) => kind === "waits");
      if (waiting.length === 0) return state.firstFailure;
      if (!(await changed(state, endsAt - parts.clock.now()))) throw tooLong(waiting, limitMs);
      await quiet(state);
    }
  } finally {
    await state.sources.close();
  }
}

function begin(parts: RenderParts): State {
  const told = new Map<string, number>();
  const state: State = {
    parts,
    sources: watchSources({
      catalogue: parts.catalogue,
      onChange(isFirst) {
        const now = parts.clock.now();
        if (isFirst) state.arrivals = changedAt(state.arrivals, now);
        else state.unrest = changedAt(state.unrest, now);
        state.wake();
      },
      // While Consul is away every watch fails again and again, each in words of its own.
      onError(error) {
        const code = error instanceof AutopilotError ? error.code : messageOf(error);
        const now = parts.clock.now();
        if (now - (told.get(code) ?? -Infinity) < TELL_AGAIN_MS) return;
        told.set(code, now);
        parts.fail(error);
      },
    }),
    outcomes: new Map(),
    firstFailure: null,
    owed: new Set(),
    misses: 0,
    said: new Map(),
    unrest: null,
    arrivals: null,
    wake: () => {},
  };
  return state;
}

/** Waits for a change; false: none came in time. Errors: the signal's reason. */
async function changed(state: State, limitMs: number): Promise<boolean> {
  state.parts.signal.throwIfAborted();
  if (hasChanged(state)) return true;
  if (limitMs <= 0) return false;
  await pauseUnlessWoken(state, limitMs);
  return hasChanged(state);
}

/** Errors: the signal's reason. */
async function pauseUnlessWoken(state: State, ms: number): Promise<void> {
  const { clock, signal } = state.parts;
  const over = new AbortController();
  state.wake = () => over.abort();
  try {
    await clock.sleep(ms, AbortSignal.any([signal, over.signal]));
  } catch {
    // A change, or the end: the signal says which.
    signal.throwIfAborted();
  } finally {
    state.wake = () => {};
  }
}

function hasChanged({ unrest, arrivals }: State): boolean {
  return unrest !== null || arrivals !== null;
}

const TELL_AGAIN_MS = 60_000;
/** Timers cannot wait for ever: a look at what is known costs nothing. */
const LONGEST_MS = 24 * 3_600_000;
/** A disk that is full, a server that is just being started: what was missed is made up for. */
const AGAIN = { firstMs: 1_000, longestMs: 60_000 };

/** Whoever asked waits for these answers; but not each of hundreds is worth a rendering. */
const BRIEF: Wait = { leastMs: 2, mostMs: 20 };

/** After a change: until it has become quiet. */
async function quiet(state: State): Promise<void> {
  const { clock, wait } = state.parts;
  while (hasChanged(state)) {
    const ofUnrest = state.unrest === null ? Infinity : dueAt(state.unrest, wait);
    const ofArrivals = state.arrivals === null ? Infinity : dueAt(state.arrivals, BRIEF);
    const restMs = Math.min(ofUnrest, ofArrivals) - clock.now();
    if (restMs <= 0) return;
    // A first answer may come meanwhile, which is due earlier.
    await pauseUnlessWoken(state, restMs);
  }
}

async function round(state: State): Promise<void> {
  const { parts, sources } = state;
  state.unrest = null;
  state.arrivals = null;
  const used = new Map<string, Source>();
  for (const target of parts.targets) {
    const { ask } = sources;
    const now = parts.clock.wall();
    const evaluation = evaluate(target.template, { ask, env: parts.env, now });
    for (const [id, source] of evaluation.used) used.set(id, source);
    state.outcomes.set(target, evaluation.outcome);
  }
  sources.keep(used);
  let missed = false;
  for (const target of parts.targets) if ((await settle(state, target)) === "missed") missed = true;
  // In the order of the targets, each once: several files may be one server's.
  for (const command of state.owed) if (!(await runOne(state, command))) missed = true;
  state.misses = missed ? state.misses + 1 : 0;
}

/** Writes the target's file if it is another now, and notes its command. */
async function settle(state: State, target: Target): Promise<"done" | "missed"> {
  const { parts } = state;
  const outcome = state.outcomes.get(target);
  if (outcome === undefined) return "done";
  if (outcome.kind === "failed") {
    once(state, target, outcome.error.message, () => fail(state, outcome.error));
    return "done";
  }
  if (outcome.kind === "waits") {
    const what = `${templateName(target.template)} waits for key ${outcome.keys.join(", ")}`;
    if (outcome.answers.length === 0) once(state, target, what, () => parts.tell(what));
    return "done";
  }
  try {
    const isAnother = await parts.write(target.out, outcome.text);
    state.said.delete(target);
    if (isAnother) parts.tell(`wrote ${target.out}`);
    if (isAnother && target.command !== null) state.owed.add(target.command);
    return "done";
  } catch (error) {
    once(state, target, messageOf(error), () => fail(state, error));
    return "missed";
  }
}

function once({ said }: State, target: Target, what: string, tell: () => void): void {
  if (said.get(target) !== what) tell();
  said.set(target, what);
}

/** Whether it ended well. */
async function runOne(state: State, command: string): Promise<boolean> {
  const { clock, run, signal, tell } = state.parts;
  const startedAt = clock.now();
  try {
    await run(command);
    state.owed.delete(command);
    tell(`ran ${JSON.stringify(command)} in ${Math.round(clock.now() - startedAt)} ms`);
    return true;
  } catch (error) {
    // It was ended because everything ends.
    signal.throwIfAborted();
    fail(state, error);
    return false;
  }
}

function fail(state: State, error: unknown): void {
  state.firstFailure ??= error;
  state.parts.fail(error);
}

type Waiting = readonly (readonly [Target, Outcome])[];

function tooLong(waiting: Waiting, limitMs: number): UnavailableError {
  const all = waiting.flatMap(([, it]) => (it.kind === "waits" ? [it] : []));
  const answers = new Set(all.flatMap((it) => it.answers));
  const keys = new Set(all.flatMap((it) => it.keys));
  const [lead, missing] = answers.size > 0 ? ["no answer for", answers] : ["there is no key", keys];
  const names = waiting.map(([{ template }]) => templateName(template)).join(", ");
  const why = `${names}: not rendered after ${limitMs / 1000} s: ${lead} ${list([...missing])}`;
  return new UnavailableError("AP_RENDER_WAITS", why);
}

const NAMED = 5;

function list(all: readonly string[]): string {
  const more = all.length > NAMED ? ` and ${all.length - NAMED} more` : "";
  return `${all.slice(0, NAMED).join(", ")}${more}`;
}
