// Predictions per second of mean + std of one engine, as JSON for `python -m benchmarks.languages`.
//
//     node bench/one.mjs TARGET ENGINE ROWS REPEATS
//
// Prints the medians of the passes, in seconds of the clock and of the processor (all threads of
// the process). Before any of them counts the engine has to give the golden bits of the target.

import { Catalog, load } from "../dist/index.js";
import { count, failInOneLine } from "./tool.mjs";

failInOneLine();

const [target, engine, rows, repeats] = process.argv.slice(2);
const n = count(rows, "ROWS");
const passes = count(repeats, "REPEATS");
const artifacts = await Catalog.open();
const { geneSizes, nGenes } = artifacts.space;
const surrogate = await load(target, { engine, artifacts });

const golden = await artifacts.readGolden();
if (!golden) throw new Error("the artifacts have no golden vectors");
const found = await surrogate.query(golden.codes, { members: true });
for (const name of ["mean", "std", "members"]) {
  const { buffer, byteOffset, byteLength } = found[name];
  if (Buffer.compare(Buffer.from(buffer, byteOffset, byteLength), golden.bytes(target, name))) {
    throw new Error(`${engine} does not give the golden bits of ${target}: ${name}`);
  }
}

// Any fixed stream of uniform codes will do, as in bench.mjs.
let state = 1;
const codes = new Uint8Array(n * nGenes);
for (let i = 0; i < codes.length; i++) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  codes[i] = Math.floor((state / 2 ** 32) * geneSizes[i % nGenes]);
}

const walls = [];
const cpus = [];
const warm = performance.now() + 200; // until the compiler has seen what it needs
do await surrogate.query(codes);
while (performance.now() < warm);
for (let pass = 0; pass < passes; pass++) {
  const before = process.cpuUsage();
  const start = performance.now();
  await surrogate.query(codes);
  walls.push((performance.now() - start) / 1e3);
  const used = process.cpuUsage(before);
  cpus.push((used.user + used.system) / 1e6);
}
const median = (values) => {
  const sorted = values.sort((a, b) => a - b);
  const k = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[k] : (sorted[k - 1] + sorted[k]) / 2;
};
console.log(JSON.stringify({ engine, rows: n, wall: median(walls), cpu: median(cpus) }));
await surrogate.dispose();
