import { ACCEPTED, type Architecture, checkCodes, toCodes } from "./architecture.js";
import { ArchitectureError, show } from "./errors.js";
import { MNASNET, type SearchSpace } from "./space.js";

/**
 * A batch of N architectures: codes as a Uint8Array of N times one byte per gene, row after row;
 * indices as a BigInt64Array, BigUint64Array or Float64Array; or an array of architectures in any
 * of their forms. N may be 0.
 */
export type Batch =
  | Uint8Array
  | BigInt64Array
  | BigUint64Array
  | Float64Array
  | readonly Architecture[];

/**
 * Return the codes of a batch, row after row, checked. May be the given array itself.
 *
 * Throws `ArchitectureError` naming the first offending row, gene and value, and what is allowed.
 */
export function encode(batch: Batch, space: SearchSpace = MNASNET): Uint8Array {
  const n = space.nGenes;
  if (batch instanceof Uint8Array) {
    if (batch.length % n !== 0) {
      const found = `got ${batch.length} bytes`;
      throw new ArchitectureError(`codes are ${n} bytes per architecture, row after row; ${found}`);
    }
    checkCodes(batch, space);
    return batch;
  }
  const isIndices =
    batch instanceof BigInt64Array ||
    batch instanceof BigUint64Array ||
    batch instanceof Float64Array;
  if (!isIndices && !Array.isArray(batch)) {
    throw new ArchitectureError(
      `${show(batch)} is not a batch: give an array of architectures, or use queryOne; ${ACCEPTED}`,
    );
  }
  if (!isIndices) refuseOneRow(batch, space);
  const codes = new Uint8Array(batch.length * n);
  for (let row = 0; row < batch.length; row++) {
    codes.set(toCodes(batch[row], space, `row ${row}, `), row * n);
  }
  return codes;
}

/** Refuse an array of numbers that is one row of codes, but would be taken for indices. */
function refuseOneRow(batch: readonly unknown[], space: SearchSpace): void {
  const looksLikeCodes =
    batch.length === space.nGenes &&
    batch.every((v, g) => typeof v === "number" && v >= 0 && v < space.geneSizes[g]);
  if (looksLikeCodes) {
    throw new ArchitectureError(
      `an array of ${space.nGenes} such numbers looks like one row of codes, but an array of ` +
        "numbers holds indices: pass Uint8Array.from(codes) for codes, " +
        "BigInt64Array.from(indices, BigInt) for indices",
    );
  }
}
