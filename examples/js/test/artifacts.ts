/** The artifacts under test, and their golden vectors. */

import { Catalog } from "../src/index.js";

// Also where Vitest has moved the sources: the environment wins, then the checkout.
export const catalog = await Catalog.open(process.env.ANB_ONNX_ARTIFACTS || "../../artifacts", {
  benchmark: "accel-nasbench",
});

/** The folder of small artifacts of other spaces and terms. */
export const CONFORMANCE = process.env.ANB_CONFORMANCE || "../../tests/conformance";

const golden = await catalog.readGolden();
if (!golden) throw new Error(`${catalog.folder}manifest.json has no golden vectors`);

export const nGolden = golden.n;
export const goldenCodes = golden.codes;
export const goldenBytes = golden.bytes.bind(golden);

/** Every bit of an array, to compare. */
export function bytes(array: Float32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
