/** What belongs to the space of Accel-NASBench alone: the space, its lists, and EfficientNet-B0. */

import { ownRow } from "./codes.js";
import { ArchitectureError, show } from "./errors.js";
import { type Choice, SearchSpace } from "./space.js";

/** The space of Accel-NASBench (arXiv 2404.08005): 7 blocks, 28 genes. */
export const MNASNET = new SearchSpace(
  "mnasnet",
  Array.from({ length: 7 }, (_, number) => {
    const name = `block${number}`;
    return {
      name,
      genes: [
        { name: `${name}_e`, choices: [1, 4, 6] },
        { name: `${name}_k`, choices: [3, 5] },
        { name: `${name}_l`, choices: number === 5 ? [1, 2, 3, 4] : [1, 2, 3] },
        { name: `${name}_se`, choices: [true, false] },
      ],
    };
  }),
);

/** An architecture of `MNASNET`: one value per block for each kind of gene. */
export interface Lists {
  expansion: readonly number[];
  kernel: readonly number[];
  layers: readonly number[];
  se: readonly (boolean | string | number)[];
}

// The suffixes of the genes' names.
const LISTS = { expansion: "e", kernel: "k", layers: "l", se: "se" } as const;
const KEYS = Object.keys(LISTS) as (keyof Lists)[];

/** EfficientNet-B0 as a member of `MNASNET`. */
export const EFFICIENTNET_B0: Lists = {
  expansion: [1, 6, 6, 6, 6, 6, 6],
  kernel: [3, 3, 5, 3, 5, 5, 3],
  layers: [1, 2, 2, 3, 3, 4, 1],
  se: [true, true, true, true, true, true, true],
};

/** The name by which a text may call it. */
export const B0_NAME = "efficientnet-b0";

/** Whether architectures of a space may be written as four lists: of MnasNet's, or a part of it. */
export function hasLists(space: SearchSpace): boolean {
  const { nGenes, genes, name } = MNASNET;
  return space.name === name && space.nGenes === nGenes && genes.every((gene) => space.positions.has(gene.name));
}

/** The four lists of a list of lists, or null where it is none. */
export function fourLists(items: readonly unknown[]): Lists | null {
  if (items.length !== KEYS.length || !items.every(Array.isArray)) return null;
  return Object.fromEntries(KEYS.map((key, part) => [key, items[part]])) as unknown as Lists;
}

/** Whether an object is meant as the four lists. */
export function isLists(value: object): value is Lists {
  return KEYS.some((key) => Object.hasOwn(value, key));
}

/** Return the value of every gene by name; the values themselves are not checked. */
export function listsToValues(lists: Lists, space: SearchSpace, where = ""): Record<string, Choice> {
  const given = Object.keys(lists);
  if (given.length !== KEYS.length || !KEYS.every((key) => given.includes(key))) {
    throw new ArchitectureError(`${where}expected the keys ${KEYS.join(", ")}; got ${listed(given)}`);
  }
  const values: Record<string, Choice> = {};
  for (const key of KEYS) {
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

/** Return the four lists of one row of codes of the space named "mnasnet". */
export function codesToLists(codes: Uint8Array, space: SearchSpace): Lists {
  const row = ownRow(codes, space);
  const list = (suffix: string) =>
    space.blocks.map((block) => {
      const position = space.positions.get(`${block.name}_${suffix}`);
      if (!hasLists(space) || position === undefined) {
        throw new ArchitectureError(`search space ${show(space.name)} has no lists ${KEYS.join(", ")}`);
      }
      return space.genes[position].choices[row[position]];
    });
  return Object.fromEntries(KEYS.map((key) => [key, list(LISTS[key])])) as unknown as Lists;
}
