// `autopilot objects check STORE`: what a store can do, as a table; exit 3 when backups must not be kept there.
import { RefusedError } from "../errors.ts";
import { openStore } from "../objects/open.ts";
import { probe, refusals, type Finding } from "../objects/probe.ts";
import { realClock } from "../runtime/clock.ts";
import { column } from "./column.ts";
import type { Globals } from "./program.ts";

/** Somebody waits: a store that is busy or away is asked for seconds, not for minutes. */
const TRIES = 4;

export async function checkObjects(address: string, { json }: Globals): Promise<number> {
  // Its own objects are removed again, which a lock would not allow for days.
  const how = { tries: TRIES, lookFirst: false, locks: false };
  const options = { env: process.env, clock: realClock, ...how };
  await using store = await openStore(address, options);
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  const findings = await probe(store, { signal: interrupted.signal });
  const reasons = refusals(findings);
  if (json) {
    const said = { store: store.name, fit: reasons.length === 0, findings };
    process.stdout.write(`${JSON.stringify(said, null, 2)}\n`);
  } else {
    const rows = findings.map((it) => [it.ability, verdict(it), `${it.ms} ms`, it.note]);
    process.stdout.write(`${column([["ABILITY", "", "TOOK", "NOTE"], ...rows])}\n`);
    if (reasons.length === 0) process.stdout.write(`${store.name} is fit for backups\n`);
  }
  if (reasons.length === 0) return 0;
  throw new RefusedError("AP_OBJECTS_UNFIT", `${store.name} is not fit for backups`, { reasons });
}

function verdict({ ok, needed }: Finding): string {
  if (ok === null) return "-";
  if (ok) return "yes";
  return needed ? "NO" : "no";
}
