// Regular expressions as RE2 has them: its syntax, its preference among matches, its linear time.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS, makeBudget } from "../../src/core/template/limits.ts";
import { replaceAllMatches } from "../../src/core/template/regex.ts";

const replace = (pattern: string, by: string, text: string): string =>
  replaceAllMatches(pattern, by, text, makeBudget(LIMITS));

/** [pattern, replacement, text, result] */
const CASES: readonly (readonly [string, string, string, string])[] = [
  ["a(x*)b", "T", "-ab-axxb-", "-T-T-"],
  ["a(x*)b", "$1", "-ab-axxb-", "--xx-"],
  // $1W is the group called 1W, which there is not
  ["a(x*)b", "$1W", "-ab-axxb-", "---"],
  ["a(x*)b", "${1}W", "-ab-axxb-", "-W-xxW-"],
  ["(?P<key>\\w+)=(?<value>\\w+)", "${value}:$key", "a=b c=d", "b:a d:c"],
  ["a", "$$", "cat", "c$t"],
  ["a", "$ ${ $-", "a", "$ ${ $-"],
  ["(a)|(b)", "<$1$2>", "ab", "<a><b>"],
  // empty matches, and none right after another match
  ["", "-", "abc", "-a-b-c-"],
  ["x*", "-", "abc", "-a-b-c-"],
  ["a*", "-", "baaac", "-b-c-"],
  ["$", "!", "a\nb", "a\nb!"],
  ["(?m)$", "!", "a\nb", "a!\nb!"],
  ["(?m)^", ">", "a\nb", ">a\n>b"],
  ["\\A.|.\\z", "#", "abc", "#b#"],
  // preference: leftmost, then first
  ["a|ab", "X", "ab", "Xb"],
  ["ab|a", "X", "ab", "X"],
  ["a+?", "X", "aa", "XX"],
  ["(?U)a+", "X", "aa", "XX"],
  ["(?U)a+?", "X", "aa", "X"],
  ["a{2,3}", "X", "aaaaa", "XX"],
  ["a{2,3}?", "X", "aaaaa", "XXa"],
  ["a{2}", "X", "aaa", "Xa"],
  ["a{2,}", "X", "a aa aaa", "a X X"],
  ["a{,2}", "X", "a{,2}a", "Xa"],
  ["(a*)*", "X", "aab", "XbX"],
  ["(|a)+", "X", "aa", "XaXaX"],
  ["(|a)*", "X", "aa", "XaXaX"],
  // classes
  ["[^a-c]", ".", "abcd-", "abc.."],
  ["[]a]", "X", "a]b", "XXb"],
  ["[a\\]\\-z]", "X", "a]-zb", "XXXXb"],
  ["[a-]", "X", "a-b", "XXb"],
  ["[[:alpha:]]+", "X", "ab1", "X1"],
  ["[[:^alpha:]0]", "X", "ab1", "abX"],
  ["\\d\\D\\s\\S\\w\\W", "X", "1a bc-", "X"],
  ["[\\d\\s]", "X", "1 a\v", "XXa\v"],
  ["\\d", "X", "٣3", "٣X"],
  ["\\pL", "X", "aé1", "XX1"],
  ["\\p{Greek}+", "X", "αβc", "Xc"],
  ["\\PL|\\p{^Lu}", "X", "A1b", "AXX"],
  ["\\bfoo\\b", "X", "foo food foo", "X food X"],
  ["\\Boo", "X", "foo oo", "fX oo"],
  // flags, literals, escapes
  ["(?i)straße", "X", "STRAßE", "X"],
  ["(?i:a)b", "X", "Ab AB", "X AB"],
  ["a(?i)b|c", "X", "aB C", "X X"],
  ["(?i)[a-c]", "X", "AbD", "XXD"],
  ["a.c", "X", "a\nc abc", "a\nc X"],
  ["(?s)a.c", "X", "a\nc abc", "X X"],
  ["\\Qa.b\\E+", "X", "a.b a.bb axb", "X Xb axb"],
  ["\\.\\-\\/\\:", "X", ".-/:", "X"],
  ["\\x41\\x{1F600}\\t\\101", "X", "A😀\tA", "X"],
  [".", "X", "😀é", "XX"],
  ["^([^:]+):(\\d+)$", "$2@$1", "db:3306", "3306@db"],
];

const ERRORS: readonly (readonly [string, string])[] = [
  ["(", "a ( without its )"],
  ["a)", "a ) without its ("],
  ["[a", "a [ without its ]"],
  ["*a", "nothing for the * to repeat"],
  ["a**", "a repetition of a repetition"],
  ["a{2}{3}", "a repetition of a repetition"],
  ["a{1001}", "no possible number of times"],
  ["a{3,2}", "no possible number of times"],
  ["(?=a)", "not in RE2's syntax"],
  ["(?<!a)", "not in RE2's syntax"],
  ["(a)\\1", "not in RE2's syntax"],
  ["\\y", "not in RE2's syntax"],
  ["a\\", "not in RE2's syntax"],
  ["[z-a]", "a range that goes backwards"],
  ["[[:nope:]]", "there is no class"],
  ["\\p{Nope}", "there is no class"],
  ["(?P<a>x)(?P<a>y)", "two groups are called a"],
  ["((a{1000}){1000}){1000}", "too large"],
  ["(?:(?:(?:){1000}){1000}){1000}", "too large"],
  ["(".repeat(300), "inside each other"],
];

describe("a regular expression", () => {
  for (const [pattern, by, text, result] of CASES)
    test(`${pattern} by ${by} in ${JSON.stringify(text)}`, () =>
      expect(replace(pattern, by, text)).toBe(result));

  for (const [pattern, why] of ERRORS)
    test(`${pattern.slice(0, 40)} is told`, () =>
      expect(() => replace(pattern, "", "a")).toThrow(why));

  test("never takes exponential time", () => {
    const text = `${"a".repeat(2000)}b`;
    expect(replace("(a+)+$", "X", text)).toBe(text);
    expect(replace("(a|aa)*c|(a*)*d", "X", text)).toBe(text);
    expect(() => replace("(.*)(.*)(.*)(.*)(.*)[xyz]$", "X", "a".repeat(100_000))).toThrow("steps");
  });

  test("agrees with JavaScript's where the two mean the same", () => {
    const { node } = fc.letrec<{ node: string }>((tie) => ({
      node: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom("a", "b", "[ab]", "[^a]", ".", "\\w", "^", "$", "\\b"),
        fc.tuple(tie("node"), tie("node")).map(([a, b]) => a + b),
        fc.tuple(tie("node"), tie("node")).map(([a, b]) => `(?:${a}|${b})`),
        // Of something that is never empty: JavaScript treats empty turns differently.
        fc
          .tuple(
            fc.constantFrom("a", "b", "[ab]", "(ab)"),
            fc.constantFrom("*", "+", "?", "*?", "+?", "??", "{1,2}", "{2}"),
          )
          .map(([a, how]) => a + how),
      ),
    }));
    fc.assert(
      fc.property(
        node,
        fc.string({ unit: fc.constantFrom("a", "b", "c", " ", "\n"), maxLength: 12 }),
        (pattern, text) => {
          // Only the first match: the two count empty ones differently.
          const found = new RegExp(pattern, "u").exec(text);
          const mine = replace(pattern, "<${0}>", text);
          if (found === null) expect(mine).toBe(text);
          else expect(mine.startsWith(`${text.slice(0, found.index)}<${found[0]}>`)).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
