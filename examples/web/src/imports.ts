/** Files of architectures: those that the page and the command line write, and those of people. */

import { type Item, OtherNumber, readNotation } from "../../js/src/notation";
import { valueToCode } from "../../js/src/values";
import { ArchitectureError, codesToIndex, type Gene, parseArchitecture, type SearchSpace, toCodes } from "./anb";

/** Most architectures of one file. */
const MOST = 100_000;
/** Names of columns that hold answers: they may stand beside an index or genes. */
const ANSWER = /_(?:mean|std|predictive_std|lower|upper|member_[0-9]+)$/;

/** Architectures of a file. */
export interface Imported {
  /** Row after row. */
  readonly codes: Uint8Array;
  /** Columns that are neither index, nor genes, nor answers; they were passed over. */
  readonly ignored: readonly string[];
}

/**
 * Read architectures: CSV with a column `index` or one per gene; JSON, a list or one architecture;
 * one architecture per line, as JSON or any other text of docs/architectures.md.
 *
 * Throws `ArchitectureError` naming line or item, and what is wrong with it.
 */
export function readArchitectures(text: string, space: SearchSpace): Imported {
  const whole = text.replace(/^\uFEFF/, "").trim();
  if (!whole) throw new ArchitectureError("the file is empty");
  const lines = whole.split(/\r\n|\r|\n/);
  const header = cellsOf(lines[0], delimiterOf(lines[0]));
  if (header.includes("index") || header.some((name) => space.positions.has(name))) return fromTable(lines, space);
  const items = /^[[({]/.test(whole) ? itemsOf(whole, space) : null;
  if (items) return joined(items.map((item, k) => () => itemToCodes(item, space, `item ${k}: `)), space);
  const texts = lines.map((line, k) => [line.trim(), k + 1] as const).filter(([line]) => line);
  return joined(texts.map(([line, number]) => () => lineToCodes(line, space, `line ${number}: `)), space);
}

/** The items of a JSON list of architectures; null where it is one architecture, or one per line. */
function itemsOf(text: string, space: SearchSpace): Item[] | null {
  let value: Item;
  try {
    value = readNotation(text);
  } catch (error) {
    if (/\n/.test(text)) return null; // one per line, maybe
    throw new ArchitectureError((error as Error).message);
  }
  if (!Array.isArray(value)) return [value];
  const plain = value.every((item) => !Array.isArray(item) && !(item instanceof Map));
  const isOne = (plain && value.length === space.nGenes) || (value.length === 4 && value.every((item) => Array.isArray(item) && item.length === space.nBlocks));
  return isOne ? [value] : value;
}

function lineToCodes(line: string, space: SearchSpace, where: string): Uint8Array {
  if (!line.startsWith("{")) return parseArchitecture(line, space, where);
  try {
    return itemToCodes(readNotation(line), space, where);
  } catch (error) {
    if (error instanceof ArchitectureError) throw error;
    throw new ArchitectureError(`${where}${(error as Error).message}`);
  }
}

/** An architecture; or an object that has one, with its answers beside it. */
function itemToCodes(item: Item, space: SearchSpace, where: string): Uint8Array {
  if (!(item instanceof Map)) return parseArchitecture(textOf(item), space, where);
  const index = item.get("index");
  const inner = item.get("architecture");
  const genes = space.genes.filter(({ name }) => item.has(name));
  let codes: Uint8Array | null = null;
  if (inner !== undefined) codes = parseArchitecture(textOf(inner), space, where);
  else if (genes.length === space.nGenes) codes = Uint8Array.from(genes, (gene) => valueToCode(gene, item.get(gene.name), where));
  if (index === undefined) return codes ?? parseArchitecture(textOf(item), space, where);
  return agreed(codes, parseArchitecture(textOf(index), space, `${where}index: `), space, where);
}

/** Refuse what names two different architectures in one row. */
function agreed(codes: Uint8Array | null, named: Uint8Array, space: SearchSpace, where: string): Uint8Array {
  if (codes && codes.some((code, gene) => code !== named[gene])) {
    const [a, b] = [named, codes].map((row) => codesToIndex(row, space));
    throw new ArchitectureError(`${where}the index is ${a}, but the genes are those of ${b}`);
  }
  return named;
}

function textOf(item: Item): string {
  if (item instanceof OtherNumber) return item.digits;
  if (Array.isArray(item)) return `[${item.map(textOf).join(", ")}]`;
  if (item instanceof Map) return `{${[...item].map(([key, value]) => `${JSON.stringify(key)}: ${textOf(value)}`).join(", ")}}`;
  return typeof item === "string" && /^[0-9]+$/.test(item) ? item : JSON.stringify(item);
}

function fromTable(lines: readonly string[], space: SearchSpace): Imported {
  const delimiter = delimiterOf(lines[0]);
  const header = cellsOf(lines[0], delimiter);
  const twice = header.find((name, k) => header.indexOf(name) !== k);
  if (twice !== undefined) throw new ArchitectureError(`column ${JSON.stringify(twice)} stands twice`);
  const at = header.indexOf("index");
  const places = space.genes.map(({ name }) => header.indexOf(name));
  const missing = space.genes.filter((_, gene) => places[gene] < 0);
  if (at < 0 && missing.length) {
    throw new ArchitectureError(`there is no column "index", and none of ${missing.map(({ name }) => `"${name}"`).slice(0, 3).join(", ")}`);
  }
  const rows = lines.slice(1).map((line, k) => [line, k + 2] as const).filter(([line]) => line.trim());
  const read = rows.map(([line, number]) => () => {
    const where = `line ${number}: `;
    const cells = cellsOf(line, delimiter);
    if (cells.length !== header.length) throw new ArchitectureError(`${where}${cells.length} cells, the header has ${header.length}`);
    const codes = missing.length ? null : Uint8Array.from(space.genes, (gene, g) => cellToCode(gene, cells[places[g]], where));
    if (at < 0) return codes!;
    if (!/^[0-9]{1,40}$/.test(cells[at])) throw new ArchitectureError(`${where}index: ${JSON.stringify(cells[at])} is no index`);
    return agreed(codes, toCodes(BigInt(cells[at]), space, `${where}index: `), space, where);
  });
  const ignored = header.filter((name, k) => k !== at && !places.includes(k) && !ANSWER.test(name));
  return { ...joined(read, space), ignored };
}

/** The code of a table's cell, which holds a value of the gene. */
function cellToCode(gene: Gene, cell: string, where: string): number {
  const isText = typeof gene.choices[0] === "string";
  const number = !isText && /^-?[0-9]+(\.0*)?$/.test(cell) ? Number(cell) : cell;
  return valueToCode(gene, number, where);
}

function delimiterOf(line: string): string {
  return [",", ";", "\t"].find((candidate) => line.includes(candidate)) ?? ",";
}

/** The cells of a line; one in quotation marks may hold the delimiter. */
function cellsOf(line: string, delimiter: string): string[] {
  const cells: string[] = [];
  const pattern = new RegExp(`(?:"((?:[^"]|"")*)"|([^${delimiter}]*))(?:${delimiter}|$)`, "y");
  for (let end = false; !end; ) {
    const found = pattern.exec(line);
    if (!found) return [...cells, line.slice(pattern.lastIndex)];
    cells.push((found[1]?.replaceAll('""', '"') ?? found[2]).trim());
    end = !found[0].endsWith(delimiter) || found[0] === "";
  }
  return cells;
}

function joined(rows: readonly (() => Uint8Array)[], space: SearchSpace): Imported {
  if (!rows.length) throw new ArchitectureError("there is no architecture in it");
  if (rows.length > MOST) throw new ArchitectureError(`${rows.length} architectures are too many at once, at most ${MOST} are taken`);
  const codes = new Uint8Array(rows.length * space.nGenes);
  rows.forEach((read, row) => codes.set(read(), row * space.nGenes));
  return { codes, ignored: [] };
}
