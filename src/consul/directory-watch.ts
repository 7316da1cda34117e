// Watches of the catalogue: the instances of one service, and the names of all.
import type { Instance, ServiceName, ServiceSelector, Watcher } from "../ports.ts";
import { instancesOf } from "./instance.ts";
import type { Transport } from "./transport.ts";
import { watchQuery } from "./watch.ts";

export function watchInstances(
  transport: Transport,
  { service, tag, dc, passingOnly = false }: ServiceSelector,
  watcher: Watcher<readonly Instance[]>,
): Promise<void> {
  const selected = {
    service,
    passing: passingOnly,
    ...(tag === undefined ? {} : { tag }),
    ...(dc === undefined ? {} : { dc }),
  };
  return watchQuery(
    transport,
    {
      what: `watch service ${service}`,
      ask: (client, options) => client.health.service({ ...options, ...selected }),
      read: instancesOf,
      // Without the indexes: a check that says the same in other words wakes the query, and changes nothing.
      print: (instances) => JSON.stringify(instances),
    },
    watcher,
  );
}

export function watchNames(
  transport: Transport,
  watcher: Watcher<readonly ServiceName[]>,
): Promise<void> {
  return watchQuery(
    transport,
    {
      what: "watch the names of services",
      // Only the declarations of the package want a datacenter.
      ask: (client, options) =>
        client.catalog.service.list(options as typeof options & { dc: string }),
      read: namesOf,
      print: (names) => JSON.stringify(names),
    },
    watcher,
  );
}

function namesOf(answer: unknown): readonly ServiceName[] {
  const tagsOf = (answer ?? {}) as Readonly<Record<string, readonly string[] | null>>;
  return Object.entries(tagsOf)
    .map(([name, tags]) => ({ name, tags: (tags ?? []).toSorted() }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
