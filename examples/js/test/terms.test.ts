import { describe, expect, it } from "vitest";
import { ArtifactError, type Choice, Link, SearchSpace, TableEngine, Terms } from "../src/index.js";
import { bytes } from "./artifacts.js";

/** Uniform integers below n, a fixed stream per seed. */
let state = 11;
function random(n: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
}

/** A space of blocks of genes with so many choices. */
function spaceOf(...blocks: number[][]): SearchSpace {
  const choices = (n: number): Choice[] => Array.from({ length: n }, (_, c) => `c${c}`);
  return SearchSpace.fromDocument({
    name: "s",
    blocks: blocks.map((sizes, b) => ({
      name: `b${b}`,
      genes: sizes.map((size, g) => ({ name: `b${b}g${g}`, choices: choices(size) })),
    })),
  });
}

describe("terms", () => {
  const space = spaceOf([2, 2], [3], [5]);
  const read = (document: unknown) => Terms.fromDocument(document, space, "here");

  it("lay their tables one after the other, in their order", () => {
    const terms = read([[1, 2], [0], [0, 1, 2], [2]]);
    expect(terms.offsets).toEqual([0, 15, 19, 79, 84]);
    expect(terms.nEntries).toBe(84);
  });

  it.each<[unknown, string]>([
    [undefined, "must be a list of 1 to 4096 terms, not undefined"],
    [null, "must be a list of 1 to 4096 terms, not null"],
    [{ length: 1 }, "must be a list of 1 to 4096 terms"],
    [[], "must be a list of 1 to 4096 terms, not 0 of them"],
    [Array(4097).fill([0]), "must be a list of 1 to 4096 terms, not 4097 of them"],
    [[[0], []], "term 1 must have 1 to 3 block numbers from 0 to 2 in increasing order, not []"],
    [[0, 1], "term 0 must have 1 to 3 block numbers"],
    [[[0, 1, 2, 3]], "term 0 must have 1 to 3 block numbers"],
    [[[1, 0]], "term 0 must have"],
    [[[1, 1]], "term 0 must have"],
    [[[-1]], "term 0 must have"],
    [[[3]], "term 0 must have"],
    [[[0.5]], "term 0 must have"],
    [[["0"]], "term 0 must have"],
    [[[true]], "term 0 must have"],
    [[[2n]], "term 0 must have"],
    [[Array(1)], "term 0 must have"],
    [[[0, 1], [2], [0, 1]], "term 2, [0,1], stands twice"],
  ])("are refused where they are none: %#", (document, message) => {
    expect(() => read(document)).toThrow(ArtifactError);
    expect(() => read(document)).toThrow(`here: key "terms"${message.startsWith("must") ? " " : ": "}${message}`);
  });

  it("have at most 2^31 - 1 entries", () => {
    const large = spaceOf([256, 256], [256, 128], [256, 256, 256, 256], [2]);
    const read = (terms: number[][]) => () => Terms.fromDocument(terms, large, "here");
    expect(read([[0, 3], [1, 3]])).not.toThrow();
    expect(read([[0, 1]])).toThrow("have 2147483648 entries, at most 2147483647 are allowed");
    expect(read([[2]])).toThrow("have 4294967296 entries");
    expect(read([[0, 1, 2, 3]])).toThrow("entries, at most 2147483647 are allowed");
  });
});

