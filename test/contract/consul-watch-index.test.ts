// The index that a watch waits for, against answers that are played: when it must not be believed any more.
import { expect, test } from "vitest";
import { watchQuery } from "../../src/consul/watch.ts";
import type { Transport } from "../../src/consul/transport.ts";

type Played = { readonly index: number; readonly seen: string } | Error;

/** What the watch asked for in each request, "" for no index, and what it delivered. */
async function played(answers: readonly Played[]) {
  const asked: string[] = [];
  const heard: string[] = [];
  const end = new AbortController();
  const left = [...answers];
  const transport = {
    block: async (_: string, request: (client: never) => Promise<unknown>) => {
      await request({} as never);
      const next = left.shift();
      if (left.length === 0) end.abort();
      if (next === undefined || next instanceof Error) throw next ?? new Error("over");
      return [{ headers: { "x-consul-index": String(next.index) } }, next.seen];
    },
  } as unknown as Transport;
  const query = {
    what: "watch x",
    ask: (_: unknown, { index = "" }: { readonly index?: string }) => {
      asked.push(index);
      return Promise.resolve();
    },
    read: String,
    print: (seen: string) => seen,
  };
  await watchQuery(transport, query, {
    signal: end.signal,
    onChange: (seen) => heard.push(seen),
    onError: () => {},
  });
  return { asked, heard };
}

test("it waits for the index of the last answer", async () => {
  const { asked, heard } = await played([
    { index: 50, seen: "a" },
    { index: 51, seen: "b" },
    { index: 51, seen: "b" },
    { index: 51, seen: "b" },
  ]);
  expect(asked).toEqual(["", "50", "51", "51"]);
  expect(heard).toEqual(["a", "b"]);
});

test("an index that goes backwards is another history: it is asked anew, and waits from there", async () => {
  const { asked, heard } = await played([
    { index: 50, seen: "a" },
    { index: 10, seen: "old" },
    { index: 10, seen: "old" },
    { index: 11, seen: "new" },
    { index: 11, seen: "new" },
  ]);
  expect(asked).toEqual(["", "50", "", "10", "11"]);
  expect(heard).toEqual(["a", "old", "new"]);
});

test("after an error the next answer may be of another history: it is asked anew", async () => {
  const { asked, heard } = await played([
    { index: 50, seen: "a" },
    new Error("connection lost"),
    { index: 10, seen: "restored" },
    { index: 10, seen: "restored" },
  ]);
  expect(asked).toEqual(["", "50", "", "10"]);
  expect(heard).toEqual(["a", "restored"]);
});
