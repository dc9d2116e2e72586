/** One architecture as a person or a program writes it: the grammar of docs/architectures.md. */

import { indexToCodes } from "./codes.js";
import { ArchitectureError, show } from "./errors.js";
import { B0_NAME, EFFICIENTNET_B0, fourLists, hasLists, isLists, type Lists, listsToValues } from "./mnasnet.js";
import { ARCH_STRING, archStringToValues, hasArchStrings } from "./nasbench201.js";
import { type Item, NotationError, OtherNumber, readNotation, toNumber, trimmed } from "./notation.js";
import { type Gene, isFloat, needSpace, type SearchSpace } from "./space.js";
import { checkCount, checkNames, numbersToCodes, orderedToCodes, valuesToCodes, valueToCode } from "./values.js";

const NATURAL = "(?:0|[1-9][0-9]*)";
const BETWEEN = "(?:[ \\t\\r\\n]*,[ \\t\\r\\n]*|[ \\t\\r\\n]+)";
const INDEX = new RegExp(`^${NATURAL}$`);
const CODES = new RegExp(`^${NATURAL}(?:${BETWEEN}${NATURAL})+$`);
// As NumPy prints an array.
const IN_BRACKETS = new RegExp(`^\\[[ \\t\\r\\n]*(${NATURAL}(?:${BETWEEN}${NATURAL})*)[ \\t\\r\\n]*\\]$`);

/**
 * Return the codes, one byte per gene, of one architecture as text: a name, an index, codes, values by
 * position or by name, in the space of MnasNet four lists, in that of NAS-Bench-201 a string of the
 * benchmark; lists and objects as JSON or Python writes them.
 *
 * Throws `ArchitectureError` naming gene and value, or all spellings of the space.
 */
export function parseArchitecture(text: string, space: SearchSpace, where = ""): Uint8Array {
  needSpace(space);
  if (typeof text !== "string") {
    throw new ArchitectureError(`${where}the text of an architecture is a string, not ${show(text)}`);
  }
  const whole = trimmed(text);
  const plain = isQuoted(whole) ? unquoted(whole, space, where) : whole;
  if (INDEX.test(plain)) return digitsToCodes(plain, space, where);
  const codes = CODES.test(plain) ? plain : IN_BRACKETS.exec(plain)?.[1];
  if (codes) return numbersToCodes(codes.split(/[ \t\r\n,]+/).map(toNumber), space, where, shownItem);
  if (/^[[({]/.test(plain)) return itemToCodes(read(plain, space, where), space, where);
  if (hasLists(space) && plain.replace(/[A-Z]/g, (c) => c.toLowerCase()) === B0_NAME) {
    return valuesToCodes(listsToValues(EFFICIENTNET_B0, space, where), space, where);
  }
  const operations = hasArchStrings(space) ? archStringToValues(plain) : null;
  if (operations) return orderedToCodes(operations, space, where);
  throw refused(plain, space, where);
}

/** How architectures of a space are written, in words. */
export function spellings(space: SearchSpace): string {
  const own = hasLists(space)
    ? [B0_NAME, "four lists [[expansion...], [kernel...], [layers...], [se...]]"]
    : hasArchStrings(space) ? [`a string ${ARCH_STRING}`] : [];
  const ways = [
    ...own,
    `an index from 0 to ${space.size - 1n}`,
    `${space.nGenes} codes 0 ... or [0, ...]`,
    `a list of ${space.nGenes} values, a boolean or string among them`,
  ];
  return `${ways.join(", ")}, or an object of all genes {"${space.genes[0].name}": ...}`;
}

function isQuoted(text: string): boolean {
  return text.startsWith('"') || text.startsWith("'");
}

function unquoted(text: string, space: SearchSpace, where: string): string {
  const inner = trimmed(read(text, space, where) as string);
  if (isQuoted(inner)) throw refused(text, space, where, "once in quotes is enough");
  return inner;
}

function read(text: string, space: SearchSpace, where: string): Item {
  try {
    return readNotation(text);
  } catch (error) {
    if (!(error instanceof NotationError)) throw error;
    throw refused(text, space, where, error.message);
  }
}

function refused(text: string, space: SearchSpace, where: string, reason = ""): ArchitectureError {
  const because = reason && ` (${reason})`;
  return new ArchitectureError(`${where}${show(text)} is no architecture${because}; give ${spellings(space)}`);
}

function digitsToCodes(digits: string, space: SearchSpace, where: string): Uint8Array {
  const most = String(space.size - 1n);
  // Thousands of digits would take quadratic time.
  if (digits.length <= most.length) return indexToCodes(BigInt(digits), space, where);
  const shown = digits.length > 60 ? `${digits.slice(0, 28)}...${digits.slice(-29)}` : digits;
  throw new ArchitectureError(`${where}index ${shown} is out of range; allowed are 0 to ${most}`);
}

/** The codes of a list or an object. */
function itemToCodes(item: Item, space: SearchSpace, where: string): Uint8Array {
  if (item instanceof Map) {
    const values = Object.fromEntries(item); // which has "__proto__", too, as a key like any other
    if (hasLists(space) && isLists(values)) return listsToCodes(values, space, where);
    checkNames([...item.keys()], (name) => item.has(name), space, where);
    return Uint8Array.from(space.genes, (gene) => itemToCode(gene, item.get(gene.name)!, where));
  }
  const items = item as Item[];
  const lists = hasLists(space) ? fourLists(items) : null;
  if (lists) return listsToCodes(lists, space, where);
  if (!items.some((one) => typeof one === "boolean" || typeof one === "string")) {
    return numbersToCodes(items, space, where, shownItem);
  }
  checkCount(items, space, where);
  return Uint8Array.from(space.genes, (gene, position) => itemToCode(gene, items[position], where));
}

function listsToCodes(lists: Lists, space: SearchSpace, where: string): Uint8Array {
  const values = listsToValues(lists, space, where) as Record<string, Item>;
  return Uint8Array.from(space.genes, (gene) => itemToCode(gene, values[gene.name], where));
}

/** The code of a gene's value. */
function itemToCode(gene: Gene, item: Item, where: string): number {
  if (!(item instanceof OtherNumber)) return valueToCode(gene, item, where, shownItem(item));
  if (isFloat(gene)) return valueToCode(gene, Number(item.digits), where, shownItem(item)); // the nearest float64
  // An integer beyond 2^53 is only the choice that has all of its digits.
  const choice = gene.choices.find((one) => typeof one === "number" && BigInt(one) === item.whole);
  return valueToCode(gene, choice ?? item, where, shownItem(item));
}

function shownItem(item: unknown): string {
  if (item instanceof OtherNumber) return item.digits.length > 60 ? `${item.digits.slice(0, 57)}...` : item.digits;
  return item instanceof Map ? "an object" : Array.isArray(item) ? "a list" : show(item);
}
