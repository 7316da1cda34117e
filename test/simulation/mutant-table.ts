// All removable rules, in one list.
import type { Mutant } from "./mutant.ts";
import { AMNESIA_MUTANTS } from "./mutants-of-amnesia.ts";
import { CANDIDATE_MUTANTS } from "./mutants-of-candidates.ts";
import { DUTY_MUTANTS } from "./mutants-of-duties.ts";
import { ELECTION_MUTANTS } from "./mutants-of-elections.ts";
import { GATE_MUTANTS } from "./mutants-of-gates.ts";
import { MEMBERSHIP_MUTANTS } from "./mutants-of-membership.ts";
import { ORDER_MUTANTS } from "./mutants-of-orders.ts";
import { VOTER_MUTANTS } from "./mutants-of-voters.ts";

export const MUTANTS: readonly Mutant[] = [
  ...ELECTION_MUTANTS,
  ...AMNESIA_MUTANTS,
  ...GATE_MUTANTS,
  ...MEMBERSHIP_MUTANTS,
  ...CANDIDATE_MUTANTS,
  ...DUTY_MUTANTS,
  ...VOTER_MUTANTS,
  ...ORDER_MUTANTS,
];
