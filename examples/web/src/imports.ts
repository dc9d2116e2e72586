/** Files of architectures: those that the page and the command line write, and those of people. */

import { type Item, OtherNumber, readNotation } from "../../js/src/notation";
import { valueToCode } from "../../js/src/values";
import { ArchitectureError, codesToIndex, type Gene, parseArchitecture, type SearchSpace, toCodes } from "./anb";

/** Most architectures of one file. */
const MOST = 100_000;
/** Names of columns that hold answers: they may stand beside an index or genes. */
const ANSWER = /_(?:mean|std|predictive_std|lower|upper|member_[0-9]+)$/;
/** Columns of `anb-onnx rank`, all of which stand beside an index. */
const RANK = ["target", "mean", "unit", "rank", "better", "equal", "total"];
/** What the command line writes beside an architecture in an object. */
const BESIDE = ["index", "architecture", "predictions", "values"];
/** Under which it writes all architectures of a document, as `anb-onnx optimum` and `pareto` do. */
const LISTS = ["solutions", "front"];

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
  const delimiter = delimiterOf(lines[0]);
  const names = lines[0].split(delimiter).map((name) => name.trim().replace(/^"(.*)"$/, "$1"));
  if (names.includes("index") || names.some((name) => space.positions.has(name))) return fromTable(rowsOf(whole, delimiter), space);
  const items = /^[[({]/.test(whole) ? itemsOf(whole, space) : null;
  if (items) return joined(items.map((item, k) => () => itemToCodes(item, space, `item ${k + 1}: `)), space);
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
  if (value instanceof Map) {
    const lists = LISTS.map((key) => value.get(key)).filter((list) => Array.isArray(list));
    return lists.length === 1 ? lists[0] : [value];
  }
  return Array.isArray(value) && !isOne(value, space) ? value : [value];
}

/** Whether a list is one architecture, and not a list of some. */
function isOne(list: Item[], space: SearchSpace): boolean {
  if (list.length === 4 && list.every((item) => Array.isArray(item) && item.length === space.nBlocks)) return true;
  if (list.length !== space.nGenes || list.some((item) => Array.isArray(item) || item instanceof Map)) return false;
  const numbers = list.filter((item) => typeof item === "number" || item instanceof OtherNumber);
  if (numbers.length < list.length) return list.some((item) => typeof item === "boolean") || isArchitecture(list, space);
  if (list.every((code, g) => typeof code === "number" && code >= 0 && code < space.genes[g].choices.length)) {
    const n = list.length;
    throw new ArchitectureError(`a list of ${n} small numbers is one architecture's codes or ${n} indices; put codes into one more pair of brackets, and indices one to a line`);
  }
  return false;
}

function isArchitecture(item: Item[], space: SearchSpace): boolean {
  try {
    return parseArchitecture(textOf(item), space).length > 0;
  } catch {
    return false;
  }
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
  if (!codes) refuseNumbers([...item.keys()].filter((key) => !BESIDE.includes(key) && !(item.get(key) instanceof Map)), where);
  return agreed(codes, parseArchitecture(textOf(index), space, `${where}index: `), space, where);
}

/** Refuse an index that stands alone beside something strange: of a table of anybody it numbers the rows. */
function refuseNumbers(beside: readonly string[], where = ""): void {
  const strange = beside.find((name) => !ANSWER.test(name));
  if (strange === undefined || isRank(beside)) return;
  throw new ArchitectureError(`${where}"index" may be row numbers, as ${JSON.stringify(strange)} stands beside it; leave that out if these are indices of architectures`);
}

function isRank(beside: readonly string[]): boolean {
  return beside.length === RANK.length && RANK.every((name) => beside.includes(name));
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

function fromTable([{ cells: header }, ...rows]: readonly Row[], space: SearchSpace): Imported {
  const twice = header.find((name, k) => header.indexOf(name) !== k);
  if (twice !== undefined) throw new ArchitectureError(`column ${JSON.stringify(twice)} stands twice`);
  const at = header.indexOf("index");
  const places = space.genes.map(({ name }) => header.indexOf(name));
  const missing = space.genes.filter((_, gene) => places[gene] < 0);
  if (missing.length && (at < 0 || missing.length < space.nGenes)) {
    const needed = missing.map(({ name }) => `"${name}"`).slice(0, 3).join(", ");
    throw new ArchitectureError(at < 0 ? `there is no column "index", and none of ${needed}` : `there is no column ${needed}`);
  }
  const beside = header.filter((_, k) => k !== at && !places.includes(k));
  if (missing.length) refuseNumbers(beside);
  const read = rows.map(({ cells, line }) => () => {
    const where = `line ${line}: `;
    if (cells.length !== header.length) throw new ArchitectureError(`${where}${cells.length} cells, the header has ${header.length}`);
    const codes = missing.length ? null : Uint8Array.from(space.genes, (gene, g) => cellToCode(gene, cells[places[g]], where));
    if (at < 0) return codes!;
    if (!/^[0-9]{1,40}$/.test(cells[at])) throw new ArchitectureError(`${where}index: ${JSON.stringify(cells[at])} is no index`);
    return agreed(codes, toCodes(BigInt(cells[at]), space, `${where}index: `), space, where);
  });
  const ignored = missing.length ? [] : beside.filter((name) => !ANSWER.test(name));
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

interface Row {
  readonly cells: readonly string[];
  /** Its last one, counted from 1. */
  readonly line: number;
}

/** The rows of a table that are not blank; a cell in quotation marks may hold delimiters and ends of lines. */
function rowsOf(text: string, delimiter: string): Row[] {
  const rows: Row[] = [];
  const pattern = new RegExp(`(?:"((?:[^"]|"")*)"|((?!")[^${delimiter}\\r\\n]*))(${delimiter}|\\r\\n|\\r|\\n|$)`, "y");
  let cells: string[] = [];
  for (let line = 1; pattern.lastIndex < text.length || cells.length; ) {
    const start = pattern.lastIndex;
    const found = pattern.exec(text);
    if (!found) throw new ArchitectureError(`line ${line}: cell ${cells.length + 1} does not end where its quotation marks do (${JSON.stringify(text.slice(start, start + 20))})`);
    cells.push((found[1]?.replaceAll('""', '"') ?? found[2]).trim());
    line += found[1]?.match(/\r\n|\r|\n/g)?.length ?? 0;
    if (found[3] === delimiter) continue;
    if (cells.length > 1 || cells[0]) rows.push({ cells, line });
    cells = [];
    line += 1;
  }
  return rows;
}

function joined(rows: readonly (() => Uint8Array)[], space: SearchSpace): Imported {
  if (!rows.length) throw new ArchitectureError("there is no architecture in it");
  if (rows.length > MOST) throw new ArchitectureError(`${rows.length} architectures are too many at once, at most ${MOST} are taken`);
  const codes = new Uint8Array(rows.length * space.nGenes);
  rows.forEach((read, row) => codes.set(read(), row * space.nGenes));
  return { codes, ignored: [] };
}
