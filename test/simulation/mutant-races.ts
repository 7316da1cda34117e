// All races, by name.
import { AMNESIA_RACES } from "./mutant-races-of-amnesia.ts";
import { ELECTION_RACES } from "./mutant-races-of-elections.ts";
import { MEMBERSHIP_RACES } from "./mutant-races-of-membership.ts";
import type { Race } from "./mutant-stage.ts";

export const RACES: readonly Race[] = [...ELECTION_RACES, ...AMNESIA_RACES, ...MEMBERSHIP_RACES];

export function raceOf(name: string): Race {
  const race = RACES.find((it) => it.name === name);
  if (race === undefined) throw new Error(`no race ${name}`);
  return race;
}
