// Which children of this agent run now, by name: for the control socket. The order is that of their first start.
import type { Supervise, Supervised } from "./supervisor.ts";

export type Child = { readonly name: string; readonly pid: number };

export type Roster = {
  readonly supervise: Supervise;
  running(): readonly Child[];
};

/** Wraps `supervise` so that each handle is known for as long as its child runs. */
export function rosterOf(supervise: Supervise): Roster {
  const handles = new Map<Supervised, string>();
  return {
    supervise(spec) {
      const handle = supervise(spec);
      handles.set(handle, spec.name);
      const forget = handle[Symbol.asyncDispose].bind(handle);
      handle[Symbol.asyncDispose] = async () => {
        handles.delete(handle);
        await forget();
      };
      return handle;
    },
    running: () =>
      [...handles].flatMap(([handle, name]) => {
        const { pid } = handle.facts();
        return pid === null ? [] : [{ name, pid }];
      }),
  };
}
