// All executors by the name of their action. The mapped type makes a missing one a type error.
import type { Action } from "../core/action.ts";
import { aside } from "./aside.ts";
import { data } from "./data.ts";
import { election } from "./election.ts";
import { following } from "./following.ts";
import type { Executors, Hands } from "./hands.ts";
import { intents } from "./intents.ts";
import { membership } from "./membership.ts";
import { server } from "./server.ts";
import { wish } from "./wish.ts";

const executors: Executors = {
  hold: async () => {},
  ...server,
  ...data,
  ...aside,
  ...election,
  ...following,
  ...membership,
  ...intents,
  ...wish,
};

export async function execute(hands: Hands, action: Action): Promise<void> {
  // The table's type guarantees that this entry takes this action.
  const run = executors[action.do] as (hands: Hands, action: Action) => Promise<void>;
  await run(hands, action);
}
