// The functions of templates that are rendered from the catalogue, on answers that are played.
import { describe, expect, test } from "vitest";
import { catalogueFunctions } from "../../src/core/render/catalogue-functions.ts";
import { LIST_FUNCTIONS } from "../../src/core/render/list-functions.ts";
import { sourceId, type Answers, type Ask, type Source } from "../../src/core/render/source.ts";
import { TEXT_FUNCTIONS } from "../../src/core/render/text-functions.ts";
import { compileTemplate } from "../../src/core/template/template.ts";
import { TemplateError } from "../../src/core/template/template-error.ts";

type Instance = Answers["instances"][number];

const instance = (more: Partial<Instance>): Instance => ({
  node: "n1",
  id: "web-1",
  name: "web",
  address: "10.0.0.1",
  port: 80,
  tags: [],
  meta: {},
  status: "passing",
  ...more,
});

const WEB: readonly Instance[] = [
  instance({ tags: ["blue", "fast"], meta: { weight: "5" } }),
  instance({ id: "web-2", address: "10.0.0.2", status: "warning", tags: ["blue"] }),
  instance({ id: "web-3", address: "10.0.0.3", status: "critical" }),
  instance({ id: "web-4", address: "fd00::4", port: 8080 }),
];

const KEYS = {
  "app/": "",
  "app/a": "1",
  "app/b/c": "2",
  "app/b/d": "3",
  apple: "x",
  "app/json": '{"port":1234567,"list":[1,2.5,true,null],"__proto__":1}',
};

const ANSWERS: Readonly<Record<string, unknown>> = {
  names: [
    { name: "consul", tags: [] },
    { name: "web", tags: ["blue", "fast"] },
  ],
  [sourceId({ kind: "instances", service: "web", tag: null, dc: null })]: WEB,
  [sourceId({ kind: "instances", service: "web", tag: "blue", dc: "dc2" })]: WEB.slice(0, 1),
  [sourceId({ kind: "file", path: "/etc/motd" })]: { text: "hello\n" },
  [sourceId({ kind: "file", path: "/gone" })]: { problem: "ENOENT" },
};

function answer(source: Source): unknown {
  if (source.kind !== "keys")
    return ANSWERS[sourceId(source)] ?? (source.kind === "file" ? null : []);
  const found = Object.entries(KEYS).filter(([key]) => key.startsWith(source.prefix));
  return found.map(([key, value]) => ({ key, value }));
}

function run(text: string, noFiles: string | null = null) {
  const asked: string[] = [];
  const lacking: string[] = [];
  const ask = ((source: Source) => {
    asked.push(sourceId(source));
    return answer(source);
  }) as Ask;
  const functions = new Map([
    ...TEXT_FUNCTIONS,
    ...LIST_FUNCTIONS,
    ...catalogueFunctions({ ask, lacks: (key) => lacking.push(key), noFiles }),
  ]);
  const out = compileTemplate(text, { functions, missingKey: "zero" }).render(null);
  return { out, asked, lacking };
}

const CATALOGUE: readonly (readonly [string, string])[] = [
  ["{{range services}}{{.Name}}{{.Tags}} {{end}}", "consul[] web[blue fast] "],
  ['{{range service "web"}}{{.Address}}:{{.Port}} {{end}}', "10.0.0.1:80 fd00::4:8080 "],
  [
    '{{range service "web" "any"}}{{.ID}}={{.Status}} {{end}}',
    "web-1=passing web-2=warning web-3=critical web-4=passing ",
  ],
  ['{{range service "web" "warning, critical"}}{{.ID}} {{end}}', "web-2 web-3 "],
  [
    '{{range service "blue.web@dc2"}}{{.Node}} {{.Name}} {{.ServiceMeta.weight}}{{.ServiceMeta.none}}{{end}}',
    "n1 web 5",
  ],
  ['{{if service "nobody"}}some{{else}}none{{end}}', "none"],
  ['{{range service "web"}}{{hostPort .Address .Port}} {{end}}', "10.0.0.1:80 [fd00::4]:8080 "],
  ['{{range $t, $s := service "web" "any" | byTag}}{{$t}}:{{len $s}} {{end}}', "blue:2 fast:1 "],
  [
    "{{range $t, $s := byTag services}}{{$t}}:{{range $s}}{{.Name}}{{end}} {{end}}",
    "blue:web fast:web ",
  ],
  ['{{range service "web" "any"}}{{if .Tags | contains "fast"}}{{.ID}}{{end}}{{end}}', "web-1"],
  [
    '{{key "app/a"}} {{key "/app/a"}} {{keyOrDefault "app/z" "or"}} {{keyOrDefault "app/a" "or"}}',
    "1 1 or 1",
  ],
  ['{{keyExists "app/a"}} {{keyExists "app/z"}} {{keyExists "app"}}', "true false false"],
  ['{{range ls "app"}}{{.Key}} {{end}}', "a json "],
  [
    '{{range tree "app/"}}{{.Key}}@{{.Path}} {{end}}',
    "a@app/a b/c@app/b/c b/d@app/b/d json@app/json ",
  ],
  ['{{range $k, $v := tree "app" | byKey}}{{$k}}:{{len $v}} {{end}}', "a:1 b:2 json:1 "],
  ['{{with tree "app" | explode}}{{.a}} {{.b.c}} {{.b.d}}{{end}}', "1 2 3"],
  [
    '{{with key "app/json" | parseJSON}}{{.port}} {{index .list 1}} {{len .list}}{{end}}',
    "1234567 2.5 4",
  ],
  ['{{file "/etc/motd"}}', "hello\n"],
  ['{{isIP "10.0.0.1"}} {{isIP "web.example"}}', "true false"],
];

