// The Directory port's watches: instances and names, each delivered once at the start and then by change only.
import { describe, expect, onTestFinished, test } from "vitest";
import type { Instance, ServiceName, ServiceSelector, Watcher } from "../../src/ports.ts";
import { serviceOf, TEST_LIMIT_MS, useConsul, type StartConsul } from "./consul-fixture.ts";
import { until } from "./until.ts";

export function watchesContract(start: StartConsul): void {
  describe("watches of services", { timeout: TEST_LIMIT_MS }, () => {
    const { consul, fresh, server } = useConsul(start);

    /** Runs a watch until the test ends; resolves when it has delivered once, or failed. */
    async function watched<T>(watch: (watcher: Watcher<T>) => Promise<void>) {
      const [seen, errors, abort]: [T[], unknown[], AbortController] = [
        [],
        [],
        new AbortController(),
      ];
      const ended = watch({
        signal: abort.signal,
        onChange: (now) => seen.push(now),
        onError: (error) => errors.push(error),
      });
      const stop = async (): Promise<void> => {
        abort.abort();
        await ended;
      };
      onTestFinished(stop);
      await until("the watch said something", () => seen.length + errors.length > 0);
      return { seen, errors, stop };
    }

    const instances = (selector: ServiceSelector) =>
      watched<readonly Instance[]>((watcher) => consul().directory.watch(selector, watcher));

    const statuses = (seen: readonly (readonly Instance[])[]) =>
      seen.map((list) => list.map(({ id, status }) => `${id} ${status}`));

    test("delivers nobody, the first instance, its health, its tags and its end, and nothing else", async () => {
      const { directory } = consul();
      const service = serviceOf(fresh());
      const { seen, errors } = await instances({ service: service.name });
      const delivered = (count: number) => until(`${count} deliveries`, () => seen.length >= count);
      await directory.register(service, 60);
      await delivered(2);
      await directory.report(service.id, "passing", "one");
      await delivered(3);
      await directory.report(service.id, "passing", "in other words");
      await directory.register(serviceOf(fresh()), 60);
      await directory.report(service.id, "warning", "");
      await delivered(4);
      await directory.register({ ...service, tags: ["blue"] }, 60);
      await delivered(5);
      await directory.deregister(service.id);
      await delivered(6);
      const it = service.id;
      const kinds = [[], [`${it} critical`], [`${it} passing`], [`${it} warning`]];
      expect(statuses(seen)).toEqual([...kinds, [`${it} warning`], []]);
      expect(seen[4]?.[0]).toMatchObject({ ...service, tags: ["blue"], node: expect.any(String) });
      expect(errors).toEqual([]);
    });

    test("of the passing ones only, or of one tag, hears of nothing else", async () => {
      const { directory } = consul();
      const name = fresh();
      const [one, two] = ["1", "2"].map((at) => ({ ...serviceOf(name), id: `${name}-${at}` }));
      if (!one || !two) throw new Error("two were made");
      const passing = await instances({ service: name, passingOnly: true });
      const blue = await instances({ service: name, tag: "blue" });
      await directory.register(one, 60);
      await directory.register({ ...two, tags: ["blue"] }, 60);
      await until("the blue one is seen", () => blue.seen.length === 2);
      await directory.report(one.id, "passing", "");
      await until("the passing one is seen", () => passing.seen.length === 2);
      await directory.report(one.id, "critical", "");
      await until("it is not passing any more", () => passing.seen.length === 3);
      expect(statuses(passing.seen)).toEqual([[], [`${one.id} passing`], []]);
      expect(statuses(blue.seen)).toEqual([[], [`${two.id} critical`]]);
    });

    test("an instance that nobody passes any more turns critical in the watch", async () => {
      const { directory } = consul();
      const service = serviceOf(fresh());
      const { seen } = await instances({ service: service.name, passingOnly: true });
      await directory.register(service, 1);
      await directory.report(service.id, "passing", "");
      await until("it came and went", () => seen.length === 3);
      expect(statuses(seen)).toEqual([[], [`${service.id} passing`], []]);
    });

    test("delivers many instances by node and id, whatever order they came in", async () => {
      const { directory } = consul();
      const name = fresh();
      const ids = [7, 3, 5, 1].map((at) => `${name}-${at}`);
      for (const id of ids) await directory.register({ ...serviceOf(name), id }, null);
      const { seen } = await instances({ service: name });
      await until("all are there", () => seen.at(-1)?.length === ids.length);
      expect(seen.at(-1)?.map(({ id }) => id)).toEqual(ids.toSorted());
    });

    test("of the names delivers a new one, its new tag and its end", async () => {
      const { directory } = consul();
      const service = serviceOf(fresh());
      const { seen, errors } = await watched<readonly ServiceName[]>((watcher) =>
        directory.watchNames(watcher),
      );
      const tagsOf = (names: readonly ServiceName[]) =>
        names.find(({ name }) => name === service.name)?.tags ?? null;
      const last = () => tagsOf(seen.at(-1) ?? []);
      expect(last()).toBeNull();
      await directory.register({ ...service, tags: ["b", "a"] }, 60);
      await until("the name is there", () => last()?.join() === "a,b");
      await directory.register({ ...service, tags: ["c"] }, 60);
      await until("the new tag is there", () => last()?.join() === "c");
      await directory.deregister(service.id);
      await until("the name is gone", () => last() === null);
      const names = (seen[0] ?? []).map(({ name }) => name);
      expect(names).toEqual(names.toSorted());
      expect(names).not.toContain(service.name);
      expect(errors).toEqual([]);
    });

    test("goes on after a restart of the server", async () => {
      const { directory } = consul();
      const service = serviceOf(fresh());
      const { seen, errors } = await instances({ service: service.name });
      await server().restart();
      await until("it was told", () => errors.length > 0);
      await until("it is registered", async () => {
        await directory.register(service, null);
        return true;
      });
      await until("the watch sees it", () => seen.at(-1)?.length === 1);
    });
  });
}
