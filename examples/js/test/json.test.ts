import { describe, expect, it } from "vitest";
import { ArtifactError } from "../src/index.js";
import { parseObject } from "../src/json.js";

const read = (json: string) => parseObject(`{"value":${json}}`, "text").value;
const DIGITS = "123456789".repeat(60); // of a space of 2^64 symbols in each of its blocks, about

describe("numbers of JSON", () => {
  it.each<[string, number | bigint]>([
    ["0", 0],
    ["-0", -0],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
    ["9007199254740992", 2 ** 53],
    ["9007199254740993", 9007199254740993n],
    ["-9007199254740993", -9007199254740993n],
    ["984770902183611232881", 9n ** 22n],
    ["100000000000000000000", 1e20],
    ["1e20", 1e20],
    ["1.5e-3", 0.0015],
    [DIGITS, BigInt(DIGITS)],
  ])("are read exactly, as a bigint where no number is: %s", (digits, value) => {
    expect(read(digits)).toBe(value);
  });

  it.each(["01", "+1", "1.", ".5", "1e", "0x1", "--1", "NaN", "Infinity", "1e999", "-1e999", "9".repeat(4301)])(
    "are refused where they are none, or too large: %s",
    (digits) => {
      expect(() => read(digits)).toThrow(ArtifactError);
      expect(() => read(digits)).toThrow("text is not valid JSON (");
    },
  );
});

describe("texts of JSON", () => {
  /** Uniform integers below n, a fixed stream per seed. */
  let state = 6;
  const random = (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const PIECES = [
    ...["{", "}", "[", "]", ",", ":", '"', "\\", " ", "\n", "\t", "\u00a0", "\0", "-", ".", "e", "0", "17", "true", "null"],
    ...['"a"', '"b":', '"__proto__":', '"\\u0041"', '"\\x"', '"\\ud83d\\ude00"', "\ufeff", "//", "1e5", "{}", "[1]"],
  ];

  it("mean what the standard's reader says, or are refused", () => {
    const counts = { tried: 0, refused: 0, read: 0 };
    for (; counts.tried < 30_000; counts.tried++) {
      let text = '{"a":[1,{"b":"\\n","__proto__":[true,null]}],"c":-1.5e3}';
      for (let n = random(4); n >= 0; n--) {
        const at = random(text.length);
        text = text.slice(0, at) + PIECES[random(PIECES.length)] + text.slice(at + random(3));
      }
      let found: unknown;
      try {
        found = parseObject(text, "text");
      } catch (error) {
        expect(error, text).toBeInstanceOf(ArtifactError);
        expect((error as Error).message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
        const { message } = error as Error;
        // Whatever else is refused is no JSON to the standard's reader either.
        const stricter = /stands twice|half a surrogate|must hold a JSON object|too large/.test(message);
        if (!stricter) expect(() => JSON.parse(text), text).toThrow();
        counts.refused++;
        continue;
      }
      expect(JSON.stringify(found), text).toBe(JSON.stringify(JSON.parse(text)));
      counts.read++;
    }
    console.log(`texts of JSON: ${JSON.stringify(counts)}, read as something else: 0`);
    expect(counts.read).toBeGreaterThan(1000);
  });

  it("are read in time that is linear in their length, however they are made", () => {
    const escapes = `{"a":"${"\\n".repeat(3_000_000)}"}`;
    expect((parseObject(escapes, "text").a as string).length).toBe(3_000_000);
    const long = `{"a":"${"x".repeat(12_000_000)}"}`;
    expect((parseObject(long, "text").a as string).length).toBe(12_000_000);
    expect(() => parseObject(`{"a":"${"\\\\".repeat(3_000_000)}`, "text")).toThrow("it ends too early");
  });
});
