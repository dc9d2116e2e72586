/**
 * A manifest is a text that anybody may edit; the ONNX file, whose hash is checked, holds the same
 * card, and says once more in operators where the tables lie and what follows their sum. The pure
 * engine believes the one, onnxruntime runs the other: what differs is refused before either is.
 */

import type { Card } from "./catalog.js";
import { ArtifactError, show } from "./errors.js";
import { readGraph, readVectorGraph, type TableGraph } from "./graph.js";
import { isObject, parseObject } from "./json.js";
import { readMetadata } from "./onnx.js";
import { checkSchema } from "./schema.js";
import { type SpaceDocument, SearchSpace } from "./space.js";
import { Terms } from "./terms.js";
import { readVectorCard, VECTOR, VECTOR_KEYS } from "./vectorCard.js";

// Keys of a manifest's entry that are not in the card inside the file: they are about the file, or
// were found out once it was written.
const OUTSIDE = ["file", "sha256", "bytes", "tables", "verification"];

// Keys of the card inside the file that stand in the manifest beside its targets.
const COMMON = ["benchmark", "search_space"];

// Keys that say what a prediction is: where the card in the file has none of them, the manifest
// must not have it either. Other keys may be new ones.
const MEANING = [
  ...["form", "metric", "device", "unit", "direction", "members", "exact", "terms"],
  ...["link", "calibration", "requires", ...VECTOR_KEYS],
];

/** A manifest's entry, what the manifest says of all, and the file that the entry lists. */
export interface Stated {
  readonly card: Card;
  readonly benchmark: string;
  readonly space: SearchSpace;
  readonly file: Uint8Array;
  /** Names of the entry and of the file, for errors. */
  readonly source: string;
  readonly name: string;
}

/** Refuse a manifest's entry that says something else than the file. */
export function checkAgreement(stated: Stated): void {
  const { card, file, name } = stated;
  const inside = cardInside(file, name);
  const where = `in the card inside ${name}`;
  compare(stated.benchmark, inside.benchmark, "benchmark", stated, where);
  compareSpaces(stated, inside.search_space, where);
  const keys = new Set([...Object.keys(inside), ...MEANING.filter((key) => Object.hasOwn(card, key))]);
  for (const key of keys) {
    const here = !OUTSIDE.includes(key) && !COMMON.includes(key);
    if (here) compare(own(card, key), own(inside, key), key, stated, where);
  }
  const hasTables = card.tables !== undefined && card.tables !== null;
  if (hasTables !== Object.hasOwn(card, "terms")) {
    const [lacking, given] = hasTables ? ["terms", "tables"] : ["tables", "terms"];
    throw new ArtifactError(`${stated.source}: key "${lacking}" is absent, but "${given}" is there`);
  }
  const isVector = card.form === VECTOR;
  const needed = isVector ? (hasTables ? undefined : "tables") : VECTOR_KEYS.find((key) => Object.hasOwn(card, key));
  if (needed !== undefined) {
    throw new ArtifactError(`${stated.source}: an artifact of the form ${show(card.form)} ${isVector ? "needs" : "has no"} ${needed}`);
  }
  if (isVector) compareVector(stated);
  else if (hasTables) compareTables(stated);
}

/** The card inside an ONNX file, once its schema is one that can be read. */
export function cardInside(file: Uint8Array, name: string): Record<string, unknown> {
  const metadata = readMetadata(file, name);
  const [text, schema] = ["card", "schema"].map((key) => metadata.get(`anb_onnx.${key}`));
  if (text === undefined || schema === undefined) {
    const facts = 'its metadata lacks "anb_onnx.card" or "anb_onnx.schema"';
    throw new ArtifactError(`${name} is not an anb_onnx artifact: ${facts}`);
  }
  checkSchema(/^[1-9]\d{0,8}$/.test(schema) ? Number(schema) : schema, name);
  return parseObject(text, `${name}: metadata "anb_onnx.card"`);
}

function compareSpaces(stated: Stated, found: unknown, where: string): void {
  let inside: SearchSpace;
  try {
    inside = SearchSpace.fromDocument(found);
  } catch (error) {
    throw new ArtifactError(`${stated.name}: key "search_space": ${(error as Error).message}`);
  }
  compare(plain(stated.space), plain(inside), "search_space", stated, where);
}

/** What makes a space: its size follows from the blocks. */
function plain({ name, blocks }: SearchSpace): SpaceDocument {
  return { name, blocks } as SpaceDocument;
}

/** Compare what the manifest says of tables and link with what the graph computes. */
function compareTables(stated: Stated): void {
  const { card, space, file, name } = stated;
  const terms = Terms.fromDocument(card.terms, space, stated.source);
  const graph = readGraph(file, space, terms, name);
  const tables = card.tables as Record<string, unknown>;
  const where = `in the graph that ${name} holds`;
  for (const key of ["offset", "entries", "members", "scale", "shift"] as const) {
    compare(own(tables, key), graph[key], `tables.${key}`, stated, where);
  }
  compare(own(tables, "entries"), terms.nEntries, "tables.entries", stated, "in the tables of its terms");
  compareLinks(card.link, graph, "link", stated, where);
}

function compareLinks(
  document: unknown,
  graph: Pick<TableGraph, "inverse" | "reflect" | "hinges" | "regime">,
  key: string,
  stated: Stated,
  where: string,
): void {
  const link = isObject(document) ? document : {};
  for (const [name, value, found] of [
    ["inverse", link.inverse, graph.inverse],
    ["offset", link.offset, graph.reflect],
    ["hinges", link.hinges ?? [], graph.hinges],
    ["regime", link.regime ?? null, graph.regime],
  ] as const) {
    compare(value, found, `${key}.${name}`, stated, where);
  }
}

/** The same of an artifact of several outputs; that the graph makes the curve of them is checked with it. */
function compareVector(stated: Stated): void {
  const { card, space, file, name } = stated;
  const vector = readVectorCard(card, space, stated.source);
  const terms = Terms.fromDocument(card.terms, space, stated.source);
  const graph = readVectorGraph(file, space, terms, vector, name);
  const where = `in the graph that ${name} holds`;
  const { offset, entries, members, outputs } = graph;
  const [scale, shift] = [outputs.map((output) => output.scale), outputs.map((output) => output.shift)];
  compare(card.tables, { offset, entries, members, outputs: outputs.length, scale, shift }, "tables", stated, where);
  compare(entries, terms.nEntries, "tables.entries", stated, "in the tables of its terms");
  vector.outputs.forEach(({ document }, k) => {
    compareLinks(document.link, outputs[k], `outputs[${k}].link`, stated, where);
  });
}

function own(object: object, key: string): unknown {
  return Object.hasOwn(object, key) ? (object as Record<string, unknown>)[key] : undefined;
}

/** Refuse the first difference between values of JSON; undefined is an absent one. */
function compare(stated: unknown, found: unknown, key: string, of: Stated, where: string): void {
  if (isObject(stated) && isObject(found)) {
    for (const name of new Set([...Object.keys(stated), ...Object.keys(found)])) {
      compare(own(stated, name), own(found, name), `${key}.${name}`, of, where);
    }
  } else if (Array.isArray(stated) && Array.isArray(found) && stated.length === found.length) {
    stated.forEach((value, i) => compare(value, found[i], `${key}[${i}]`, of, where));
  } else if (stated !== found) {
    const [here, there] = [stated, found].map((v) => (v === undefined ? "absent" : show(v)));
    throw new ArtifactError(`${of.source}: key ${show(key)} is ${here}, but ${there} ${where}`);
  }
}
