/** One architecture in all forms that are understood, and its values. */

import { indexToCodes, ownRow } from "./codes.js";
import { ArchitectureError, show } from "./errors.js";
import { hasLists, isLists, type Lists, listsToValues } from "./mnasnet.js";
import { archStringToValues, hasArchStrings } from "./nasbench201.js";
import { type Choice, type Gene, needSpace, type SearchSpace } from "./space.js";
import { isBytes } from "./views.js";

/** Every gene by name. */
export type Values = Record<string, Choice>;

/**
 * One architecture: the values of all genes by name or in their order, an index, or (as bytes) a
 * row of codes; in the space named "mnasnet" also four lists, in that named "nasbench201" also a
 * string as the benchmark writes it.
 */
export type Architecture = Values | readonly Choice[] | Lists | string | number | bigint | Uint8Array;

/**
 * Return the codes, one byte per gene, of one architecture, in an array of their own.
 *
 * Throws `ArchitectureError` naming the gene, the value and what is allowed.
 */
export function toCodes(architecture: Architecture, space: SearchSpace, where = ""): Uint8Array {
  needSpace(space);
  if (typeof architecture === "number" || typeof architecture === "bigint") {
    return indexToCodes(architecture, space, where);
  }
  if (isBytes(architecture)) return ownRow(architecture, space, where);
  if (Array.isArray(architecture)) return orderedToCodes(architecture, space, where);
  if (typeof architecture === "string" && hasArchStrings(space)) {
    return orderedToCodes(archStringToValues(architecture, where), space, where);
  }
  if (!isRecord(architecture)) {
    const facts = `${show(architecture)} is not an architecture`;
    throw new ArchitectureError(`${where}${facts}; ${accepted(space)}`);
  }
  const lists = hasLists(space) && isLists(architecture);
  return valuesToCodes(lists ? listsToValues(architecture, space, where) : architecture, space, where);
}

function isRecord(value: unknown): value is object {
  const isObject = typeof value === "object" && value !== null;
  return isObject && !ArrayBuffer.isView(value) && !(value instanceof ArrayBuffer);
}

/** What an architecture may be, in words. */
export function accepted(space: SearchSpace): string {
  const lists = hasLists(space)
    ? ", the lists expansion, kernel, layers and se"
    : hasArchStrings(space) ? ", an architecture string" : "";
  return `give the values of all genes by name or in their order${lists}, an index, or codes as a Uint8Array`;
}

function orderedToCodes(values: readonly unknown[], space: SearchSpace, where: string): Uint8Array {
  if (values.length !== space.nGenes) {
    const facts = `a list holds the values of the ${space.nGenes} genes in their order`;
    throw new ArchitectureError(`${where}${facts}; got ${values.length}`);
  }
  return Uint8Array.from(space.genes, (gene, position) => valueToCode(gene, values[position], where));
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

/** Return the value of every gene by name. */
export function codesToValues(codes: Uint8Array, space: SearchSpace): Values {
  const row = ownRow(codes, space);
  return Object.fromEntries(space.genes.map((gene, g) => [gene.name, gene.choices[row[g]]]));
}
