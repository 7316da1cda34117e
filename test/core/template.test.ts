// Go's text/template as its documentation has it, and ContainerPilot's functions as they were seen on its binary.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/core/template/limits.ts";
import { compileTemplate } from "../../src/core/template/template.ts";
import { TemplateError } from "../../src/core/template/template-error.ts";
import type { Dict, Struct, Value } from "../../src/core/template/value.ts";

export function dict(entries: Readonly<Record<string, Value>>, zero: Value = null): Dict {
  return { dict: new Map(Object.entries(entries)), zero };
}

const service: Struct = {
  struct: "Service",
  fields: new Map<string, Value>([
    ["Name", "app"],
    ["Port", 8080],
  ]),
};

const DATA = dict({
  Name: "web",
  Empty: "",
  Zero: 0,
  N: 17,
  Pi: { float: 3.1416 },
  Yes: true,
  No: false,
  Nil: null,
  List: [3, 4, 5],
  Words: ["a", "b"],
  None: [],
  Map: dict({ two: 2, one: 1 }),
  Texts: dict({ a: "A" }, ""),
  Nested: dict({ A: dict({ B: "deep" }) }),
  Service: service,
  Services: [service],
  Html: `<a href="x">'&'</a>`,
  Ä: "ümläut",
});

const run = (text: string, data: Value = DATA): string => compileTemplate(text).render(data);

