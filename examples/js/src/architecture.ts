import { ArchitectureError, show } from "./errors.js";
import { type Choice, type Gene, MNASNET, type SearchSpace } from "./space.js";
import { isBytes, ownCopy } from "./views.js";

/** Every gene by name. */
export type Values = Record<string, Choice>;

/** One value per block for each kind of gene. */
export interface Lists {
  expansion: readonly number[];
  kernel: readonly number[];
  layers: readonly number[];
  se: readonly (boolean | string)[];
}

/** One architecture: values, four lists, an index, or (as bytes) a row of codes. */
export type Architecture = Values | Lists | number | bigint | Uint8Array;

const LISTS = { expansion: "e", kernel: "k", layers: "l", se: "se" } as const;

/** EfficientNet-B0 as a member of `MNASNET`. */
export const EFFICIENTNET_B0: Lists = {
  expansion: [1, 6, 6, 6, 6, 6, 6],
  kernel: [3, 3, 5, 3, 5, 5, 3],
  layers: [1, 2, 2, 3, 3, 4, 1],
  se: [true, true, true, true, true, true, true],
};

/**
 * Return the codes, one byte per gene, of one architecture, in an array of their own.
 *
 * Throws `ArchitectureError` naming the gene, the value and what is allowed.
 */
export function toCodes(
  architecture: Architecture,
  space: SearchSpace = MNASNET,
  where = "",
): Uint8Array {
  if (typeof architecture === "number" || typeof architecture === "bigint") {
    return indexToCodes(architecture, space, where);
  }
  if (isBytes(architecture)) {
    const codes = ownCopy(architecture, where);
    if (codes.length !== space.nGenes) {
      const found = `got ${codes.length} bytes`;
      throw new ArchitectureError(`${where}codes are ${space.nGenes} bytes, one per gene; ${found}`);
    }
    checkCodes(codes, space, where);
    return codes;
  }
  if (!isRecord(architecture)) {
    throw new ArchitectureError(`${where}${show(architecture)} is not an architecture; ${ACCEPTED}`);
  }
  return valuesToCodes(isLists(architecture) ? listsToValues(architecture, space, where) : architecture, space, where);
}

function isRecord(value: unknown): value is object {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject && !ArrayBuffer.isView(value) && !(value instanceof ArrayBuffer);
}

export const ACCEPTED =
  "give the values of all genes by name, the lists expansion, kernel, layers and se, an index, " +
  "or codes as a Uint8Array";

function isLists(value: object): value is Lists {
  return Object.keys(LISTS).some((key) => Object.hasOwn(value, key));
}

function listsToValues(lists: Lists, space: SearchSpace, where: string): Values {
  const keys = Object.keys(LISTS) as (keyof Lists)[];
  const given = Object.keys(lists);
  if (given.length !== keys.length || !keys.every((key) => given.includes(key))) {
    throw new ArchitectureError(`${where}expected the keys ${keys.join(", ")}; got ${listed(given)}`);
  }
  const values: Values = {};
  for (const key of keys) {
    const list = lists[key] as readonly Choice[];
    if (!Array.isArray(list) || list.length !== space.nBlocks) {
      const count = Array.isArray(list) ? `, which has ${list.length}` : "";
      const wanted = `a list of ${space.nBlocks} values, one per block`;
      throw new ArchitectureError(`${where}${key} takes ${wanted}, not ${show(list)}${count}`);
    }
    space.blocks.forEach((block, b) => (values[`${block.name}_${LISTS[key]}`] = list[b]));
  }
  return values;
}

/** Some keys, for a message. */
function listed(keys: readonly string[]): string {
  const more = keys.length > 8 ? ` (and ${keys.length - 8} more)` : "";
  return keys.slice(0, 8).map((key) => (/^\w{1,40}$/.test(key) ? key : show(key))).join(", ") + more;
}

