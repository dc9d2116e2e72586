import { ArchitectureError, show } from "./errors.js";
import { count, Shown } from "./inspect.js";
import { isName } from "./json.js";

export type Choice = number | boolean | string;

/** One decision: of an architecture, or a hyper-parameter. A gene's code is the position of its value among the choices. */
export interface Gene {
  readonly name: string;
  readonly choices: readonly Choice[];
  /** Says of numbers that are all whole that they are floats, which are written so: 1.0. */
  readonly kind?: "float";
  /** Whether the choices are a scale, in the order of their codes. */
  readonly ordered?: boolean;
}

/** Genes that are read together: their codes form one symbol, in mixed radix. */
export interface Block {
  readonly name: string;
  readonly genes: readonly Gene[];
}

// Spaces of the literature have some 20 blocks and up to 100 genes. A code is stored in one byte.
const MAX_BLOCKS = 64;
const MAX_GENES = 1024;
const MAX_CHOICES = 256;

/** Refuse a call without a search space, which codes, values and indices alone do not tell. */
export function needSpace(space: unknown): asserts space is SearchSpace {
  if (!Array.isArray((space as SearchSpace | undefined)?.genes)) {
    const examples = "for example surrogate.space, catalog.space or MNASNET";
    throw new ArchitectureError(`a search space is needed, not ${show(space)}: ${examples}`);
  }
}

/** The form in which manifests hold a search space. */
export interface SpaceDocument {
  name: string;
  blocks: { name: string; genes: { name: string; choices: (Choice | bigint)[]; kind?: "float"; ordered?: boolean }[] }[];
  /** A bigint where no number holds it exactly. */
  size?: number | bigint;
}

/**
 * The search space as a value: everything else takes it as a parameter.
 *
 * Three integer views of an architecture follow from it. The *codes*, one per gene; the *symbols*,
 * one per block, which are the codes of its genes in mixed radix with the first gene most
 * significant; and the *index*, which is all codes in mixed radix.
 */
export class SearchSpace extends Shown {
  readonly genes: readonly Gene[];
  readonly positions: ReadonlyMap<string, number>;
  /** Number of choices of each gene. */
  readonly geneSizes: readonly number[];
  /** Number of symbols of each block. */
  readonly blockSizes: readonly number[];
  /** First gene of each block, and the number of genes. */
  readonly blockStarts: readonly number[];
  /** Number of architectures, of any size. */
  readonly size: bigint;

  constructor(
    readonly name: string,
    readonly blocks: readonly Block[],
  ) {
    super();
    this.genes = blocks.flatMap((block) => block.genes);
    this.positions = new Map(this.genes.map((gene, position) => [gene.name, position]));
    this.geneSizes = this.genes.map((gene) => gene.choices.length);
    this.blockSizes = blocks.map((b) => b.genes.reduce((n, g) => n * g.choices.length, 1));
    const starts = [0];
    for (const block of blocks) starts.push(starts.at(-1)! + block.genes.length);
    this.blockStarts = starts;
    this.size = this.blockSizes.reduce((n, size) => n * BigInt(size), 1n);
    if (this.positions.size !== this.genes.length) {
      throw new ArchitectureError(`search space ${show(name)}: a gene's name is used twice`);
    }
  }

  get nGenes(): number {
    return this.genes.length;
  }

  get nBlocks(): number {
    return this.blocks.length;
  }

  override toString(): string {
    const parts = `${count(this.nGenes, "gene")} in ${count(this.nBlocks, "block")}`;
    return `SearchSpace(${this.name}: ${parts}, ${count(this.size, "architecture")})`;
  }