/** [template, what Go prints] */
const CASES: readonly (readonly [string, string])[] = [
  // text, comments, trim markers
  ["plain } text { with % $ .", "plain } text { with % $ ."],
  ["a{{/* a comment */}}b", "ab"],
  ["a {{- /* a comment */ -}} b", "ab"],
  ["{{23 -}} < {{- 45}}", "23<45"],
  ["a  \n {{- 1 -}} \t\r\n b", "a1b"],
  ["{{- 3}}{{-3}}", "3-3"],
  ["x {{23}} y", "x 23 y"],
  // constants
  [`{{"a\\tb\\u00e9\\x41\\101\\n"}}`, "a\tb\u00e9AA\n"],
  ["{{`raw \\n`}}", "raw \\n"],
  ["{{'a'}} {{'\\n'}}", "97 10"],
  ["{{1}} {{-7}} {{+7}} {{0x1F}} {{0b11}} {{0o17}} {{017}} {{1_000}}", "1 -7 7 31 3 15 15 1000"],
  [
    "{{1.5}} {{1e3}} {{.5}} {{1.0}} {{1e6}} {{1e-7}} {{123456789.0}}",
    "1.5 1000 0.5 1 1e+06 1e-07 1.23456789e+08",
  ],
  ["{{true}} {{false}}", "true false"],
  // fields and variables
  ["{{.Name}} {{.Nested.A.B}} {{.Ä}}", "web deep ümläut"],
  ["{{.Service.Name}}:{{.Service.Port}}", "app:8080"],
  ["{{.Missing}} {{.Nil}} {{.Texts.zzz}}|", "<no value> <no value> <no value>|"],
  ["{{.Missing.Further}}", "<no value>"],
  ["{{$.Name}} {{$x := 5}}{{$x}} {{$x = 6}}{{$x}}", "web 5 6"],
  ["{{$x := 1}}{{if true}}{{$x = 2}}{{$x := 3}}{{$x}}{{end}}{{$x}}", "32"],
  ["{{$s := .Service}}{{$s.Port}}", "8080"],
  ["{{(index .Services 0).Name}}", "app"],
  // printing
  [
    "{{.List}} {{.Words}} {{.None}} {{.Map}} {{.Service}}",
    "[3 4 5] [a b] [] map[one:1 two:2] {app 8080}",
  ],
  // if, with, range
  ["{{if .Yes}}y{{else}}n{{end}}{{if .No}}y{{else}}n{{end}}", "yn"],
  ["{{if .Empty}}1{{else if .Zero}}2{{else if .N}}3{{else}}4{{end}}", "3"],
  ["{{if .None}}1{{else}}2{{end}}{{if .Nil}}1{{else}}2{{end}}{{if .Service}}1{{end}}", "221"],
  ["{{with .Nested.A}}{{.B}}{{end}}{{with .Empty}}x{{else}}none{{end}}", "deepnone"],
  ["{{with .Empty}}1{{else with .Name}}{{.}}{{else}}3{{end}}", "web"],
  ["{{with $x := .Name}}{{$x}}{{end}}", "web"],
  ["{{range .List}}<{{.}}>{{end}}", "<3><4><5>"],
  ["{{range .None}}x{{else}}none{{end}}", "none"],
  ["{{range $e := .Words}}{{$e}}{{$.Name}}{{end}}", "awebbweb"],
  ["{{range $i, $e := .Words}}{{$i}}={{$e}};{{end}}", "0=a;1=b;"],
  ["{{range $k, $v := .Map}}{{$k}}={{$v}};{{end}}", "one=1;two=2;"],
  ["{{range 3}}{{.}}{{end}}{{range $i := 2}}{{$i}}{{end}}", "01201"],
  ["{{range .List}}{{if eq . 4}}{{continue}}{{end}}{{.}}{{end}}", "35"],
  ["{{range .List}}{{if eq . 4}}{{break}}{{end}}{{.}}{{end}}", "3"],
  ["{{$last := 0}}{{range .List}}{{$last = .}}{{end}}{{$last}}", "5"],
  // define, template, block
  [`{{define "T"}}[{{.}}]{{end}}{{template "T"}}{{template "T" .Name}}`, "[<no value>][web]"],
  [`{{template "T" .}}{{define "T"}}{{$.Name}}{{end}}`, "web"],
  [`{{block "B" .Name}}<{{.}}>{{end}}{{template "B" 1}}`, "<web><1>"],
  [
    `{{define "R"}}{{if .}}{{len .}}{{template "R" (slice . 1)}}{{end}}{{end}}{{template "R" .List}}`,
    "321",
  ],
  // pipelines
  [`{{"output" | printf "%s" | printf "%q"}}`, `"output"`],
  [`{{with "output"}}{{printf "%q" .}}{{end}}`, `"output"`],
  [`{{with $x := "output" | printf "%q"}}{{$x | print}}{{end}}`, `"output"`],
  [`{{printf "%q" (print "out" "put")}}`, `"output"`],
  [`{{"put" | printf "%s%s" "out" | printf "%q"}}`, `"output"`],
  // functions
  ["{{and 1 0 2}} {{and 1 2}} {{or 0 .Empty 3 4}} {{or 0 false}}", "0 2 3 false"],
  ["{{and false (index .List 99)}} {{or 1 (index .List 99)}}", "false 1"],
  ["{{not 0}} {{not .Name}}", "true false"],
  [`{{len "héé"}} {{len .List}} {{len .Map}}`, "5 3 2"],
  [
    `{{index .List 1}} {{index .Map "two"}} {{index .Map "x"}} {{index .Nested "A" "B"}} {{index "abc" 1}}`,
    "4 2 <no value> deep 98",
  ],
  [
    `{{slice "abcdef" 1 3}} {{slice .List 1}} {{slice .List 0 1 2}} {{slice "abc"}}`,
    "bc [4 5] [3] abc",
  ],
  [`{{print 1 2 "a" 3 4}} {{print "a" "b"}} {{print nil}}`, "1 2a3 4 ab <nil>"],
  [`{{println "a" 1}}|`, "a 1\n|"],
  [
    `{{eq 1 1}} {{eq 1 2 3 1}} {{ne "a" "b"}} {{lt 1 2}} {{le 2 2}} {{gt "b" "a"}} {{ge 1 2}}`,
    "true true true true true true false",
  ],
  ["{{eq .Nil nil}} {{eq .Name nil}} {{lt 1.5 2.5}}", "true false true"],
  ["{{html .Html}}", "&lt;a href=&#34;x&#34;&gt;&#39;&amp;&#39;&lt;/a&gt;"],
  ["{{js .Html}}", `\\u003Ca href\\u003D\\"x\\"\\u003E\\'\\u0026\\'\\u003C/a\\u003E`],
  [`{{urlquery "a b&c=d/é~*'"}}`, "a+b%26c%3Dd%2F%C3%A9~%2A%27"],
];

