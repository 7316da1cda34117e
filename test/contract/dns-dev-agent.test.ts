// What only the development agent's DNS promises: answers of any length, and that nothing that is sent to it ends it.
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { connect, consulAt } from "../../src/consul/client.ts";
import { startDevAgent, type DevAgent } from "../../src/consul/dev-agent/start.ts";
import { serviceOf } from "./consul-fixture.ts";

async function start(): Promise<DevAgent & { readonly dnsPort: number }> {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-dev-agent-"));
  const agent = await startDevAgent({ port: 0, dnsPort: 0, file: join(dir, "kv.log") });
  onTestFinished(async () => {
    await agent[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });
  return agent as DevAgent & { readonly dnsPort: number };
}

async function fill(agent: DevAgent, count: number): Promise<readonly string[]> {
  const { directory, close } = connect(consulAt(agent.url));
  const addresses = Array.from({ length: count }, (_, at) => `10.0.${at >> 8}.${at & 255}`);
  for (const address of addresses)
    await directory.register({ ...serviceOf("many"), id: address, address }, null);
  close();
  return addresses;
}

/** "many.service.consul IN A", perhaps with EDNS. */
function question(udpBytes?: number): Buffer {
  const name = ["many", "service", "consul"].map((it) => String.fromCharCode(it.length) + it);
  const more = udpBytes === undefined ? 0 : 1;
  const head = Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, more]);
  const asked = Buffer.concat([head, Buffer.from(`${name.join("")}\0`), Buffer.from([0, 1, 0, 1])]);
  if (udpBytes === undefined) return asked;
  const opt = Buffer.from([0, 0, 41, udpBytes >> 8, udpBytes & 255, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([asked, opt]);
}

async function askByUdp(port: number, ...sent: readonly Buffer[]): Promise<Buffer> {
  const socket = createSocket("udp4");
  for (const bytes of sent) socket.send(bytes, port, "127.0.0.1");
  const [answer] = (await once(socket, "message")) as [Buffer];
  socket.close();
  return answer;
}

const truncated = (answer: Buffer) => ((answer[2] ?? 0) & 2) !== 0;

test("an answer that does not fit is cut and says so; by TCP it is whole", async () => {
  const agent = await start();
  const all = await fill(agent, 300);
  const plain = await askByUdp(agent.dnsPort, question());
  expect(plain.length).toBeLessThanOrEqual(512);
  expect(truncated(plain)).toBe(true);
  expect(plain.readUInt16BE(6)).toBeGreaterThan(5);
  const wide = await askByUdp(agent.dnsPort, question(1232));
  expect(wide.length).toBeLessThanOrEqual(1232);
  expect(wide.length).toBeGreaterThan(plain.length);
  expect(truncated(wide)).toBe(true);
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${agent.dnsPort}`]);
  const found = await resolver.resolve4("many.service.consul");
  expect(found.toSorted()).toEqual(all.toSorted());
});

test("an answer that fits is not cut, and comes in another order each time", async () => {
  const agent = await start();
  await fill(agent, 12);
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => askByUdp(agent.dnsPort, question())),
  );
  for (const answer of answers) {
    expect(truncated(answer)).toBe(false);
    expect(answer.readUInt16BE(6)).toBe(12);
  }
  expect(new Set(answers.map((answer) => answer.toString("hex"))).size).toBeGreaterThan(1);
});

test("what is no question is ignored or refused, and the next one is answered", async () => {
  const agent = await start();
  await fill(agent, 1);
  const whole = question();
  // Nothing, half a header, an answer, a name that points to itself, labels without an end: none has an answer, or
  // only a refusal, and the real question comes last.
  const broken = [
    Buffer.alloc(0),
    whole.subarray(0, 7),
    Buffer.from([...whole.subarray(0, 2), 0x81, ...whole.subarray(3)]),
    Buffer.concat([whole.subarray(0, 12), Buffer.from([0xc0, 0x0c, 0, 1, 0, 1])]),
    Buffer.concat([whole.subarray(0, 12), Buffer.alloc(300, 1)]),
    whole.subarray(0, 20),
  ];
  for (const bytes of broken) {
    const answer = await askByUdp(agent.dnsPort, bytes, Buffer.from(whole));
    expect([0, 1]).toContain((answer[3] ?? 0) & 15);
  }
  const socket = connectTcp(agent.dnsPort, "127.0.0.1");
  socket.write(Buffer.from([0xff, 0xff, 1, 2, 3]));
  await once(socket, "close");
  expect((await askByUdp(agent.dnsPort, whole)).readUInt16BE(6)).toBe(1);
});