  /** Read the `search_space` of a manifest; refuse what does not describe one. */
  static fromDocument(document: unknown): SearchSpace {
    const d = document as SpaceDocument | null;
    const sound =
      typeof d === "object" && d !== null && isName(d.name) && isList(d.blocks, MAX_BLOCKS) && d.blocks.every(soundBlock);
    if (!sound) {
      throw new ArchitectureError(`this does not describe a search space: ${show(document)}`);
    }
    const nGenes = d.blocks.reduce((n, block) => n + block.genes.length, 0);
    if (nGenes > MAX_GENES || new Set(d.blocks.map((block) => block.name)).size < d.blocks.length) {
      const facts = `at most ${MAX_GENES} genes in blocks of different names are allowed`;
      throw new ArchitectureError(`search space ${show(d.name)}: ${facts}`);
    }
    const space = new SearchSpace(d.name, d.blocks.map((block) => ({ ...block, genes: block.genes.map(readGene) })));
    if (d.size !== undefined && !isSize(d.size, space.size)) {
      const stated = `${show(d.name)} has ${space.size} members but states ${show(d.size)}`;
      throw new ArchitectureError(`search space ${stated}`);
    }
    return space;
  }
}

/** Whether a number or bigint of JSON is a space's size, exactly. */
function isSize(stated: unknown, size: bigint): boolean {
  return typeof stated === "bigint" ? stated === size : Number.isInteger(stated) && BigInt(stated as number) === size;
}

function isList(value: unknown, most: number): value is unknown[] {
  return Array.isArray(value) && value.length > 0 && value.length <= most;
}

function soundBlock(block: { name: unknown; genes: unknown }): boolean {
  return (
    isName(block?.name) &&
    isList(block.genes, MAX_GENES) &&
    block.genes.every(soundGene) &&
    // Symbols of 32 bits; tables over more would not fit the memory anyway.
    block.genes.reduce<number>((size, gene) => size * (gene as Gene).choices.length, 1) <= 2 ** 32
  );
}

/** A gene of a manifest, once it is sound, with its keys in their order. */
function readGene({ ordered, ...gene }: SpaceDocument["blocks"][0]["genes"][0]): Gene {
  const { choices, kind } = gene;
  const read = (choices.some(isFraction) || kind ? choices.map(Number) : choices) as Choice[];
  return { ...gene, choices: read, ...(ordered && { ordered }) };
}

function isFraction(choice: unknown): boolean {
  return typeof choice === "number" && !Number.isInteger(choice);
}

function isNumber(choice: unknown): choice is number | bigint {
  return typeof choice === "number" || typeof choice === "bigint";
}

/** Whether the numbers of a gene are floats, and not integers. */
export function isFloat({ choices, kind }: Gene): boolean {
  return kind === "float" || choices.some(isFraction);
}

function soundGene(gene: unknown): boolean {
  const { name, choices, kind, ordered = false } = (gene ?? {}) as Record<string, unknown>;
  if (!isName(name) || !isList(choices, MAX_CHOICES) || typeof ordered !== "boolean") return false;
  const areFloats = choices.every(isNumber) && (kind === "float" || choices.some(isFraction));
  if (kind !== undefined && !(kind === "float" && areFloats)) return false;
  const read = areFloats ? choices.map(Number) : choices;
  return (areFloats ? soundFloats(read as number[]) : soundChoices(read)) && (!ordered || isScale(read));
}

function soundFloats(choices: readonly number[]): boolean {
  const plain = choices.every((choice) => Number.isFinite(choice) && !Object.is(choice, -0));
  return plain && new Set(choices).size === choices.length;
}

/** Whether choices may be a scale: strings in any order, numbers that ascend or descend. */
function isScale(choices: readonly unknown[]): boolean {
  if (typeof choices[0] !== "number") return typeof choices[0] === "string";
  const numbers = choices as number[];
  const steps = numbers.slice(1).map((choice, before) => choice > numbers[before]);
  return new Set(steps).size < 2;
}

function soundChoices(choices: readonly unknown[]): boolean {
  const kinds = new Set(choices.map((choice) => typeof choice));
  const plain = choices.every(
    (choice) =>
      // 2^53 is exact where it comes from JSON, of which an integer that no number holds is a bigint.
      typeof choice === "boolean" || (Number.isInteger(choice) && Math.abs(choice as number) <= 2 ** 53) ||
      choice === "" || isName(choice),
  );
  return kinds.size === 1 && plain && new Set(choices).size === choices.length;
}