/** [arguments of printf as written, what Go prints] */
const PRINTF: readonly (readonly [string, string])[] = [
  [`"%d %v %s %t" 17 .List .Name true`, "17 [3 4 5] web true"],
  [`"%5d|%-5d|%05d|%+d|% d" 7 7 7 7 7`, "    7|7    |00007|+7| 7"],
  [`"%x %X %o %b %c %U %q" 255 255 8 5 65 9731 65`, "ff FF 10 101 A U+2603 'A'"],
  [`"%#x %#o %O" 255 8 8`, "0xff 010 0o10"],
  [
    `"%f %.2f %8.3f|%e %g %G" .Pi .Pi .Pi .Pi .Pi 1e-9`,
    "3.141600 3.14    3.142|3.141600e+00 3.1416 1E-09",
  ],
  [`"%6.2f|%-8s|%8s|%.2s" .Pi "ab" "ab" "abc"`, "  3.14|ab      |      ab|ab"],
  [`"%q %#q %x % x" "a\\"b" "raw" "hi" "hi"`, `"a\\"b" \`raw\` 6869 68 69`],
  [`"%v %v" nil .Map`, "<nil> map[one:1 two:2]"],
  [`"%T %T %T" 1 "a" 1.5`, "int string float64"],
  [`"%[2]d %[1]d" 1 2`, "2 1"],
  [`"%*d|%-*d|" 4 7 4 7`, "   7|7   |"],
  [`"100%%"`, "100%"],
  [`"%d" "a"`, "%!d(string=a)"],
  [`"%s" 7`, "%!s(int=7)"],
  [`"%d %d" 1`, "1 %!d(MISSING)"],
  [`"%d" 1 2`, "1%!(EXTRA int=2)"],
  [`"%z" 1`, "%!z(int=1)"],
  [`"%"`, "%!(NOVERB)"],
  [`"%s" nil`, "%!s(<nil>)"],
  [`"%s|%5s" .Words .Words`, "[a b]|[    a     b]"],
];

