/** Small artifacts of many spaces and terms, with the bits that every client has to give. */

import { describe, expect, it } from "vitest";
import { benchmarks, Catalog, codesToIndices, codesToValues, encode, ENGINES, load } from "../src/index.js";
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
    expect(encode(named.map((values) => Object.values(values)), space)).toEqual(codes);
    for (const [r, index] of indices.entries()) {
      const place = rows[r].reduce((sum, code, g) => sum * BigInt(space.geneSizes[g]) + BigInt(code), 0n);
      expect(index).toBe(place);
    }
  });
});
