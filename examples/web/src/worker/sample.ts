import type { SearchSpace } from "../anb";

/** A small, fast generator with a fixed stream per seed (sfc32): uniform integers of 32 bits. */
export function generator(seed: number): () => number {
  let a = 0, b = seed >>> 0, c = 1, counter = 1;
  const next = () => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 16; i++) next();
  return next;
}

/** Draw n architectures uniformly, with replacement; the same seed gives the same ones. */
export function sampleCodes(n: number, seed: number, space: SearchSpace): Uint8Array {
  const next = generator(seed);
  const sizes = space.geneSizes;
  const codes = new Uint8Array(n * sizes.length);
  for (let i = 0; i < codes.length; ) {
    for (let g = 0; g < sizes.length; g++) codes[i++] = Math.floor((next() / 2 ** 32) * sizes[g]);
  }
  return codes;
}

/** All codes that differ from a row in exactly one gene, row after row. */
export function neighbours(row: Uint8Array, space: SearchSpace): Uint8Array {
  const sizes = space.geneSizes;
  const count = sizes.reduce((n, size) => n + size - 1, 0);
  const codes = new Uint8Array(count * sizes.length);
  let at = 0;
  for (let g = 0; g < sizes.length; g++) {
    for (let code = 0; code < sizes[g]; code++) {
      if (code === row[g]) continue;
      codes.set(row, at);
      codes[at + g] = code;
      at += sizes.length;
    }
  }
  return codes;
}