/** [template, line:column, a part of the message] */
const ERRORS: readonly (readonly [string, string, string])[] = [
  ["a\n  {{foo}}", "2:5", "there is no function foo"],
  ["{{$x}}", "1:3", "there is no variable $x"],
  ["{{$x = 1}}", "1:6", "there is no variable $x"],
  ["{{if true}}{{$y := 1}}{{end}}{{$y}}", "1:32", "there is no variable $y"],
  ["{{if true}}", "1:12", "{{end}} is missing"],
  ["{{end}}", "1:6", "unexpected {{end}}"],
  ["{{else}}", "1:3", "unexpected {{else}}"],
  ["{{if 1}}{{else}}{{else}}{{end}}", "1:19", "a second {{else}}"],
  ["{{", "1:1", "the action has no end"],
  ["ab {{/* x", "1:6", "the comment has no end"],
  ["{{/* x */ }}", "1:10", "a comment ends right before"],
  [`{{"abc}}`, "1:3", `the " has no second one`],
  [`{{"\\z"}}`, "1:3", "unknown escape"],
  ["{{}}", "1:3", "a value is missing"],
  ["{{1 |}}", "1:6", "nothing follows the |"],
  ["{{1 | 2}}", "1:7", "a value stands after a |"],
  ["{{(1}}", "1:5", "a ) is missing"],
  ["{{1)}}", "1:4", `unexpected ")"`],
  ["{{3x}}", "1:3", "no number"],
  ["{{99999999999999999999}}", "1:3", "no number"],
  ["{{1i}}", "1:3", "no number"],
  ["{{1 2}}", "1:3", "is no function"],
  ["{{.Name 2}}", "1:3", ".Name is no function"],
  ["{{nil}}", "1:3", "nil is no command"],
  ["{{.Name.X}}", "1:3", "a value of type string has no field X"],
  ["{{.Service.Nope}}", "1:3", "Service has no field Nope"],
  ["{{break}}", "1:3", "{{break}} outside of a range"],
  [`{{range .List}}{{define "x"}}{{end}}{{end}}`, "1:18", "{{define}} stands inside"],
  [`{{define "x"}}{{break}}{{end}}`, "1:17", "outside of a range"],
  [`{{define "x"}}1{{end}}{{define "x"}}2{{end}}`, "1:45", "a second definition"],
  [`{{template "nope"}}`, "1:3", `there is no template "nope"`],
  [`{{template nope}}`, "1:12", "wants a name in quotes"],
  ["{{range .Name}}{{end}}", "1:3", "a range cannot go over"],
  ["{{range $a, $b := 3}}{{end}}", "1:3", "no second variable"],
  ["{{eq 1 1.0}}", "1:3", "cannot be compared"],
  ["{{eq .List .List}}", "1:3", "cannot be compared"],
  ["{{lt true false}}", "1:3", "has no order"],
  ["{{eq 1}}", "1:3", "eq takes 2 arguments or more, but was given 1"],
  ["{{index .List 3}}", "1:3", "index out of range: 3"],
  ["{{slice .List 2 1}}", "1:3", "invalid slice index"],
  ["{{len 3}}", "1:3", "len of a value of type int"],
  ["{{.Name^}}", "1:8", `unexpected "^"`],
  ["{{^}}", "1:3", `unexpected "^"`],
  ["{{if}}{{end}}", "1:5", "a value is missing in if"],
];

function failure(text: string): TemplateError {
  try {
    run(text);
  } catch (error) {
    if (error instanceof TemplateError) return error;
    throw error;
  }
  throw new Error(`it was taken: ${text}`);
}

describe("a template", () => {
  for (const [text, expected] of CASES)
    test(`gives what Go documents: ${text}`, () => expect(run(text)).toBe(expected));

  for (const [args, expected] of PRINTF)
    test(`printf ${args}`, () => expect(run(`{{printf ${args}}}`)).toBe(expected));

  for (const [text, place, why] of ERRORS)
    test(`is told with its place: ${text}`, () => {
      const { at, message } = failure(text);
      expect(message).toContain(why);
      expect(`${at?.line}:${at?.column}`).toBe(place);
    });

  test("takes missing keys as Go's option says", () => {
    const render = (missingKey: "zero" | "error") =>
      compileTemplate("{{.nope}}|{{.Map.x}}", { missingKey }).render(
        dict({ Map: dict({}, 0) }, ""),
      );
    expect(render("zero")).toBe("|0");
    expect(() => render("error")).toThrow("the map has no entry for nope");
  });

  test("calls the functions that it was given, also instead of Go's", () => {
    const functions = new Map([
      ["twice", { least: 1, most: 1, call: ([a = null]: readonly Value[]) => [a, a] }],
      ["len", { least: 0, most: 0, call: () => "mine" }],
    ]);
    expect(compileTemplate("{{twice 1}} {{len}}", { functions }).render(null)).toBe("[1 1] mine");
    expect(() => compileTemplate("{{twice}}", { functions }).render(null)).toThrow(
      "twice takes 1 argument, but was given 0",
    );
  });
});

