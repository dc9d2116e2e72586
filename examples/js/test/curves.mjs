// Writes curves of given codes, for a comparison with another language's.
//
//     node curves.mjs FOLDER TARGET FIDELITY LEVEL CODES OUT
//
// CODES holds rows of codes. OUT receives float32 mean, std, lower and upper at the fidelity, predictive_std of
// the mean of three runs, mean and std at all knots, and float64 where the level is crossed.

import { readFile } from "node:fs/promises";
import { failInOneLine, writeWhole } from "../bench/tool.mjs";
import { loadPure } from "../dist/index.js";

failInOneLine();

const [folder, target, fidelity, level, codesFile, out] = process.argv.slice(2);
const codes = new Uint8Array(await readFile(codesFile));
const surrogate = await loadPure(target, { artifacts: folder });
const there = surrogate.querySync(codes, { fidelity: Number(fidelity) });
const { lower, upper } = there.interval(0.8);
const { predictiveStd } = surrogate.querySync(codes, { fidelity: { seeds: 3 } });
const curve = surrogate.curveSync(codes);
const parts = [there.mean, there.std, lower, upper, predictiveStd, curve.mean, curve.std, curve.crossing(Number(level))];
await writeWhole(out, Buffer.concat(parts.map((a) => Buffer.from(a.buffer))));
