import { ArtifactError, show } from "./errors.js";
import type { SearchSpace } from "./space.js";

const MAX_TERMS = 4096;

// Indices of entries are computed in int32.
const MAX_ENTRIES = 2 ** 31 - 1;

/**
 * What an ensemble is a sum of: one table for each *term*, a set of blocks. Their tables lie one
 * after the other; within one, the symbol of the term's first block is the most significant.
 */
export class Terms {
  private constructor(
    /** The blocks of each term, in increasing order. */
    readonly blocks: readonly (readonly number[])[],
    /** The first entry of each term's table, and after all the number of entries. */
    readonly offsets: readonly number[],
  ) {}

  /** Entries of all tables. */
  get nEntries(): number {
    return this.offsets.at(-1)!;
  }

  /**
   * Read the `terms` of a manifest's entry.
   *
   * Throws `ArtifactError` naming the term and what is allowed.
   */
  static fromDocument(document: unknown, space: SearchSpace, source: string): Terms {
    const where = `${source}: key "terms"`;
    if (!Array.isArray(document) || document.length < 1 || document.length > MAX_TERMS) {
      const found = Array.isArray(document) ? `${document.length} of them` : show(document);
      throw new ArtifactError(`${where} must be a list of 1 to ${MAX_TERMS} terms, not ${found}`);
    }
    const blocks: number[][] = [];
    const offsets = [0];
    const seen = new Set<string>();
    for (const [k, given] of document.entries()) {
      const term: unknown = Array.isArray(given) ? [...given] : given; // without holes, and not the caller's
      if (!isTerm(term, space)) {
        const allowed = `1 to ${space.nBlocks} block numbers from 0 to ${space.nBlocks - 1} in increasing order`;
        throw new ArtifactError(`${where}: term ${k} must have ${allowed}, not ${show(term)}`);
      }
      if (seen.size === seen.add(String(term)).size) {
        throw new ArtifactError(`${where}: term ${k}, ${show(term)}, stands twice`);
      }
      blocks.push(term);
      offsets.push(term.reduce((n, block) => n * space.blockSizes[block], 1) + offsets[k]);
    }
    if (offsets.at(-1)! > MAX_ENTRIES) {
      throw new ArtifactError(`${where}: their tables have ${offsets.at(-1)} entries, at most ${MAX_ENTRIES} are allowed`);
    }
    return new Terms(blocks, offsets);
  }
}

function isTerm(term: unknown, { nBlocks }: SearchSpace): term is number[] {
  return (
    Array.isArray(term) &&
    term.length >= 1 &&
    term.length <= nBlocks &&
    term.every((b, i) => Number.isInteger(b) && b > (i ? term[i - 1] : -1) && b < nBlocks)
  );
}
