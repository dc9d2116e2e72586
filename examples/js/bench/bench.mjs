// Predictions per second of mean + std, and whether all engines agree to the last bit.
//
//     npm run bench [-- TARGET [N]]
//
// ANB_ONNX_ARTIFACTS names another folder of artifacts.

import { Catalog, load } from "../dist/index.js";
import { count, failInOneLine } from "./tool.mjs";

failInOneLine();

const target = process.argv[2] ?? "accuracy";
const n = count(process.argv[3] ?? 262_144, "N");

const artifacts = await Catalog.open();
const { geneSizes, nGenes } = artifacts.space;

// Any fixed stream of uniform codes will do: a small linear congruential generator.
let state = 1;
const codes = new Uint8Array(n * nGenes);
for (let i = 0; i < codes.length; i++) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  codes[i] = Math.floor((state / 2 ** 32) * geneSizes[i % nGenes]);
}

console.log(`${target}, mean + std of ${n.toLocaleString("en")} architectures, one thread`);
let first;
for (const engine of ["pure", "ort-node", "ort-web"]) {
  const surrogate = await load(target, { engine, artifacts });
  await surrogate.query(codes.subarray(0, nGenes * 20_000));
  let best = Infinity;
  let prediction;
  for (let run = 0; run < 5; run++) {
    const start = performance.now();
    prediction = await surrogate.query(codes);
    best = Math.min(best, performance.now() - start);
  }
  const bits = Buffer.concat([
    Buffer.from(prediction.mean.buffer),
    Buffer.from(prediction.std.buffer),
  ]);
  first ??= bits;
  const rate = (n / best / 1000).toFixed(2).padStart(6);
  const same = bits.equals(first);
  console.log(`${engine.padEnd(9)} ${rate} M/s   ${same ? "same bits" : "DIFFERENT BITS"}`);
  if (!same) process.exitCode = 1;
  await surrogate.dispose();
}