describe("a template's limits", () => {
  const told = [
    ["{{range 99999999}}{{end}}", "steps"],
    ["{{range 9999999}}{{range 9999999}}{{end}}{{end}}", "steps"],
    [`{{define "A"}}{{template "A"}}{{end}}{{template "A"}}`, "inside each other"],
    [
      `{{define "A"}}{{with .}}{{template "A" .}}{{template "A" .}}{{end}}{{end}}{{template "A" 1}}`,
      "inside each other",
    ],
    [`{{$x := "aaaaaaaa"}}{{range 40}}{{$x = print $x $x}}{{end}}`, "more than"],
    [`{{range 100}}{{printf "%1000000d" 1}}{{end}}`, "more than"],
    [`{{"${"(".repeat(500)}`, "has no second"],
    [`{{${"(".repeat(500)}1${")".repeat(500)}}}`, "inside each other"],
    [`${"{{if true}}".repeat(500)}${"{{end}}".repeat(500)}`, "100 actions inside each other"],
    ["x".repeat(LIMITS.template + 1), "the template has more than"],
  ] as const;
  for (const [text, why] of told)
    test(`end it: ${text.slice(0, 60)}`, () => expect(failure(text).message).toContain(why));
});

describe("templates by chance", () => {
  const unit = fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(0x7b, 0x7d, 0x20));
  const text = fc.array(unit).map((codes) => String.fromCharCode(...codes));

  test("text without actions passes unchanged", () => {
    fc.assert(
      fc.property(text, (text) => {
        fc.pre(!text.includes("{{"));
        expect(run(text)).toBe(text);
      }),
    );
  });

  const PIECES =
    '{{ }} {{- -}} if else end range with define template block break continue .Name .List .Map.one $ $x := = | ( ) , "a" \'a\' `r` 1 -2 1.5 nil true print printf "%d%s" len index slice eq lt and or not html \n . /* */ x';

  test("always end, bounded, in a text or in an error with its place", () => {
    const limits = { ...LIMITS, output: 1000, steps: 2000 };
    const pieces = fc.constantFrom(...PIECES.split(" "));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(pieces, fc.constantFrom("", " ")), { maxLength: 40 }),
        (all) => {
          const text = all.flat().join("");
          try {
            expect(compileTemplate(text, { limits }).render(DATA).length).toBeLessThanOrEqual(1000);
          } catch (error) {
            if (!(error instanceof TemplateError)) throw error;
            expect(error.at?.line).toBeGreaterThan(0);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  test("well-formed ones too", () => {
    const limits = { ...LIMITS, output: 1000, steps: 2000 };
    const { body } = fc.letrec<{ body: string; node: string; pipe: string }>((tie) => ({
      pipe: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom(".", ".Name", ".List", "1", `"x"`, "$", ".Map", "nil", "1.5"),
        fc
          .tuple(
            fc.constantFrom(
              "print",
              "len",
              "eq 1",
              "index",
              "slice",
              "not",
              "html",
              "or",
              `printf "%v %5d"`,
            ),
            tie("pipe"),
          )
          .map(([f, p]) => `(${f} (${p}))`),
      ),
      node: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom("text", "\n", "{{/* c */}}"),
        tie("pipe").map((p) => `{{print (${p})}}`),
        fc
          .tuple(fc.constantFrom("if", "with", "range"), tie("pipe"), tie("body"), tie("body"))
          .map(([k, p, a, b]) => `{{${k} (${p})}}${a}{{else}}${b}{{end}}`),
      ),
      body: fc.array(tie("node"), { maxLength: 4 }).map((all) => all.join("")),
    }));
    let rendered = 0;
    fc.assert(
      fc.property(body, (text) => {
        try {
          expect(compileTemplate(text, { limits }).render(DATA).length).toBeLessThanOrEqual(1000);
          rendered += 1;
        } catch (error) {
          if (!(error instanceof TemplateError)) throw error;
        }
      }),
      { numRuns: 1000 },
    );
    expect(rendered).toBeGreaterThan(100);
  });
});
