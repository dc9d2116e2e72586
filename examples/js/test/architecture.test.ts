import { describe, expect, it } from "vitest";
import {
  ArchitectureError,
  checkCodes,
  codesToIndex,
  codesToIndices,
  codesToLists,
  codesToValues,
  EFFICIENTNET_B0,
  encode,
  indexToCodes,
  MNASNET,
  SearchSpace,
  toCodes,
} from "../src/index.js";

// The published facts: see the contract.
const B0_CODES = [0, 0, 0, 0, 2, 0, 1, 0, 2, 1, 1, 0, 2, 0, 2, 0, 2, 1, 2, 0, 2, 1, 3, 0, 2, 0, 0, 0];
const B0_INDEX = 2169626640n;
const LAST = 104_485_552_127n;

const values = () => codesToValues(Uint8Array.from(B0_CODES), MNASNET);

describe("the space", () => {
  it("has the published size and order", () => {
    expect(MNASNET.size).toBe(104_485_552_128n);
    expect(MNASNET.blockSizes).toEqual([36, 36, 36, 36, 36, 48, 36]);
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
    const codes = toCodes(EFFICIENTNET_B0, MNASNET);
    expect([...codes]).toEqual(B0_CODES);
    expect(codesToIndex(codes, MNASNET)).toBe(B0_INDEX);
    expect(toCodes(B0_INDEX, MNASNET)).toEqual(codes);
    expect(toCodes(Number(B0_INDEX), MNASNET)).toEqual(codes);
    expect(toCodes(values(), MNASNET)).toEqual(codes);
    expect(codesToLists(codes, MNASNET)).toEqual(EFFICIENTNET_B0);
  });
});

