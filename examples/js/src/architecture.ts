/** One architecture in all forms that are understood, and its values. */

import { indexToCodes, ownRow } from "./codes.js";
import { ArchitectureError, show } from "./errors.js";
import { formatValue } from "./format.js";
import { fourLists, hasLists, isLists, type Lists, listsToValues } from "./mnasnet.js";
import { type Choice, needSpace, type SearchSpace } from "./space.js";
import { parseArchitecture } from "./spelling.js";
import { listToCodes, type Values, valuesToCodes } from "./values.js";
import { isBytes } from "./views.js";

export type { Values } from "./values.js";

/** Four lists without their names, in the order of `Lists`. */
type OrderedLists = readonly [Lists["expansion"], Lists["kernel"], Lists["layers"], Lists["se"]];

/**
 * One architecture: the values of all genes by name; a list, which holds codes where it has numbers
 * alone and else the values in the order of the genes; an index; (as bytes) a row of codes; a text as
 * `parseArchitecture` reads it; in the space of MnasNet also four lists.
 */
export type Architecture = Values | readonly Choice[] | Lists | OrderedLists | string | number | bigint | Uint8Array;

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
  if (typeof architecture === "string") return parseArchitecture(architecture, space, where);
  const isList = Array.isArray(architecture);
  if (!isList && !isRecord(architecture)) {
    const facts = `${show(architecture)} is not an architecture`;
    throw new ArchitectureError(`${where}${facts}; ${accepted(space)}`);
  }
  const lists = !hasLists(space) ? null
    : isList ? fourLists(architecture) : isLists(architecture) ? architecture : null;
  if (lists) return valuesToCodes(listsToValues(lists, space, where), space, where);
  return isList ? listToCodes(architecture, space, where) : valuesToCodes(architecture, space, where);
}

/** Whether a value is an object that may hold values by name. */
export function isRecord(value: unknown): value is object {
  const isObject = typeof value === "object" && value !== null;
  return isObject && !ArrayBuffer.isView(value) && !(value instanceof ArrayBuffer);
}

/** What an architecture may be, in words. */
export function accepted(space: SearchSpace): string {
  const lists = hasLists(space) ? ", the lists expansion, kernel, layers and se" : "";
  return `give the values of all genes by name or in their order${lists}, an index, codes as a Uint8Array, or a text`;
}

/** Return the value of every gene by name. */
export function codesToValues(codes: Uint8Array, space: SearchSpace): Values {
  const row = ownRow(codes, space);
  return Object.fromEntries(space.genes.map((gene, g) => [gene.name, gene.choices[row[g]]]));
}

/**
 * Return one architecture, given by its codes, as one line of JSON with the value of every gene: what
 * `Architecture.to_json` of Python returns, to the byte. `JSON.stringify` does not tell 1.0 from 1.
 *
 * Throws `ArchitectureError` if these are no codes of the space.
 */
export function formatArchitecture(codes: Uint8Array, space: SearchSpace): string {
  const row = ownRow(codes, space);
  const pairs = space.genes.map((gene, g) => {
    const value = gene.choices[row[g]];
    return `${quoted(gene.name)}: ${typeof value === "string" ? quoted(value) : formatValue(gene, value)}`;
  });
  return `{${pairs.join(", ")}}`;
}

function quoted(text: string): string {
  return JSON.stringify(text).replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
