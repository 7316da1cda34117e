// How far a copy is: bytes, rate, and what is left of it, told a few times a second at most.
import type { Clock } from "../../../src/index.ts";

export type Progress = {
  /** imaging: the engine reads · proving: it says whether all is there · storing: the object appears. */
  readonly phase: "imaging" | "proving" | "storing" | "fetching";
  readonly ms: number;
  /** Before compression. */
  readonly rawBytes: number;
  /** As it lies in the store. */
  readonly storedBytes: number;
  /** Of rawBytes in the end; 0: not known. */
  readonly estimate: number;
  readonly rawPerSecond: number;
  /** Null: not known. */
  readonly msLeft: number | null;
};

const EACH_MS = 500;
/** The rate is that of about the last so many tellings. */
const SMOOTHED = 8;

export type Meter = {
  raw(bytes: number): void;
  stored(bytes: number): void;
  phase(phase: Progress["phase"]): void;
  readonly rawBytes: number;
  readonly storedBytes: number;
};

export function meterOf(
  clock: Pick<Clock, "now">,
  { estimate, tell }: { readonly estimate: number; readonly tell: (progress: Progress) => void },
): Meter {
  const begun = clock.now();
  let phase: Progress["phase"] = "imaging";
  let [rawBytes, storedBytes] = [0, 0];
  let [toldAt, toldBytes] = [begun, 0];
  let perSecond = 0;

  function say(): void {
    const now = clock.now();
    const ms = now - toldAt;
    if (ms > 0) {
      const fresh = ((rawBytes - toldBytes) / ms) * 1000;
      perSecond = perSecond === 0 ? fresh : perSecond + (fresh - perSecond) / SMOOTHED;
      [toldAt, toldBytes] = [now, rawBytes];
    }
    const left = estimate - rawBytes;
    const msLeft = left > 0 && perSecond > 0 ? Math.round((left / perSecond) * 1000) : null;
    const rawPerSecond = Math.round(perSecond);
    tell({
      phase,
      ms: Math.round(now - begun),
      rawBytes,
      storedBytes,
      estimate,
      rawPerSecond,
      msLeft,
    });
  }

  return {
    raw(bytes) {
      rawBytes += bytes;
      if (clock.now() - toldAt >= EACH_MS) say();
    },
    stored(bytes) {
      storedBytes += bytes;
    },
    phase(next) {
      phase = next;
      say();
    },
    get rawBytes() {
      return rawBytes;
    },
    get storedBytes() {
      return storedBytes;
    },
  };
}