function valuesToCodes(values: object, space: SearchSpace, where: string): Uint8Array {
  const given = values as Values;
  const unknown = Object.keys(given).filter((key) => !space.positions.has(key));
  const missing = space.genes.filter((gene) => !Object.hasOwn(given, gene.name));
  if (unknown.length || missing.length) {
    const more = (n: number) => (n > 1 ? ` (and ${n - 1} more)` : "");
    const parts: string[] = [];
    if (unknown.length) parts.push(`unknown gene ${show(unknown[0])}${more(unknown.length)}`);
    if (missing.length) parts.push(`missing gene "${missing[0].name}"${more(missing.length)}`);
    const genes = `${space.genes[0].name} ... ${space.genes.at(-1)!.name}`;
    throw new ArchitectureError(`${where}${parts.join(" and ")}; the ${space.nGenes} genes are ${genes}`);
  }
  const codes = new Uint8Array(space.nGenes);
  space.genes.forEach((gene, position) => {
    codes[position] = valueToCode(gene, given[gene.name], where);
  });
  return codes;
}

function valueToCode(gene: Gene, value: unknown, where: string): number {
  const isBoolean = typeof gene.choices[0] === "boolean";
  // The reference's search space spells booleans as Python does.
  const plain = isBoolean && value === "True" ? true : isBoolean && value === "False" ? false : value;
  const code = gene.choices.indexOf(plain as Choice);
  if (code < 0) {
    const also = isBoolean ? ' (or "True", "False")' : "";
    const allowed = `choose from ${gene.choices.join(", ")}${also}`;
    throw new ArchitectureError(`${where}gene "${gene.name}": ${show(value)} is not allowed; ${allowed}`);
  }
  return code;
}

/** Refuse codes (any number of rows) that are out of range; names row, gene and code. */
export function checkCodes(codes: Uint8Array, space: SearchSpace = MNASNET, where = ""): void {
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
export function outOfRange(code: number, { name, choices }: Gene, where: string): ArchitectureError {
  const allowed = `allowed are 0 to ${choices.length - 1}, which stand for ${choices.join(", ")}`;
  return new ArchitectureError(`${where}gene "${name}": code ${code} is out of range; ${allowed}`);
}

/** Return the codes of an index: a bigint, or a number that is a safe integer. */
export function indexToCodes(
  index: number | bigint,
  space: SearchSpace = MNASNET,
  where = "",
): Uint8Array {
  if (typeof index !== "bigint" && !Number.isSafeInteger(index)) {
    const why = Number.isInteger(index) ? "a number above 2^53 is not exact; use a bigint" : "an index is an integer";
    throw new ArchitectureError(`${where}index ${show(index)}: ${why}`);
  }
  if (index < 0 || index >= space.size) {
    const allowed = `allowed are 0 to ${space.size - 1n}`;
    throw new ArchitectureError(`${where}index ${index} is out of range; ${allowed}`);
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
export function codesToIndex(codes: Uint8Array, space: SearchSpace = MNASNET): bigint {
  return codesToIndices(toCodes(codes, space), space)[0];
}

/** Return the index of every row of codes. */
export function codesToIndices(codes: Uint8Array, space: SearchSpace = MNASNET): bigint[] {
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

/** Return the value of every gene by name. */
export function codesToValues(codes: Uint8Array, space: SearchSpace = MNASNET): Values {
  const row = toCodes(codes, space);
  return Object.fromEntries(space.genes.map((gene, g) => [gene.name, gene.choices[row[g]]]));
}

/** Return the four lists of an architecture of a space that has them, as `MNASNET` does. */
export function codesToLists(codes: Uint8Array, space: SearchSpace = MNASNET): Lists {
  const values = codesToValues(codes, space);
  const list = (suffix: string) => space.blocks.map((block) => values[`${block.name}_${suffix}`]);
  return Object.fromEntries(
    Object.entries(LISTS).map(([key, suffix]) => [key, list(suffix)]),
  ) as unknown as Lists;
}
