/** Artifacts whose manifest and files agree on things that no artifact should say. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { sha256 } from "../src/anb";
import { BENCHMARK } from "../src/benchmark";

const METADATA = 14; // of an ONNX model (onnx/onnx.proto)

/** Serve the page artifacts with changed cards: in the manifest, and inside the ONNX files. */
export async function serveCards(
  page: Page,
  folder: string,
  names: readonly string[],
  change: (name: string, card: any) => void,
): Promise<void> {
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));
  const targets: Record<string, unknown> = {};
  for (const name of names) {
    const entry = manifest.targets[name];
    change(name, entry);
    const { file, bytes, sha256: _, tables, ...card } = entry;
    const original = new Uint8Array(await readFile(join(folder, file)));
    const model = withCard(original, { ...card, benchmark: manifest.benchmark, search_space: manifest.search_space });
    const called = card.device ? `${card.metric}_${card.device}` : card.metric;
    targets[called] = { ...entry, bytes: model.length, sha256: await sha256(model) };
    await page.route(`**/artifacts/${BENCHMARK}/${file}`, (route) => route.fulfill({ body: Buffer.from(model) }));
  }
  const body = JSON.stringify({ ...manifest, targets, golden: undefined, truth: undefined });
  await page.route(`**/artifacts/${BENCHMARK}/manifest.json`, (route) => route.fulfill({ body }));
}

/** An ONNX file with another card; nothing before the metadata moves. */
export function withCard(file: Uint8Array, card: object): Uint8Array {
  const kept: Uint8Array[] = [];
  for (let at = 0; at < file.length; ) {
    const start = at;
    const tag = file[at++];
    let [length, shift, byte] = [0, 0, 0];
    do {
      byte = file[at++];
      length += (byte & 0x7f) * 2 ** shift;
      shift += 7;
    } while (byte & 0x80);
    if (tag % 8 === 2) at += length;
    if (tag >> 3 !== METADATA) kept.push(file.subarray(start, at));
  }
  const metadata = { "anb_onnx.schema": "2", "anb_onnx.card": JSON.stringify(card) };
  const entries = Object.entries(metadata).map(([key, value]) =>
    field(METADATA, Buffer.concat([field(1, Buffer.from(key)), field(2, Buffer.from(value))])),
  );
  return Buffer.concat([...kept, ...entries]);
}

function field(number: number, content: Uint8Array): Uint8Array {
  const length: number[] = [];
  for (let rest = content.length; ; rest >>= 7) {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    if (rest <= 0x7f) break;
  }
  return Buffer.concat([Uint8Array.of(number * 8 + 2, ...length), content]);
}
