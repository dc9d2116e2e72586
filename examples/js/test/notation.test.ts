import { describe, expect, it } from "vitest";
import { OtherNumber, readNotation, trimmed } from "../src/notation.js";
import { generator } from "./random.js";

describe("what JSON and Python write", () => {
  const random = generator(8);
  const pick = <T>(from: readonly T[]): T => from[random(from.length)];

  it("is read without loss", () => {
    const found = readNotation(`{"a": (1, -2.0, 5e0, 120E-1,), 'b\\u00e4\\'"': [True, none, ]}`.replace("none", "None"));
    expect(found).toEqual(new Map<string, unknown>([["a", [1, -2, 5, 12]], ["b\u00e4'\"", [true, null]]]));
    expect(Object.is(readNotation("-0.0"), 0)).toBe(true);
    for (const [digits, whole] of [["9007199254740992.5", null], ["9007199254740993", 9007199254740993n], ["1e999", null], ["1e99999999999999999999", null], ["0.1", null]] as const) {
      expect(readNotation(digits)).toEqual(new OtherNumber(digits, whole));
    }
    expect(trimmed(" \t\r\n\u00a0x \n")).toBe("\u00a0x");
  });

  it("are read as JSON.parse reads them, where that reads them and they hold no other number", () => {
    const same = (value: unknown): unknown => {
      if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, same(item)]));
      return Array.isArray(value) ? value.map(same) : value;
    };
    let read = 0;
    for (let round = 0; round < 3000; round++) {
      const value = JSON.stringify({ a: [random(99), true, { "b'": pick(["x", "\u00e4\ud83d\ude00", '"', "\\n"]) }], c: [] }, null, random(3));
      const at = random(value.length);
      const changed = value.slice(0, at) + pick(["", ",", "1", '"', "[", "}", " ", "\\"]) + value.slice(at + random(2));
      let expected: unknown;
      try {
        expected = JSON.parse(changed);
      } catch {
        continue;
      }
      read++;
      const twice = /"(\w)".*"\1":/s.test(changed); // of which JSON.parse keeps the last
      const half = /\p{Cs}/u.test(changed);
      if (!twice && !half) expect(same(readNotation(changed)), changed).toEqual(expected);
    }
    expect(read).toBeGreaterThan(500);
  });

  it.each(["", " ", "01", "+1", "1.", ".5", "1_0", "0x1", "5a", "NaN", "TRUE", "nulL", "[1 2]", "[,]", "[1,,]", "(1)", "(,)", "{,}", '{"a"}', '{"a":1,,}', "{1:2}", "['a\"]", '"a\nb"', '"\\x41"', '"\\ud800"', "[1)", "[1", '"a', "1 2", "[".repeat(17) + "]".repeat(17)])(
    "and nothing else: %j",
    (text) => {
      expect(() => readNotation(text)).toThrow(/ at (its end|character \d+)$/);
    },
  );

  it("has each key once", () => {
    expect(() => readNotation(`{"a": 1, '\\u0061': 2}`)).toThrow('key "a" stands twice in it');
    expect(readNotation('{"__proto__": 1}')).toEqual(new Map([["__proto__", 1]]));
  });
});