describe("the pure engine", () => {
  const link = (document: object, space: SearchSpace) =>
    Link.fromDocument({ name: "y", inverse: [], offset: null, ...document }, "t", space);

  /** Members of a row by the definition: digits in mixed radix, sums of int32. */
  function evaluate(space: SearchSpace, terms: readonly number[][], entries: Int32Array, members: number, row: Uint8Array) {
    const symbols = space.blocks.map((block, b) =>
      block.genes.reduce((s, gene, g) => s * gene.choices.length + row[space.blockStarts[b] + g], 0),
    );
    const totals = new Array<number>(members).fill(0);
    let start = 0;
    for (const term of terms) {
      let [index, size] = [0, 1];
      for (const b of term) [index, size] = [index * space.blockSizes[b] + symbols[b], size * space.blockSizes[b]];
      for (let m = 0; m < members; m++) totals[m] += entries[(start + index) * members + m];
      start += size;
    }
    return totals;
  }

  it("sums the tables of any terms, for any number of members", () => {
    for (let round = 0; round < 100; round++) {
      const nBlocks = 1 + random(6);
      const sizes = () => Array.from({ length: 1 + random(3) }, () => 1 + random(round % 10 ? 4 : 18));
      const space = spaceOf(...Array.from({ length: nBlocks }, sizes));
      const all = Array.from({ length: 1 + random(7) }, () =>
        [...Array(nBlocks).keys()].filter(() => random(2)).slice(0, 4),
      );
      const distinct = [...new Map([...all, [random(nBlocks)]].map((term) => [String(term), term])).values()];
      const terms = distinct.filter((term) => term.length && term.reduce((n, b) => n * space.blockSizes[b], 1) < 5000);
      if (!terms.length) continue;
      const read = Terms.fromDocument(terms, space, "t");
      const members = [1, 2, 3, 8, 20, 1024][read.nEntries < 500 ? random(6) : random(4)];
      const entries = Int32Array.from({ length: read.nEntries * members }, () => random(2 ** 24) - 2 ** 23);
      const engine = new TableEngine(space, read, entries, members, 0.25, 3, link({}, space));
      const rows = 300; // more than are computed at once
      const codes = Uint8Array.from({ length: rows * space.nGenes }, (_, k) => random(space.geneSizes[k % space.nGenes]));
      const found = engine.predict(codes, true).members!;
      const expected = Array.from({ length: rows }, (_, r) =>
        evaluate(space, terms, entries, members, codes.subarray(r * space.nGenes, (r + 1) * space.nGenes)),
      );
      const values = Float32Array.from(expected.flat(), (total) => total * 0.25 + 3);
      expect(Buffer.compare(bytes(found), bytes(values)), JSON.stringify({ terms, members })).toBe(0);
    }
  });

  it("finds the regime of a block in no term, however large the block", () => {
    const space = spaceOf([256, 256, 256, 256], [2], [3, 256, 5]);
    const terms = Terms.fromDocument([[1]], space, "t");
    const codes = Uint8Array.from({ length: 8 * 400 }, (_, k) => random(space.geneSizes[k % 8]));
    for (const [gene, position, inside] of [["b0g0", 0, [250, 255]], ["b0g1", 1, [3]], ["b2g1", 6, [7, 200]]] as const) {
      const size = space.geneSizes[position];
      for (let row = 0; row < 400; row += 3) codes[row * 8 + position] = inside[row % inside.length];
      for (let row = 1; row < 400; row += 3) codes[row * 8 + position] = random(size);
      const regime = { gene, codes: inside, hinges: [[0, 1]] };
      const bent = link({ inverse: ["regime"], regime }, space);
      const { mean } = new TableEngine(space, terms, Int32Array.of(1, 2), 1, 1, 0, bent).predict(codes);
      const expected = Array.from(mean, (_, row) => {
        const y = codes[row * 8 + 4] + 1;
        return (inside as readonly number[]).includes(codes[row * 8 + position]) ? 2 * y : y;
      });
      expect([...mean]).toEqual(expected);
    }
  });

  it("refuses sums of terms that int32 does not hold, and tables of another size", () => {
    const space = spaceOf([2], [3]);
    const open = (terms: unknown, values: number[], entries = values.length) => () =>
      TableEngine.fromOnnx(
        new Uint8Array(Int32Array.from(values).buffer),
        { terms, tables: { offset: 0, entries, members: 1, scale: 1, shift: 0 }, link: { name: "y", inverse: [], offset: null } },
        space,
        "s.onnx",
      );
    const most = 2 ** 31 - 1;
    expect(open([[1], [0]], [1, 2, 3, 4, 5])).not.toThrow();
    expect(open([[1], [0]], [most, 0, -most, 0, 0])).not.toThrow();
    expect(open([[1], [0]], [most, 0, 0, 1, -1])).toThrow("can add up to -1 or 2147483648, which int32 does not hold");
    expect(open([[0, 1], [0]], [1, 2, 3, 4, 5])).toThrow('malformed key "tables"');
    expect(open([[1], [0]], [1, 2, 3, 4, 5, 6])).toThrow('malformed key "tables"');
    expect(open(undefined, [1, 2, 3, 4, 5])).toThrow('s.onnx: key "terms" must be a list');
  });
});
