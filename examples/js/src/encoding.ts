import { accepted, type Architecture, isRecord, toCodes } from "./architecture.js";
import { checkCodes } from "./codes.js";
import { ArchitectureError, show } from "./errors.js";
import { isLists, type Lists } from "./mnasnet.js";
import { type Choice, needSpace, type SearchSpace } from "./space.js";
import type { Values } from "./values.js";
import { allocated, isBytes, kindOf, ownCopy } from "./views.js";

/**
 * A batch of N architectures: codes as a Uint8Array of N times one byte per gene, row after row;
 * indices as a BigInt64Array, BigUint64Array or Float64Array; an array of architectures in any of
 * their forms; or one architecture that is no array: a text, an index, or an object. N may be 0.
 */
export type Batch =
  | Uint8Array
  | BigInt64Array
  | BigUint64Array
  | Float64Array
  | readonly Architecture[]
  | Values
  | Lists
  | string
  | number
  | bigint;

type Indices = BigInt64Array | BigUint64Array | Float64Array;

const INDICES = ["BigInt64Array", "BigUint64Array", "Float64Array"];

/**
 * Return the codes of a batch, row after row, checked: an array of their own, whatever the form of
 * the batch. This is the one place where a query reads its input, so nothing that happens to the
 * batch afterwards matters, and nothing that is done with the codes reaches the batch.
 *
 * Throws `ArchitectureError` naming the first offending row, gene and value, and what is allowed.
 */
export function encode(batch: Batch, space: SearchSpace): Uint8Array {
  needSpace(space);
  const n = space.nGenes;
  if (isBytes(batch)) {
    const codes = ownCopy(batch);
    if (codes.length % n !== 0) {
      const found = `got ${codes.length} bytes`;
      throw new ArchitectureError(`codes are ${n} bytes per architecture, row after row; ${found}`);
    }
    checkCodes(codes, space);
    return codes;
  }
  if (isOne(batch, space)) return toCodes(batch, space);
  const isIndices = INDICES.includes(kindOf(batch) ?? "");
  if (!isIndices && !Array.isArray(batch)) {
    throw new ArchitectureError(
      `${show(batch)} is not a batch: give an array of architectures, or one of them; ${accepted(space)}`,
    );
  }
  const rows = isIndices ? ownCopy(batch as Indices) : (batch as readonly Architecture[]);
  const { length } = rows; // once: an array may grow while its elements are read
  if (!isIndices) refuseOneRow(rows as readonly unknown[], space);
  const codes = allocated(() => new Uint8Array(length * n));
  for (let row = 0; row < length; row++) {
    codes.set(toCodes(rows[row], space, `row ${row}, `), row * n);
  }
  return codes;
}

/** Whether a batch is one architecture: a text, an index, or an object that has one of the names. */
function isOne(batch: unknown, space: SearchSpace): batch is string | number | bigint | Values | Lists {
  if (["string", "number", "bigint"].includes(typeof batch)) return true;
  if (!isRecord(batch) || Array.isArray(batch)) return false;
  return isLists(batch) || space.genes.some((gene) => Object.hasOwn(batch, gene.name));
}

/** Refuse an array that is one architecture, but would be taken for several. */
function refuseOneRow(batch: readonly unknown[], space: SearchSpace): void {
  const { nGenes, genes, geneSizes } = space;
  if (batch.length !== nGenes) return;
  const areValues = batch.every((v, g) => genes[g].choices.includes(v as Choice));
  const areNumbers = batch.every((v) => typeof v === "number");
  const areCodes = batch.every((v, g) => typeof v === "number" && v >= 0 && v < geneSizes[g]);
  if (areNumbers && nGenes > 1 && (areValues || areCodes)) {
    throw new ArchitectureError(
      `an array of ${nGenes} such numbers looks like one row of codes or values, but an array of ` +
        "numbers holds indices: pass Uint8Array.from(codes) for codes, [values] for values, " +
        "BigInt64Array.from(indices, BigInt) for indices",
    );
  }
  if (areValues && !areNumbers) {
    throw new ArchitectureError("these are the values of one architecture: pass [values], or use queryOne");
  }
}
