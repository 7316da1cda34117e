// All removable rules, in one list.
import type { Mutant } from "./mutant.ts";
import { ELECTION_MUTANTS } from "./mutants-of-elections.ts";
import { MEMBERSHIP_MUTANTS } from "./mutants-of-membership.ts";

export const MUTANTS: readonly Mutant[] = [...ELECTION_MUTANTS, ...MEMBERSHIP_MUTANTS];
