/** Codes of architectures, one byte per gene, and the indices that they stand for. */

import { ArchitectureError, show } from "./errors.js";
import { formatChoices } from "./format.js";
import { type Gene, needSpace, type SearchSpace } from "./space.js";
import { isBytes, ownCopy } from "./views.js";

/** Return one row of codes, checked, in an array of its own. */
export function ownRow(codes: Uint8Array, space: SearchSpace, where = ""): Uint8Array {
  needSpace(space);
  if (!isBytes(codes)) throw new ArchitectureError(`${where}codes are a Uint8Array, not ${show(codes)}`);
  const own = ownCopy(codes, where);
  if (own.length !== space.nGenes) {
    const found = `got ${own.length} bytes`;
    throw new ArchitectureError(`${where}codes are ${space.nGenes} bytes, one per gene; ${found}`);
  }
  checkCodes(own, space, where);
  return own;
}

/** Refuse codes (any number of rows) that are out of range; names row, gene and code. */
export function checkCodes(codes: Uint8Array, space: SearchSpace, where = ""): void {
  needSpace(space);
  const n = space.nGenes;
  const sizes = Uint16Array.from(space.geneSizes);
  if (allInRange(codes, sizes)) return;
  for (let start = 0; start < codes.length; start += n) {
    for (let g = 0; g < n; g++) {
      const code = codes[start + g];
      if (code >= sizes[g]) {
        throw outOfRange(code, space.genes[g], codes.length > n ? `row ${start / n}, ` : where);
      }
    }
  }
}

/**
 * Whether all codes are in range, four at a time; false where it cannot be told this way.
 *
 * In a word of four bytes, (code + 128 - size) sets the highest bit of a byte if code >= size; no
 * byte carries into the next unless it is above 127, which shows by itself. The sizes repeat after
 * as many words as there are genes, whether or not four divides that.
 */
function allInRange(codes: Uint8Array, sizes: Uint16Array): boolean {
  const n = sizes.length;
  if (codes.byteOffset % 4 !== 0 || sizes.some((size) => size > 128)) return false;
  const words = new Int32Array(codes.buffer, codes.byteOffset, codes.length >> 2);
  const lifts = new Int32Array(Uint8Array.from({ length: 4 * n }, (_, k) => 128 - sizes[k % n]).buffer);
  let seen = 0;
  for (let from = 0; from < words.length; from += n) {
    const stop = Math.min(n, words.length - from);
    for (let k = 0; k < stop; k++) {
      const word = words[from + k];
      seen |= word | (word + lifts[k]);
    }
  }
  for (let k = 4 * words.length; k < codes.length; k++) if (codes[k] >= sizes[k % n]) return false;
  return (seen & 0x80808080) === 0;
}

/** The error of a code that its gene has no choice for. */
export function outOfRange(code: number, gene: Gene, where: string): ArchitectureError {
  return new ArchitectureError(`${where}${codeRefusal(gene, String(code))}`);
}

/** What is said of a code, as shown, that a gene has no choice for. */
export function codeRefusal(gene: Gene, shown: string): string {
  const allowed = `allowed are 0 to ${gene.choices.length - 1}, which stand for ${formatChoices(gene)}`;
  return `gene "${gene.name}": code ${shown} is out of range; ${allowed}`;
}

/** Return the codes of an index: a bigint of any size, or a number that is a safe integer. */
export function indexToCodes(index: number | bigint, space: SearchSpace, where = ""): Uint8Array {
  needSpace(space);
  if (typeof index !== "bigint" && !Number.isSafeInteger(index)) {
    const why = Number.isInteger(index) ? "a number above 2^53 is not exact; use a bigint" : "an index is an integer";
    throw new ArchitectureError(`${where}index ${show(index)}: ${why}`);
  }
  if (index < 0 || index >= space.size) {
    const allowed = `allowed are 0 to ${space.size - 1n}`;
    throw new ArchitectureError(`${where}index ${show(index)} is out of range; ${allowed}`);
  }
  const codes = new Uint8Array(space.nGenes);
  let rest: number | bigint = index;
  for (let g = space.nGenes - 1; g >= 0; g--) {
    const size = space.geneSizes[g];
    if (typeof rest === "number") {
      codes[g] = rest % size;
      rest = (rest - codes[g]) / size;
    } else {
      codes[g] = Number(rest % BigInt(size));
      rest /= BigInt(size);
    }
  }
  return codes;
}

/** Return the index of one row of codes. */
export function codesToIndex(codes: Uint8Array, space: SearchSpace): bigint {
  return codesToIndices(ownRow(codes, space), space)[0];
}

/** Return the index of every row of codes. */
export function codesToIndices(codes: Uint8Array, space: SearchSpace): bigint[] {
  needSpace(space);
  const n = space.nGenes;
  if (!isBytes(codes) || codes.length % n !== 0) {
    throw new ArchitectureError(`codes are a Uint8Array of ${n} bytes per architecture, not ${show(codes)}`);
  }
  checkCodes(codes, space);
  const small = space.size <= BigInt(Number.MAX_SAFE_INTEGER);
  const indices: bigint[] = [];
  for (let start = 0; start < codes.length; start += n) {
    if (small) {
      let index = 0;
      for (let g = 0; g < n; g++) index = index * space.geneSizes[g] + codes[start + g];
      indices.push(BigInt(index));
    } else {
      let index = 0n;
      for (let g = 0; g < n; g++) index = index * BigInt(space.geneSizes[g]) + BigInt(codes[start + g]);
      indices.push(index);
    }
  }
  return indices;
}
