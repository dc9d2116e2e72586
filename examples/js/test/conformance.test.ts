/** Small artifacts of many spaces and terms, with the bits that every client has to give. */

import { describe, expect, it } from "vitest";
import {
  ArchitectureError, benchmarks, Catalog, codesToArchString, codesToIndices, codesToValues, encode, ENGINES, load,
} from "../src/index.js";
import { bytes, CONFORMANCE } from "./artifacts.js";

const names = await benchmarks(CONFORMANCE);

describe.each(names)("%s", async (benchmark) => {
  const catalog = await Catalog.open(CONFORMANCE, { benchmark });
  const { space } = catalog;
  const golden = (await catalog.readGolden())!;
  const cases = catalog.targets.flatMap(({ name }) => ENGINES.map((engine) => [name, engine] as const));

  it.each(cases)("%s: every golden bit by %s", async (target, engine) => {
    const surrogate = await load(target, { engine, artifacts: CONFORMANCE, benchmark });
    const found = await surrogate.query(golden.codes, { members: true });
    expect(found.mean.length).toBe(golden.n);
    for (const name of ["mean", "std", "members"] as const) {
      expect(Buffer.compare(bytes(found[name]!), golden.bytes(target, name)), name).toBe(0);
    }
    const one = await surrogate.queryOne(golden.codes.slice(0, space.nGenes));
    expect([one.mean, one.std]).toEqual([found.mean[0], found.std[0]]);
    await surrogate.dispose();
  });

  it("has its architectures in every form", () => {
    const { codes, n } = golden;
    const rows = Array.from({ length: n }, (_, r) => codes.slice(r * space.nGenes, (r + 1) * space.nGenes));
    const named = rows.map((row) => codesToValues(row, space));
    const indices = codesToIndices(codes, space);
    expect(encode(indices, space)).toEqual(codes);
    expect(encode(named, space)).toEqual(codes);
    // Lists of numbers alone hold codes.
    const listed = named.map((values) => Object.values(values));
    const numbers = space.genes.every((gene) => typeof gene.choices[0] === "number");
    expect(encode(numbers ? rows.map((row) => [...row]) : listed, space)).toEqual(codes);
    for (const [r, index] of indices.entries()) {
      const place = rows[r].reduce((sum, code, g) => sum * BigInt(space.geneSizes[g]) + BigInt(code), 0n);
      expect(index).toBe(place);
    }
  });
});

describe("strings of NAS-Bench-201", async () => {
  const ours = (await Promise.all(names.map((benchmark) => Catalog.open(CONFORMANCE, { benchmark }))))
    .find(({ space }) => space.name === "nasbench201")!;
  const { space } = ours;
  const text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|";

  it("are architectures, one by one and in batches", () => {
    const row = Uint8Array.from([3, 0, 1, 0, 0, 4]);
    expect(encode([text], space)).toEqual(row);
    expect(codesToArchString(row, space)).toBe(text);
    const others = Uint8Array.from([0, 1, 2, 3, 4, 0, 4, 4, 0, 2, 1, 3]);
    const texts = [0, 6].map((at) => codesToArchString(others.slice(at, at + 6), space));
    expect(encode(texts, space)).toEqual(others);
  });

  it.each([
    "", text.slice(1), `${text}|`, `|${text}`, text.replace("~1", "~0"), text.replace("+", ""), text.replace("~0|", "~0 |"),
  ])("are refused in another form: %j", (wrong) => {
    expect(() => encode([wrong], space)).toThrow(/row 0, .* is no architecture; give a string \|op~0\|/);
  });

  it("name the edge of an operation that is none", () => {
    const wrong = text.replace("avg_pool", "max_pool");
    expect(() => encode([wrong], space)).toThrow(/row 0, gene "edge_3_2": "max_pool_3x3" is not allowed/);
  });

  it("are of that space only", async () => {
    const other = (await Catalog.open(CONFORMANCE, { benchmark: names.find((name) => name.startsWith("fbnet"))! })).space;
    expect(() => encode([text], other)).toThrow(ArchitectureError);
    const codes = new Uint8Array(other.nGenes);
    expect(() => codesToArchString(codes, other)).toThrow(/has no architecture strings/);
  });
});
