/** Values of genes, and codes as numbers, -> codes as bytes. */

import { codeRefusal } from "./codes.js";
import { ArchitectureError, show } from "./errors.js";
import { formatChoices } from "./format.js";
import { hasLists } from "./mnasnet.js";
import type { Choice, Gene, SearchSpace } from "./space.js";

/** Every gene by name. */
export type Values = Record<string, Choice>;

// How booleans are written elsewhere: as the words of Python and JSON, and as the numbers they count as.
const BOOLEANS = new Map<unknown, boolean>([
  ["True", true], ["true", true], [1, true], ["False", false], ["false", false], [0, false],
]);

/** Return the codes of a list: of numbers alone, which are codes, or of values in the order of the genes. */
export function listToCodes(items: readonly unknown[], space: SearchSpace, where: string): Uint8Array {
  return items.some((item) => typeof item === "boolean" || typeof item === "string")
    ? orderedToCodes(items, space, where)
    : numbersToCodes(items, space, where);
}

/** Return the codes of the values of all genes in their order. */
export function orderedToCodes(values: readonly unknown[], space: SearchSpace, where: string): Uint8Array {
  checkCount(values, space, where);
  return Uint8Array.from(space.genes, (gene, position) => valueToCode(gene, values[position], where));
}

/** Return the codes of a list of codes. */
export function numbersToCodes(
  codes: readonly unknown[],
  space: SearchSpace,
  where: string,
  shown: (code: unknown) => string = show,
): Uint8Array {
  checkCount(codes, space, where);
  return Uint8Array.from(space.genes, (gene, position) => {
    const code = codes[position];
    const inRange = Number.isInteger(code) && (code as number) >= 0 && (code as number) < gene.choices.length;
    if (inRange) return code as number;
    throw new ArchitectureError(`${where}${codeRefusal(gene, shown(code))}; a list of numbers alone holds codes`);
  });
}

/** Return the codes of the values of all genes by name. */
export function valuesToCodes(values: object, space: SearchSpace, where: string): Uint8Array {
  const given = values as Values;
  checkNames(Object.keys(given), (name) => Object.hasOwn(given, name), space, where);
  return Uint8Array.from(space.genes, (gene) => valueToCode(gene, given[gene.name], where));
}

/** Refuse names that are not those of all genes. */
export function checkNames(
  names: readonly string[],
  has: (name: string) => boolean,
  space: SearchSpace,
  where: string,
): void {
  const unknown = names.filter((name) => !space.positions.has(name));
  const missing = space.genes.filter((gene) => !has(gene.name));
  if (!unknown.length && !missing.length) return;
  const more = (n: number) => (n > 1 ? ` (and ${n - 1} more)` : "");
  const parts: string[] = [];
  if (unknown.length) parts.push(`unknown gene ${show(unknown[0])}${more(unknown.length)}`);
  if (missing.length) parts.push(`missing gene "${missing[0].name}"${more(missing.length)}`);
  const genes = `${space.genes[0].name} ... ${space.genes.at(-1)!.name}`;
  throw new ArchitectureError(`${where}${parts.join(" and ")}; the ${space.nGenes} genes are ${genes}`);
}

/** Refuse a list of another length than there are genes. */
export function checkCount(items: readonly unknown[], space: SearchSpace, where: string): void {
  if (items.length === space.nGenes) return;
  const lists = hasLists(space) ? ", or four lists [expansion, kernel, layers, se]" : "";
  const facts = `an architecture of ${show(space.name)} has ${space.nGenes} codes or values, one for each gene`;
  throw new ArchitectureError(`${where}${facts}, not ${items.length}${lists}`);
}

/** Return the code of a gene's value; `shown` is the value in the message that refuses it. */
export function valueToCode(gene: Gene, value: unknown, where: string, shown?: string): number {
  const isBoolean = typeof gene.choices[0] === "boolean";
  const plain = isBoolean ? (BOOLEANS.get(value) ?? value) : value;
  const code = gene.choices.indexOf(plain as Choice);
  if (code < 0) {
    const also = isBoolean ? ' (or "True", "False", 1, 0)' : "";
    const allowed = `choose from ${formatChoices(gene)}${also}`;
    throw new ArchitectureError(`${where}gene "${gene.name}": ${shown ?? show(value)} is not allowed; ${allowed}`);
  }
  return code;
}