describe("codes and indices", () => {
  it("are inverse to each other, by number and by bigint", () => {
    let index = 0n;
    for (let step = 0; step < 2000; step++) {
      const codes = toCodes(index, MNASNET);
      expect(codesToIndex(codes, MNASNET)).toBe(index);
      expect(toCodes(Number(index), MNASNET)).toEqual(codes);
      expect(toCodes(codesToValues(codes, MNASNET), MNASNET)).toEqual(codes);
      index = (index * 6364136223846793005n + 1442695040888963407n) % (LAST + 1n);
    }
    expect(codesToIndex(toCodes(LAST, MNASNET), MNASNET)).toBe(LAST);
    expect([...toCodes(LAST, MNASNET)]).toEqual(MNASNET.geneSizes.map((size) => size - 1));
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

const OPERATIONS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];

describe("a space of words", () => {
  const space = SearchSpace.fromDocument({
    name: "cells",
    blocks: Array.from({ length: 6 }, (_, e) => ({ name: `e${e}`, genes: [{ name: `edge${e}`, choices: OPERATIONS }] })),
    size: 15625,
  });
  const names = ["nor_conv_3x3", "none", "skip_connect", "avg_pool_3x3", "none", "nor_conv_1x1"];
  const codes = Uint8Array.of(3, 0, 1, 4, 0, 2);
  const named = Object.fromEntries(names.map((value, e) => [`edge${e}`, value]));

  it("takes values by name and in their order, indices and codes", () => {
    const index = 3 * 5 ** 5 + 5 ** 3 + 4 * 5 ** 2 + 2;
    for (const one of [named, names, index, BigInt(index), codes]) expect(toCodes(one, space)).toEqual(codes);
    expect(encode([named, names, index], space)).toEqual(Uint8Array.from([...codes, ...codes, ...codes]));
    expect(codesToValues(codes, space)).toEqual(named);
    expect(codesToIndex(codes, space)).toBe(BigInt(index));
  });

  it("has no four lists, and no value that is not one of its own", () => {
    expect(() => toCodes(EFFICIENTNET_B0, space)).toThrow('unknown gene "expansion" (and 3 more) and missing gene "edge0"');
    expect(() => codesToLists(codes, space)).toThrow('search space "cells" has no lists expansion');
    const choose = `choose from ${OPERATIONS.join(", ")}`;
    expect(() => toCodes({ ...named, edge3: "None" }, space)).toThrow(`gene "edge3": "None" is not allowed; ${choose}`);
    expect(() => toCodes([...names.slice(0, 5), "True"], space)).toThrow('gene "edge5": "True" is not allowed');
    expect(() => encode([names, [...names.slice(0, 5), 2]], space)).toThrow('row 1, gene "edge5": 2 is not allowed');
    expect(() => toCodes(names.slice(1), space)).toThrow("has 6 codes or values, one for each gene, not 5");
    expect(() => toCodes("none", space)).toThrow(
      '"none" is no architecture; give an index from 0 to 15624, 6 codes 0 ... or [0, ...], a list of 6 values',
    );
  });

  it("is asked what an array means that is one architecture, or several", () => {
    expect(() => encode(names as never, space)).toThrow("the values of one architecture: pass [values], or use queryOne");
    expect(() => encode([3, 0, 1, 4, 0, 2], space)).toThrow("looks like one row of codes or values");
    const small = new SearchSpace("s", ["a", "b"].map((name) => ({ name, genes: [{ name, choices: [3, 5] }] })));
    expect(() => encode([3, 3], small)).toThrow("looks like one row of codes or values");
    expect(encode(BigInt64Array.of(3n, 3n), small)).toEqual(Uint8Array.of(1, 1, 1, 1));
    const one = new SearchSpace("o", [{ name: "a", genes: [{ name: "a", choices: [3, 5] }] }]);
    expect(encode([1], one)).toEqual(Uint8Array.of(1)); // code and index are the same
  });
});

describe("a space of more architectures than 64 bits count", () => {
  const space = SearchSpace.fromDocument({
    name: "layers",
    blocks: Array.from({ length: 22 }, (_, b) => ({ name: `b${b}`, genes: [{ name: `b${b}`, choices: [..."abcdefghi"] }] })),
    size: 9n ** 22n,
  });

  it("has indices of any size, exactly", () => {
    const last = 9n ** 22n - 1n;
    expect(space.size).toBe(984_770_902_183_611_232_881n);
    expect(toCodes(last, space)).toEqual(new Uint8Array(22).fill(8));
    for (let step = 0n; step < 500n; step++) {
      const index = (step * 7_777_777_777_777_777_777n) % (last + 1n);
      const codes = toCodes(index, space);
      expect([...codes].map(String).join("")).toBe(index.toString(9).padStart(22, "0"));
      expect(codesToIndices(codes, space)).toEqual([index]);
    }
    expect(encode([0, last, 5], space).subarray(22, 44)).toEqual(new Uint8Array(22).fill(8));
    expect(() => toCodes(last + 1n, space)).toThrow(`index ${last + 1n} is out of range; allowed are 0 to ${last}`);
    expect(() => toCodes(2 ** 60, space)).toThrow("a number above 2^53 is not exact; use a bigint");
  });

  it("must state its size to the last digit", () => {
    const stated = (size: number | bigint) => () => SearchSpace.fromDocument({ name: "s", blocks: space.blocks, size });
    expect(stated(9n ** 22n)).not.toThrow();
    for (const size of [9n ** 22n + 1n, Number(9n ** 22n), 9 ** 22 + 0.5, Infinity, 0, "1" as never]) {
      expect(stated(size)).toThrow("has 984770902183611232881 members but states");
    }
  });
});

describe("a call without a space", () => {
  it.each([undefined, null, {}, "mnasnet"])("is refused, and never means MnasNet: %j", (none) => {
    const codes = Uint8Array.from(B0_CODES);
    const calls = [
      () => toCodes(B0_INDEX, none as never),
      () => encode([B0_INDEX], none as never),
      () => codesToIndex(codes, none as never),
      () => codesToIndices(codes, none as never),
      () => codesToValues(codes, none as never),
      () => codesToLists(codes, none as never),
      () => checkCodes(codes, none as never),
      () => indexToCodes(1, none as never),
    ];
    for (const call of calls) {
      expect(call).toThrow(ArchitectureError);
      expect(call).toThrow("a search space is needed");
    }
  });
});

describe("encode", () => {
  it("takes every form of a batch", () => {
    const codes = Uint8Array.from([...B0_CODES, ...toCodes(LAST, MNASNET)]);
    const forms = [
      codes,
      [B0_INDEX, LAST],
      [Number(B0_INDEX), Number(LAST)],
      BigInt64Array.of(B0_INDEX, LAST),
      Float64Array.of(Number(B0_INDEX), Number(LAST)),
      [EFFICIENTNET_B0, codesToValues(toCodes(LAST, MNASNET), MNASNET)],
      [values(), toCodes(LAST, MNASNET)],
    ];
    for (const form of forms) expect(encode(form, MNASNET)).toEqual(codes);
    expect(encode([], MNASNET).length).toBe(0);
  });

  it("takes booleans as Python spells them", () => {
    const lists = { ...EFFICIENTNET_B0, se: ["True", "False", true, 0, "true", 1, true] };
    expect(codesToLists(toCodes(lists, MNASNET), MNASNET).se).toEqual([true, false, true, false, true, true, true]);
  });

  it("takes a list of numbers alone as codes, others as values, and four lists in order", () => {
    const ordered = Object.values(values());
    expect(toCodes(B0_CODES, MNASNET)).toEqual(toCodes(ordered, MNASNET));
    expect(encode([B0_CODES, ordered], MNASNET)).toEqual(Uint8Array.from([...B0_CODES, ...B0_CODES]));
    const { expansion, kernel, layers, se } = EFFICIENTNET_B0;
    expect(toCodes([expansion, kernel, layers, se], MNASNET)).toEqual(toCodes(ordered, MNASNET));
    const numbers = ordered.map(Number);
    expect(() => toCodes(numbers, MNASNET)).toThrow('gene "block0_k": code 3 is out of range; allowed are 0 to 1');
    expect(() => toCodes(numbers, MNASNET)).toThrow("a list of numbers alone holds codes");
  });

  const wrong: [unknown, string][] = [
    [{ ...values(), block2_k: 7 }, 'row 0, gene "block2_k": 7 is not allowed; choose from 3, 5'],
    [{ ...values(), block2_k: "3" }, 'gene "block2_k": "3" is not allowed'],
    [{ ...values(), block2_se: 2 }, 'gene "block2_se": 2 is not allowed; choose from true, false (or "True", "False", 1, 0)'],
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
    ["text", "is no architecture"],
    [null, "is not an architecture"],
    [[1, 4], "has 28 codes or values, one for each gene, not 2, or four lists"],
    [[...B0_CODES.slice(1), true], 'gene "block0_e": 0 is not allowed; choose from 1, 4, 6'],
    [[5, ...B0_CODES.slice(1)], 'gene "block0_e": code 5 is out of range'],
    [[0.5, ...B0_CODES.slice(1)], 'gene "block0_e": code 0.5 is out of range'],
    [[null, ...B0_CODES.slice(1)], 'gene "block0_e": code null is out of range'],
    [10n ** 200n, "... is out of range; allowed are 0 to 104485552127"],
    [Uint8Array.of(1, 2), "codes are 28 bytes"],
    [Uint8Array.from(B0_CODES, (c, g) => (g === 5 ? 2 : c)), 'gene "block1_k": code 2 is out of range'],
  ];
  it.each(wrong)("refuses wrong value %#", (value, message) => {
    const refusal = () => encode([value] as never, MNASNET);
    expect(refusal).toThrow(ArchitectureError);
    expect(refusal).toThrow(message);
  });

  it("names the row of codes, and refuses what is no batch", () => {
    const codes = Uint8Array.from([...B0_CODES, ...B0_CODES]);
    codes[28 + 3] = 9;
    expect(() => encode(codes, MNASNET)).toThrow('row 1, gene "block0_se": code 9 is out of range');
    expect(() => encode(codes.subarray(0, 30), MNASNET)).toThrow("got 30 bytes");
    expect(() => encode({ a: 1 } as never, MNASNET)).toThrow("is not a batch");
    expect(encode(EFFICIENTNET_B0, MNASNET)).toEqual(Uint8Array.from(B0_CODES));
    expect(() => encode(B0_CODES, MNASNET)).toThrow("looks like one row of codes");
  });
});
