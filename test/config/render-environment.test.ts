// ContainerPilot's template functions, with the results that its binary gave.
import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/errors.ts";
import { renderEnvironment } from "../../src/render/render-environment.ts";

const ENV = {
  X: "abc=cde==",
  LIST: "a:b:c",
  PADDED: "  a b  ",
  N: "3",
  EMPTY: "",
  ADDRESS: "db:3306",
};

const render = (text: string): string => renderEnvironment(text, ENV, "app.json5");

/** [template, result] */
const CASES: readonly (readonly [string, string])[] = [
  ["{{ .X }}|{{ .NOT_SET }}|{{ .EMPTY }}", "abc=cde==||"],
  [`{{ .NOT_SET | default "y" }} {{ .EMPTY | default "z" }} {{ .N | default "9" }}`, "y z 3"],
  ["{{ .NOT_SET | default 5 }} {{ .NOT_SET | default 1.5 }}", "5 1.5"],
  [`{{ env "N" }}{{ env "NOT_SET" }}{{ env "X" }}`, "3abc=cde=="],
  [`{{ .LIST | split ":" | join "." }}`, "a.b.c"],
  [`{{ .PADDED | split " " }} {{ .NOT_SET | split ":" }} {{ len (split ":" "  ") }}`, "[a b] [] 0"],
  [`{{ .NOT_SET | split ":" | join "," }}|`, "|"],
  [`{{ range split ":" .LIST }}<{{ . }}>{{ end }}`, "<a><b><c>"],
  [`{{ .LIST | replaceAll ":" "--" }} {{ replaceAll "" "-" "ab" }}`, "a--b--c -a-b-"],
  [`{{ .ADDRESS | regexReplaceAll "^(.*):(\\\\d+)$" "$2 on $1" }}`, "3306 on db"],
  [`{{ regexReplaceAll "[abc]+" "<\${0}>" "xxabcyy" }}`, "xx<abc>yy"],
  [
    "{{ loop 3 }} {{ loop 2 5 }} {{ loop 5 1 }} {{ loop 0 }} {{ loop 2 2 }}",
    "[0 1 2] [2 3 4] [5 4 3 2] [] []",
  ],
  [`{{ range loop .N }}{{ . }}{{ end }} {{ loop "1" .N }}`, "012 [1 2]"],
  [`{{ if eq .N "3" }}three{{ else }}other{{ end }}`, "three"],
  [
    `{ name: "app-{{ .N }}", {{/* c */}} tags: [{{ range $i, $t := split ":" .LIST }}{{ if $i }}, {{ end }}"{{ $t }}"{{ end }}] }`,
    `{ name: "app-3",  tags: ["a", "b", "c"] }`,
  ],
];

describe("a configuration's template", () => {
  for (const [text, result] of CASES) test(text, () => expect(render(text)).toBe(result));

  test("what is wrong is told with file, line and column", () => {
    const wrong = [
      ["a\n{{ loop .X }}", `app.json5:2:4: loop wants whole numbers, not "abc=cde=="`],
      ["{{ loop 1.5 }}", "app.json5:1:4: loop wants whole numbers, not a value of type float64"],
      ["{{ loop 2000000 }}", "app.json5:1:4: a loop of more than 1000000 turns"],
      [`{{ regexReplaceAll "(" "" .X }}`, "app.json5:1:4: regular expression"],
      [`{{ split ":" 5 }}`, "app.json5:1:4: split wants a string, not a value of type int"],
      [`{{ join ":" .X }}`, "app.json5:1:4: join wants a list, not a value of type string"],
      ["{{ .X | default }}", "app.json5:1:4: default takes 2 arguments, but was given 1"],
      ["{{ .X | nope }}", "app.json5:1:9: there is no function nope"],
    ] as const;
    for (const [text, why] of wrong) {
      const error = (() => {
        try {
          return render(text);
        } catch (reason) {
          return reason;
        }
      })();
      if (!(error instanceof ConfigError))
        throw new Error(`it was taken: ${text}`, { cause: error });
      expect(error.code).toBe("AP_TEMPLATE_INVALID");
      expect(error.message).toContain(why);
    }
  });

  test("functions that multiply end at the limit of the output", () => {
    const big = `{{ $x := "aaaaaaaaaaaaaaaa" }}{{ range loop 12 }}{{ $x = print $x $x }}{{ end }}`;
    for (const call of [
      'replaceAll "a" $x $x',
      'regexReplaceAll "a" $x $x',
      'join $x (split "a" $x)',
    ])
      expect(() => render(`${big}{{ ${call} }}`)).toThrow(/more than \d+ (characters|steps)/);
  });
});
