import { describe, expect, it } from "vitest";
import {
  ArchitectureError,
  codesToIndex,
  codesToIndices,
  codesToLists,
  codesToValues,
  EFFICIENTNET_B0,
  encode,
  MNASNET,
  SearchSpace,
  toCodes,
} from "../src/index.js";

// The published facts: see the contract.
const B0_CODES = [0, 0, 0, 0, 2, 0, 1, 0, 2, 1, 1, 0, 2, 0, 2, 0, 2, 1, 2, 0, 2, 1, 3, 0, 2, 0, 0, 0];
const B0_INDEX = 2169626640n;
const LAST = 104_485_552_127n;

const values = () => codesToValues(Uint8Array.from(B0_CODES));

describe("the space", () => {
  it("has the published size and order", () => {
    expect(MNASNET.size).toBe(104_485_552_128n);
    expect(MNASNET.blockSizes).toEqual([36, 36, 36, 36, 36, 48, 36]);
    expect(MNASNET.pairs.length).toBe(21);
    expect(MNASNET.genes.slice(0, 5).map((g) => g.name)).toEqual([
      "block0_e", "block0_k", "block0_l", "block0_se", "block1_e",
    ]);
  });

  it("refuses what is none", () => {
    const gene = { name: "a", choices: [1, 2] };
    const space = (blocks: unknown, size?: number) => () =>
      SearchSpace.fromDocument({ name: "s", blocks, size });
    expect(space([{ name: "b", genes: [gene] }], 2)).not.toThrow();
    expect(space([{ name: "b", genes: [gene] }], 3)).toThrow("has 2 members but states 3");
    expect(space([{ name: "b", genes: [gene, gene] }])).toThrow("used twice");
    expect(space([{ name: "b", genes: [{ name: "a", choices: [1, true] }] }])).toThrow("describe");
    expect(space([])).toThrow(ArchitectureError);
    expect(() => SearchSpace.fromDocument(null)).toThrow(ArchitectureError);
  });
});

describe("EfficientNet-B0", () => {
  it("is the same in all forms", () => {
    const codes = toCodes(EFFICIENTNET_B0);
    expect([...codes]).toEqual(B0_CODES);
    expect(codesToIndex(codes)).toBe(B0_INDEX);
    expect(toCodes(B0_INDEX)).toEqual(codes);
    expect(toCodes(Number(B0_INDEX))).toEqual(codes);
    expect(toCodes(values())).toEqual(codes);
    expect(codesToLists(codes)).toEqual(EFFICIENTNET_B0);
  });
});

describe("codes and indices", () => {
  it("are inverse to each other, by number and by bigint", () => {
    let index = 0n;
    for (let step = 0; step < 2000; step++) {
      const codes = toCodes(index);
      expect(codesToIndex(codes)).toBe(index);
      expect(toCodes(Number(index))).toEqual(codes);
      expect(toCodes(codesToValues(codes))).toEqual(codes);
      index = (index * 6364136223846793005n + 1442695040888963407n) % (LAST + 1n);
    }
    expect(codesToIndex(toCodes(LAST))).toBe(LAST);
    expect([...toCodes(LAST)]).toEqual(MNASNET.geneSizes.map((size) => size - 1));
  });

  it("take bigints where the space is larger than numbers are exact", () => {
    const blocks = Array.from({ length: 20 }, (_, b) => ({
      name: `b${b}`,
      genes: [{ name: `g${b}`, choices: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] }],
    }));
    const space = new SearchSpace("digits", blocks);
    const index = 98_765_432_109_876_543_210n;
    expect([...toCodes(index, space)].join("")).toBe("98765432109876543210");
    expect(codesToIndices(toCodes(index, space), space)).toEqual([index]);
  });
});

describe("encode", () => {
  it("takes every form of a batch", () => {
    const codes = Uint8Array.from([...B0_CODES, ...toCodes(LAST)]);
    const forms = [
      codes,
      [B0_INDEX, LAST],
      [Number(B0_INDEX), Number(LAST)],
      BigInt64Array.of(B0_INDEX, LAST),
      Float64Array.of(Number(B0_INDEX), Number(LAST)),
      [EFFICIENTNET_B0, codesToValues(toCodes(LAST))],
      [values(), toCodes(LAST)],
    ];
    for (const form of forms) expect(encode(form)).toEqual(codes);
    expect(encode([]).length).toBe(0);
  });

  it("takes booleans as Python spells them", () => {
    const lists = { ...EFFICIENTNET_B0, se: ["True", "False", true, false, "True", true, true] };
    expect(codesToLists(toCodes(lists)).se).toEqual([true, false, true, false, true, true, true]);
  });

  const wrong: [unknown, string][] = [
    [{ ...values(), block2_k: 7 }, 'row 0, gene "block2_k": 7 is not allowed; choose from 3, 5'],
    [{ ...values(), block2_k: "3" }, 'gene "block2_k": "3" is not allowed'],
    [{ ...values(), block2_se: 1 }, 'gene "block2_se": 1 is not allowed; choose from true, false'],
    [{ ...values(), block7_e: 1 }, 'unknown gene "block7_e"'],
    [{ block0_e: 1 }, 'missing gene "block0_k" (and 26 more)'],
    [{ ...EFFICIENTNET_B0, expansion: [1, 6] }, "expansion takes a list of 7 values"],
    [{ ...EFFICIENTNET_B0, expansion: [2, 6, 6, 6, 6, 6, 6] }, 'gene "block0_e": 2 is not allowed'],
    [{ expansion: [1] }, "expected the keys expansion, kernel, layers, se; got expansion"],
    [LAST + 1n, "index 104485552128 is out of range; allowed are 0 to 104485552127"],
    [-1, "index -1 is out of range"],
    [1.5, "an index is an integer"],
    [2 ** 60, "use a bigint"],
    [Number.NaN, "an index is an integer"],
    ["text", "is not an architecture"],
    [null, "is not an architecture"],
    [Uint8Array.of(1, 2), "codes are 28 bytes"],
    [Uint8Array.from(B0_CODES, (c, g) => (g === 5 ? 2 : c)), 'gene "block1_k": code 2 is out of range'],
  ];
  it.each(wrong)("refuses wrong value %#", (value, message) => {
    const refusal = () => encode([value] as never);
    expect(refusal).toThrow(ArchitectureError);
    expect(refusal).toThrow(message);
  });

  it("names the row of codes, and refuses what is no batch", () => {
    const codes = Uint8Array.from([...B0_CODES, ...B0_CODES]);
    codes[28 + 3] = 9;
    expect(() => encode(codes)).toThrow('row 1, gene "block0_se": code 9 is out of range');
    expect(() => encode(codes.subarray(0, 30))).toThrow("got 30 bytes");
    expect(() => encode(EFFICIENTNET_B0 as never)).toThrow("is not a batch");
    expect(() => encode(B0_CODES)).toThrow("looks like one row of codes");
  });
});
