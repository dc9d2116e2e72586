/** The grammar of docs/architectures.md: the cases that all languages share, and texts made at random. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { AnbError, ArchitectureError, codesToIndex, encode, formatArchitecture, loadPure, MNASNET, parseArchitecture, SearchSpace, toCodes } from "../src/index.js";
import { parseObject } from "../src/json.js";
import { CONFORMANCE, catalog } from "./artifacts.js";
import { generator } from "./random.js";

interface Cases {
  space: { name: string };
  valid: { text: string; codes: number[] }[];
  invalid: { text: string; names: string[] }[];
  /** What an architecture is as text in every language. */
  prints?: { codes: number[]; text: string }[];
}
const fixture = join(CONFORMANCE, "..", "fixtures", "architectures.json");
// Sizes of spaces are beyond 2^53.
const { spaces } = parseObject(await readFile(fixture), fixture) as unknown as { spaces: Cases[] };

function refusal(work: () => unknown): AnbError {
  try {
    work();
  } catch (error) {
    expect(error, String((error as Error).stack)).toBeInstanceOf(ArchitectureError);
    expect((error as Error).message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect((error as Error).message.length).toBeLessThan(2000);
    return error as AnbError;
  }
  throw new Error("it was believed");
}

describe.each(spaces)("the cases of $space.name", ({ space: document, valid, invalid, prints = [] }) => {
  const space = SearchSpace.fromDocument(document);

  it("are read as what they are, alone and in batches", () => {
    expect(valid.length).toBeGreaterThan(10);
    for (const { text, codes } of valid) {
      expect([...parseArchitecture(text, space)], text).toEqual(codes);
      expect([...encode(text, space)], text).toEqual(codes);
    }
    const all = encode(valid.map(({ text }) => text), space);
    expect([...all]).toEqual(valid.flatMap(({ codes }) => codes));
  });

  it("are written as Python writes them", () => {
    for (const { codes, text } of prints) {
      expect(formatArchitecture(Uint8Array.from(codes), space)).toBe(text);
      expect([...parseArchitecture(text, space)], text).toEqual(codes);
    }
  });

  it("are refused with what is wrong", () => {
    expect(invalid.length).toBeGreaterThan(5);
    for (const { text, names } of invalid) {
      const { message } = refusal(() => toCodes(text, space));
      for (const name of names) expect(message, text).toContain(name);
      expect(refusal(() => encode(["0", text], space)).message).toMatch(/^row 1, /);
    }
  });
});

describe("a text", () => {
  it("is asked for where something else is given", () => {
    for (const other of [5, null, undefined, ["0"], {}, Symbol("a")]) {
      expect(refusal(() => parseArchitecture(other as never, MNASNET)).message).toContain("is a string, not");
    }
    expect(refusal(() => parseArchitecture("0", undefined as never)).message).toContain("a search space is needed");
  });

  it("is a batch of one, as an index and an object are", async () => {
    const accuracy = await loadPure("accuracy", { artifacts: catalog });
    const expected = accuracy.querySync([2169626640]).mean;
    expect(expected.length).toBe(1);
    for (const one of ["EfficientNet-B0", "2169626640", 2169626640, 2169626640n, MNASNET_B0]) {
      expect(accuracy.querySync(one).mean).toEqual(expected);
      expect((await accuracy.queryOne(one)).mean).toBe(expected[0]);
    }
  });

  it("takes time in proportion to its length", () => {
    const long = 300_000;
    for (const text of [
      "9".repeat(long), `1${" ".repeat(long)}x`, " ".repeat(long), `[${"1 ".repeat(long)}`, `[${"1,".repeat(long)}]`, "[".repeat(long),
      `"${"\\\\".repeat(long)}`, `{${'"a":1,'.repeat(long)}}`, `[1e${"9".repeat(long)}]`, `[0.${"0".repeat(long)}1]`, "|a~0".repeat(long),
      `[${"9".repeat(long)}]`, `1${" , ".repeat(long)}`, `${"0 ".repeat(long)}0`,
    ]) {
      refusal(() => parseArchitecture(text, MNASNET));
    }
  });
});

const MNASNET_B0 = Object.fromEntries(
  MNASNET.genes.map(({ name, choices }, g) => [name, choices[parseArchitecture("efficientnet-b0", MNASNET)[g]]]),
);

describe("texts made at random", () => {
  const random = generator(7);
  const pick = <T>(from: readonly T[]): T => from[random(from.length)];
  const opened = spaces.map(({ space }) => SearchSpace.fromDocument(space));
  const blank = () => pick(["", "", "", " ", "\t", " \r\n "]);
  const quoted = (text: string): string => {
    const json = JSON.stringify(text);
    if (random(2)) return json;
    return `'${json.slice(1, -1).replaceAll('\\"', '"').replaceAll("'", () => pick(["\\'", "\\u0027"]))}'`;
  };

  /** A way to write a value, of those that the grammar names. */
  function spelled(value: unknown): string {
    if (typeof value === "string") return quoted(value);
    if (typeof value === "boolean") return pick(value ? ["true", "True", '"True"', "'true'", "1", "1.0"] : ["false", "False", "'False'", '"false"', "0", "-0", "0e3"]);
    if (!Number.isSafeInteger(value)) return pick([`${value}`, (value as number).toExponential(), (value as number).toExponential(20)]);
    return pick([`${value}`, `${value}.0`, `${value}e0`, value ? `${value}0E-1` : "0E-1", `${value}.00e+0`]);
  }

  function list(items: string[]): string {
    const comma = items.length === 1 ? "," : pick(["", ","]);
    const inside = items.map((item) => blank() + item + blank()).join(",");
    return random(2) ? `[${inside}${pick(["", ","])}]` : `(${inside}${comma}${blank()})`;
  }

  function object(items: [string, string][]): string {
    for (let i = items.length - 1; i > 0; i--) {
      const j = random(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
    const inside = items.map(([key, value]) => `${blank()}${quoted(key)}${blank()}:${blank()}${value}${blank()}`);
    return `{${inside.join(",")}${pick(["", ","])}}`;
  }

  function written(codes: Uint8Array, space: SearchSpace): string {
    const values = space.genes.map(({ choices }, g) => choices[codes[g]]);
    const form = random(5);
    if (form === 0) return `${codesToIndex(codes, space)}`;
    if (form === 1 && space.nGenes > 1) return [...codes].join(pick([",", " ", ", ", "\t", " , "]));
    if (form === 2) return list([...codes].map((code) => pick([`${code}`, `${code}.0`])));
    if (form === 3 && values.some((value) => typeof value === "string")) return list(values.map(spelled));
    return object(space.genes.map(({ name }, g) => [name, spelled(values[g])]));
  }

  it("mean the architecture that they were made of; damaged, they are refused or mean what they say", () => {
    const counts = { tried: 0, refused: 0, taken: 0 };
    for (; counts.tried < 6000; counts.tried++) {
      const space = pick(opened);
      const codes = Uint8Array.from(space.geneSizes, (size) => random(size));
      const text = blank() + written(codes, space) + blank();
      expect(parseArchitecture(text, space), text).toEqual(codes);
      expect(parseArchitecture(quoted(text), space), text).toEqual(codes);
      const at = random(text.length + 1);
      const tokens = [",", " ", "0", "9", "-", ".", "e5", "'", '"', "[", "]", "(", ")", "{", "}", ":", "\\", "\\u0000", "null", "True", "\x1b[31m", "\u202e", "\ud800", "[0]", "x"];
      const damaged = text.slice(0, at) + (random(3) ? pick(tokens) : "") + text.slice(at + random(3));
      let found: Uint8Array;
      try {
        found = parseArchitecture(damaged, space);
      } catch {
        refusal(() => parseArchitecture(damaged, space));
        counts.refused++;
        continue;
      }
      counts.taken++;
      expect(found.every((code, g) => code < space.geneSizes[g]), damaged).toBe(true);
      expect(found.length).toBe(space.nGenes);
      const index = `${codesToIndex(found, space)}`;
      if (/^\s*\d+\s*$/.test(damaged)) expect(damaged.trim()).toBe(index);
      expect(parseArchitecture(index, space)).toEqual(found);
    }
    console.log(`damaged texts: ${JSON.stringify(counts)}`);
    expect(counts.taken).toBeGreaterThan(500);
    expect(counts.refused).toBeGreaterThan(2000);
  });
});

describe("genes of floats", () => {
  const spaceOf = (gene: unknown) => SearchSpace.fromDocument({ name: "x", blocks: [{ name: "b", genes: [gene] }] });
  const written = (gene: unknown, code: number) => formatArchitecture(Uint8Array.of(code), spaceOf(gene));

  it("are those with a fraction among them, or that say so", () => {
    expect(written({ name: "g", choices: [0, 0.3] }, 0)).toBe('{"g": 0.0}');
    expect(written({ name: "g", choices: [0, 1] }, 0)).toBe('{"g": 0}');
    expect(written({ name: "g", choices: [2, 1], kind: "float", ordered: true }, 0)).toBe('{"g": 2.0}');
    expect(written({ name: "g", choices: [9007199254740993n, 0.5] }, 0)).toBe('{"g": 9007199254740992.0}');
    expect(spaceOf({ name: "g", choices: [0.1, 1], ordered: true }).genes[0]).toEqual({ name: "g", choices: [0.1, 1], ordered: true });
  });

  it.each([
    [{ choices: [-0, 0.5] }], [{ choices: [NaN, 0.5] }], [{ choices: [Infinity, 0.5] }], [{ choices: [0.5, 0.5] }],
    [{ choices: [0.5, true] }], [{ choices: [0.5, "a"] }], [{ choices: [1, 2], kind: "int" }],
    [{ choices: ["a"], kind: "float" }], [{ choices: [1, 3, 2], ordered: true }], [{ choices: [0.1, 0.3, 0.2], ordered: true }],
    [{ choices: [true, false], ordered: true }], [{ choices: [1, 2], ordered: 1 }],
  ])("are refused where they are none, or no scale: %j", (gene) => {
    expect(() => spaceOf({ name: "g", ...gene })).toThrow(ArchitectureError);
  });

  it("take what equals a choice, however an architecture is given", () => {
    const space = spaceOf({ name: "g", choices: [0.1, 0, 5e-4] });
    for (const [value, code] of [[0.1, 0], [0, 1], [-0, 1], [0.0005, 2]]) {
      expect([...toCodes({ g: value }, space)]).toEqual([code]);
    }
    for (const value of [Math.fround(0.1), NaN, "0.1", true]) {
      expect(() => toCodes({ g: value }, space)).toThrow("choose from 0.1, 0.0, 0.0005");
    }
  });
});
