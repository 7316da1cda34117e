// Templates to files and commands, on a catalogue that is played and under a clock that is moved by hand.
import { describe, expect, test } from "vitest";
import { PlayedCatalogue, play, settled } from "./played.ts";

/** Every service with its ports. */
const ALL = "{{range services}}{{.Name}}:{{range service .Name}} {{.Port}}{{end}}\n{{end}}";

function templates(texts: Readonly<Record<string, string>>): PlayedCatalogue {
  const played = new PlayedCatalogue();
  for (const [key, text] of Object.entries(texts)) played.keys.set(key, text);
  return played;
}

describe("rendering from the catalogue", () => {
  test("watches what the template asks for, and no longer what it does not", async () => {
    const played = templates({ t: ALL });
    played.set("a", [1]);
    await using it = play(["kv:t:out"], played);
    await settled();
    expect(it.files.get("out")).toBe("a: 1\n");
    expect(played.watched()).toEqual(["a", "kv:t", "names"]);
    played.set("b", [2, 3]);
    await settled();
    it.clock.advance(100);
    await settled();
    expect(it.files.get("out")).toBe("a: 1\nb: 2 3\n");
    played.remove("a");
    await settled();
    it.clock.advance(100);
    await settled();
    expect(it.files.get("out")).toBe("b: 2 3\n");
    expect(played.watched()).toEqual(["b", "kv:t", "names"]);
  });

  test("writes nothing while a service has not answered: half an answer looks like no upstream", async () => {
    const played = templates({ t: ALL });
    played.set("a", [1]);
    played.mute.add("a");
    await using it = play(["kv:t:out"], played);
    await settled();
    it.clock.advance(60_000);
    await settled();
    expect(it.did).toEqual([]);
    played.mute.clear();
    played.tell();
    await settled();
    expect(it.files.get("out")).toBe("a: 1\n");
  });

  test("keeps what it knew while Consul fails, and tells of an outage once a minute", async () => {
    const played = templates({ t: ALL });
    played.set("a", [1]);
    await using it = play(["kv:t:out:reload"], played);
    await settled();
    for (let i = 0; i < 50; i++) {
      played.fail(new Error("connection refused"));
      it.clock.advance(1_000);
      await settled();
    }
    expect(it.failed).toHaveLength(1);
    expect(it.did).toEqual(["write out", "run reload"]);
    it.clock.advance(10_000);
    played.fail(new Error("connection refused"));
    expect(it.failed).toHaveLength(2);
  });

  test("runs a command only when its file changed, and once for several files", async () => {
    const played = templates({ t: ALL, u: '{{range service "a"}}{{.Port}}{{end}}' });
    played.set("a", [1]);
    await using it = play(["kv:t:one:reload", "kv:u:two:reload", "kv:u:three:other"], played);
    await settled();
    const all = ["write one", "write two", "write three", "run reload", "run other"];
    expect(it.did).toEqual(all);
    played.tell();
    await settled();
    it.clock.advance(100);
    await settled();
    expect(it.did).toEqual(all);
    played.set("b", []);
    await settled();
    it.clock.advance(100);
    await settled();
    expect(it.did.slice(all.length)).toEqual(["write one", "run reload"]);
  });

  test("several services that change at once are one change", async () => {
    const played = templates({ t: ALL });
    for (const name of ["a", "b", "c", "d"]) played.set(name, [1]);
    await using it = play(["kv:t:out:reload"], played);
    await settled();
    for (const name of ["a", "b", "c", "d"]) {
      played.set(name, [1, 2]);
      await settled();
      it.clock.advance(90);
      await settled();
    }
    expect(it.did).toEqual(["write out", "run reload"]);
    it.clock.advance(10);
    await settled();
    expect(it.did).toEqual(["write out", "run reload", "write out", "run reload"]);
    expect(it.files.get("out")).toBe("a: 1 2\nb: 1 2\nc: 1 2\nd: 1 2\n");
  });

  test("a template that waits for a key takes nothing of the quiet from the others", async () => {
    const played = templates({ t: ALL, u: '{{key "nobody/writes/it"}}' });
    played.set("a", [1]);
    await using it = play(["kv:t:out", "kv:u:other"], played);
    await settled();
    played.set("a", [2]);
    await settled();
    it.clock.advance(90);
    await settled();
    expect(it.files.get("out")).toBe("a: 1\n");
    it.clock.advance(10);
    await settled();
    expect(it.files.get("out")).toBe("a: 2\n");
  });

  test("one that never rests does not hold the others up for longer than the most", async () => {
    const played = templates({ t: ALL });
    played.set("a", [1]);
    await using it = play(["kv:t:out:reload"], played);
    await settled();
    for (let i = 0; i < 10; i++) {
      played.set("a", [i]);
      await settled();
      it.clock.advance(50);
      await settled();
    }
    expect(it.did.filter((what) => what === "run reload")).toHaveLength(2);
  });

  test("a broken template keeps the old file, says line and column once, and is taken again when mended", async () => {
    const played = templates({ t: ALL });
    played.set("a", [1]);
    await using it = play(["kv:t:out:reload", "kv:u:other"], played);
    played.put("u", "fine");
    await settled();
    played.put("t", 'x\n  {{index (service "a") 7}}');
    for (let i = 0; i < 5; i++) {
      await settled();
      it.clock.advance(1_000);
      played.tell();
    }
    expect(it.files.get("out")).toBe("a: 1\n");
    expect(it.failed.map(String)).toEqual(["ConfigError: kv:t:2:5: index out of range: 7"]);
    played.put("t", "mended");
    played.put("u", "also changed");
    await settled();
    it.clock.advance(1_000);
    await settled();
    expect(Object.fromEntries(it.files)).toEqual({ out: "mended", other: "also changed" });
  });

  test("waits for a key that has to be there, and says which", async () => {
    const played = templates({ t: '{{key "a/b"}}' });
    played.keys.set("a/bc", "a neighbour");
    await using it = play(["kv:t:out"], played);
    await settled();
    expect(it.told).toEqual(["kv:t waits for key a/b"]);
    expect(it.did).toEqual([]);
    played.put("a/b", "here");
    await settled();
    it.clock.advance(100);
    await settled();
    expect(it.files.get("out")).toBe("here");
  });

  test("a template that comes from a key may not read files", async () => {
    const played = templates({ t: '{{file "/etc/hostname"}}' });
    await using it = play(["kv:t:out"], played);
    await settled();
    expect(it.did).toEqual([]);
    expect(it.failed).toMatchObject([{ message: expect.stringContaining("may not read files") }]);
  });

  test("no template sees our token", async () => {
    const played = templates({ t: '[{{env "CONSUL_HTTP_TOKEN"}}{{env "SHOWN"}}]' });
    await using it = play(["kv:t:out"], played);
    await settled();
    expect(it.files.get("out")).toBe("[yes]");
  });

  test("a command that failed is told and run again, less and less often, until it succeeds", async () => {
    const played = templates({ t: "x" });
    const it = play(["kv:t:out:reload"], played);
    await using _ = it;
    it.commandFailures.push(new Error("exited with 3"), new Error("exited with 3"));
    await settled();
    expect(it.did).toEqual(["write out", "run reload"]);
    it.clock.advance(999);
    await settled();
    expect(it.did).toHaveLength(2);
    it.clock.advance(1);
    await settled();
    expect(it.did).toEqual(["write out", "run reload", "run reload"]);
    expect(it.failed).toHaveLength(2);
    it.clock.advance(2_000);
    await settled();
    expect(it.did).toHaveLength(4);
    it.clock.advance(3_600_000);
    await settled();
    expect(it.did).toHaveLength(4);
  });

  test("a file that could not be written is written later, and only then its command runs", async () => {
    const played = templates({ t: "x" });
    const it = play(["kv:t:out:reload"], played);
    await using _ = it;
    it.writeFailures.push(new Error("no space left"), new Error("no space left"));
    await settled();
    it.clock.advance(1_000);
    await settled();
    expect(it.did).toEqual([]);
    expect(it.failed).toHaveLength(1);
    it.clock.advance(2_000);
    await settled();
    expect(it.did).toEqual(["write out", "run reload"]);
  });

  test("a template that asks for more than a thousand things is refused", async () => {
    const played = templates({
      t: '{{range $i := loop 1001}}{{keyExists (printf "k%d" $i)}}{{end}}',
    });
    await using it = play(["kv:t:out"], played);
    await settled();
    it.clock.advance(1_000);
    await settled();
    expect(it.did).toEqual([]);
    expect(it.failed).toMatchObject([{ message: expect.stringContaining("more than 1000") }]);
  });
});