const TEXTS: readonly (readonly [string, string])[] = [
  [
    '{{"Ab Ç" | toLower}} {{"ab ß" | toUpper}} {{"it\'s a web-1 x2y" | toTitle}}',
    "ab ç AB SS It's A Web-1 X2y",
  ],
  [
    '{{"  a " | trimSpace}}|{{"xxaxx" | trim "x"}}|{{trim "xa" "axa"}}|{{"abc" | trimPrefix "a"}}|{{"abc" | trimSuffix "c"}}|{{"abc" | trimSuffix ""}}',
    "a|a||bc|ab|abc",
  ],
  ['{{"abc" | hasPrefix "ab"}} {{"abc" | hasSuffix "ab"}}', "true false"],
  [
    '{{"web-1" | regexMatch "^[a-z]+-\\\\d$"}} {{"web" | regexMatch "\\\\d"}} {{"" | regexMatch "^$"}}',
    "true false true",
  ],
  [
    '{{if "7" | parseInt | lt 5}}more{{end}} {{"1.5" | parseFloat}} {{"true" | parseBool}} {{parseInt ""}}',
    "more 1.5 true 0",
  ],
  ['{{"a\\n\\nb" | indent 2}}', "  a\n\n  b"],
  ['{{"say \\"x\\"" | quote}}', '"say \\"x\\""'],
  [
    '{{parseJSON "" | len}} {{key "app/json" | parseJSON | toJSON}}',
    '0 {"__proto__":1,"list":[1,2.5,true,null],"port":1234567}',
  ],
  [
    '{{parseJSON "{\\"10\\":[],\\"9\\":{\\"a\\":1}}" | toJSONPretty}}',
    '{\n  "10": [],\n  "9": {\n    "a": 1\n  }\n}',
  ],
  [
    '{{service "blue.web@dc2" | toJSON}}',
    '[{"Node":"n1","ID":"web-1","Name":"web","Address":"10.0.0.1","Port":80,"Tags":["blue","fast"],"Status":"passing","ServiceMeta":{"weight":"5"}}]',
  ],
  [
    '{{in "abc" "b"}} {{contains "b" "abc"}} {{parseJSON "[1,2]" | contains 2}} {{parseJSON "[1]" | contains "1"}} {{parseJSON "{\\"a\\":0}" | contains "a"}}',
    "true true true false true",
  ],
  [
    '{{$l := parseJSON "[1,2,3]"}}{{$l | containsAll (parseJSON "[1,3]")}} {{$l | containsAny (parseJSON "[9,3]")}} {{$l | containsNone (parseJSON "[9]")}} {{$l | containsNotAll (parseJSON "[1,9]")}}',
    "true true true true",
  ],
  [
    "{{1 | add 2}} {{5 | subtract 2}} {{3 | multiply 4}} {{10 | divide 3}} {{10 | modulo 3}} {{minimum 1 2}} {{maximum 1 2}} {{1.5 | add 2}}",
    "3 3 12 3 1 1 2 3.5",
  ],
];

/** [template, what the error says] */
const WRONG: readonly (readonly [string, string])[] = [
  ['{{service ""}}', 'service wants "NAME"'],
  ['{{service "a b"}}', 'service wants "NAME"'],
  ['{{service "web~near"}}', 'service wants "NAME"'],
  ['{{service "web" "maintenance"}}', '"any", or some of'],
  ['{{range service "web"}}{{.NodeAddress}}{{end}}', "Instance has no field NodeAddress"],
  ['{{key "a@dc2"}}', "another datacenter"],
  ['{{key ""}}', "a key without a name"],
  ["{{key 1}}", "a key wants a string"],
  ['{{file "/gone"}}', "file /gone: ENOENT"],
  ["{{.X}}", "nil has no field X"],
  ['{{parseJSON "{"}}', "parseJSON: "],
  [`{{parseJSON "${"[".repeat(200)}${"]".repeat(200)}"}}`, "inside each other"],
  ['{{parseInt "x"}}', "no whole number"],
  ['{{parseBool "maybe"}}', "neither true nor false"],
  ["{{1 | divide 0}}", "division by zero"],
  ['{{add 1 "2"}}', "add wants numbers"],
  ["{{9007199254740991 | multiply 2}}", "too large"],
  ['{{"a" | indent 1000}}', "from 0 to 100"],
  ["{{services | byKey}}", "has no Key"],
  ["{{contains 1 2}}", "a list is wanted"],
];

describe("functions of rendered templates", () => {
  for (const [text, expected] of [...CATALOGUE, ...TEXTS])
    test(text.slice(0, 100), () => {
      expect(run(text)).toMatchObject({ out: expected, lacking: [] });
    });

  for (const [text, expected] of WRONG)
    test(`${text.slice(0, 60)} is refused`, () => {
      expect(() => run(text)).toThrow(TemplateError);
      expect(() => run(text)).toThrow(expected);
    });

  test("a key that is not there is told, one with a default or a question is not", () => {
    const { out, lacking } = run('[{{key "app/z"}}{{keyOrDefault "y" ""}}{{keyExists "x"}}]');
    expect(out).toBe("[false]");
    expect(lacking).toEqual(["app/z"]);
  });

  test("what is asked is known by the same name however it is written", () => {
    const { asked } = run('{{range service "web"}}{{end}}{{range service "web" "any"}}{{end}}');
    expect(new Set(asked).size).toBe(1);
  });

  test("a folder is asked for, not everything that begins like it", () => {
    expect(run('{{ls "app"}}').asked).toEqual([sourceId({ kind: "keys", prefix: "app/" })]);
  });

  test("where files are refused none is asked for", () => {
    expect(() => run('{{file "/etc/motd"}}', "not here")).toThrow("file /etc/motd: not here");
  });
});
