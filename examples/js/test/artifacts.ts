/** The artifacts under test, and their golden vectors. */

import { Catalog } from "../src/index.js";

// Also where Vitest has moved the sources: the environment wins, then the checkout.
export const catalog = await Catalog.open(process.env.ANB_ARTIFACTS || "../../artifacts");

interface GoldenArray {
  target: string | null;
  name: string;
  dtype: "uint8" | "float32";
  shape: number[];
  offset: number;
}

const golden = catalog.manifest.golden as { n: number; arrays: GoldenArray[] } | undefined;
if (!golden) throw new Error(`${catalog.folder}manifest.json has no golden vectors`);
const file = (await catalog.readGolden())!;

export const nGolden = golden.n;
export const goldenCodes = goldenBytes(null, "architectures");

/** The bytes of one array of the golden file. */
export function goldenBytes(target: string | null, name: string): Uint8Array {
  const found = golden!.arrays.find((a) => a.target === target && a.name === name);
  if (!found) throw new Error(`no golden ${name} of ${target}`);
  const count = found.shape.reduce((n, size) => n * size, 1);
  const size = found.dtype === "uint8" ? 1 : 4;
  return file.slice(found.offset, found.offset + count * size);
}

/** Every bit of an array, to compare. */
export function bytes(array: Float32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
