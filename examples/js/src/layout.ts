import type { SearchSpace } from "./space.js";
import type { Terms } from "./terms.js";

/**
 * Terms as the pure engine goes through them, whatever their number of blocks: all blocks of a term
 * but the last make up one number, its *head*, which terms share. The numbers of a row lie side by
 * side: the symbols of the blocks, a zero, which is the head of terms of one block, and what is
 * joined of several blocks.
 */
export interface Layout {
  /**
   * Four integers for each term: its first entry, where among the numbers of a row its head is, the
   * number of symbols of its last block, and this block.
   */
  readonly steps: Int32Array;
  /** Heads of several blocks: a head before, and the symbol of one block more, in mixed radix. */
  readonly joined: readonly Joined[];
  /** How many numbers a row has. */
  readonly nNumbers: number;
}

interface Joined {
  readonly place: number;
  readonly before: number;
  readonly size: number;
  readonly block: number;
}

/** Lay terms out by their heads. */
export function layOut({ blocks, offsets }: Terms, { nBlocks, blockSizes }: SearchSpace): Layout {
  const joined: Joined[] = [];
  const places = new Map<string, number>([["", nBlocks]]);
  const placeOf = (head: readonly number[]): number => {
    if (head.length === 1) return head[0];
    const known = places.get(String(head));
    if (known !== undefined) return known;
    const [before, block] = [placeOf(head.slice(0, -1)), head.at(-1)!];
    const place = nBlocks + 1 + joined.length;
    joined.push({ place, before, size: blockSizes[block], block });
    places.set(String(head), place);
    return place;
  };
  const steps = blocks.flatMap((term, k) => {
    const last = term.at(-1)!;
    return [offsets[k], placeOf(term.slice(0, -1)), blockSizes[last], last];
  });
  return { steps: Int32Array.from(steps), joined, nNumbers: nBlocks + 1 + joined.length };
}
