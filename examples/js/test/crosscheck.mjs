// Writes predictions of given codes, for a comparison with another language's.
//
//     node crosscheck.mjs TARGET LEVEL CODES OUT
//
// CODES holds rows of codes. OUT-ENGINE.bin receives float32 mean, std, predictive_std, lower and
// upper of every row, one after the other.

import { readFile } from "node:fs/promises";
import { failInOneLine, writeWhole } from "../bench/tool.mjs";
import { load } from "../dist/index.js";

failInOneLine();

const [target, level, codesFile, out] = process.argv.slice(2);
const codes = new Uint8Array(await readFile(codesFile));
for (const engine of ["pure", "ort-node"]) {
  const surrogate = await load(target, { engine });
  const found = await surrogate.query(codes);
  const { lower, upper } = found.interval(Number(level));
  const parts = [found.mean, found.std, found.predictiveStd, lower, upper];
  await writeWhole(`${out}-${engine}.bin`, Buffer.concat(parts.map((a) => Buffer.from(a.buffer))));
  await surrogate.dispose();
}
