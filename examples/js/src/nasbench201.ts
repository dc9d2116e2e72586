/** What belongs to the space of NAS-Bench-201 alone: its architecture strings. */

import { ownRow } from "./codes.js";
import { ArchitectureError, show } from "./errors.js";
import type { Choice, SearchSpace } from "./space.js";

/** The nodes joined by "+"; of each node its edges `operation~from` between bars. */
export const ARCH_STRING = "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|";
const PATTERN = new RegExp(
  `^${ARCH_STRING.replace(/[|+]/g, "\\$&").replace(/op/g, "([^|~+]+)")}$`,
);

/** Whether architectures of a space may be written as strings: of the one named "nasbench201". */
export function hasArchStrings(space: SearchSpace): boolean {
  return space.name === "nasbench201" && space.nGenes === 6;
}

/**
 * Return the values of the genes, in their order, of a string as NAS-Bench-201 writes it, or null for
 * another text; the operations themselves are not checked.
 */
export function archStringToValues(text: string): string[] | null {
  return PATTERN.exec(text)?.slice(1) ?? null;
}

/** Return the string by which NAS-Bench-201 names one row of codes of its space. */
export function codesToArchString(codes: Uint8Array, space: SearchSpace): string {
  const row = ownRow(codes, space);
  if (!hasArchStrings(space)) {
    throw new ArchitectureError(`search space ${show(space.name)} has no architecture strings`);
  }
  const values: Choice[] = Array.from(row, (code, position) => space.genes[position].choices[code]);
  let position = 0;
  return ARCH_STRING.replace(/op/g, () => String(values[position++]));
}
