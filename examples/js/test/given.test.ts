/** Artifacts that are in memory: with their manifest, and ONNX files alone. */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ArtifactError, Catalog, loadPure } from "../src/index.js";
import { bytes, catalog, CONFORMANCE } from "./artifacts.js";

async function filesOf(folder: string): Promise<Map<string, Uint8Array>> {
  const names = await readdir(folder);
  return new Map(await Promise.all(names.map(async (name) => [name, new Uint8Array(await readFile(join(folder, name)))] as const)));
}

async function refusal(files: ReadonlyMap<string, Uint8Array>, target: string): Promise<string> {
  const read = async () => loadPure(target, { artifacts: await Catalog.fromFiles(files) });
  const error = await read().then(() => new Error("it was believed"), (reason) => reason);
  expect(error, String(error?.stack)).toBeInstanceOf(ArtifactError);
  return error.message;
}

const folders = (await readdir(CONFORMANCE, { withFileTypes: true })).filter((e) => e.isDirectory() && !e.name.startsWith("_"));

describe.each(folders.map(({ name }) => name))("the files of %s", (name) => {
  it("give every golden bit, with their manifest and alone", async () => {
    const files = await filesOf(join(CONFORMANCE, name));
    const listed = await Catalog.fromFiles(files);
    const golden = (await listed.readGolden())!;
    const alone = await Catalog.fromFiles(new Map([...files].filter(([file]) => file.endsWith(".onnx"))));
    expect(alone.benchmark).toBe(listed.benchmark);
    expect(alone.targets.map((t) => t.name).sort()).toEqual(listed.targets.map((t) => t.name).sort());
    expect(await alone.readGolden()).toBeNull();
    for (const artifacts of [listed, alone]) {
      for (const target of artifacts.targets) {
        if (!artifacts.cards[target.name].tables) continue;
        const surrogate = await loadPure(target.name, { artifacts });
        const found = await surrogate.query(golden.codes, { members: true });
        for (const part of ["mean", "std", "members"] as const) {
          expect(bytes(found[part]!)).toEqual(golden.bytes(target.name, part));
        }
      }
    }
  });
});

describe("files in memory that are not believed", () => {
  const read = async (name: string) => new Uint8Array(await readFile(join(catalog.folder, name)));

  it("damaged ones, beside a manifest and alone", async () => {
    const model = await read("params.onnx");
    const other = model.slice();
    other[other.length >> 1] ^= 1;
    const manifest = await read("manifest.json");
    expect(await refusal(new Map([["manifest.json", manifest], ["params.onnx", other]]), "params")).toContain("params.onnx is damaged: expected sha256");
    expect(await refusal(new Map([["params.onnx", model.subarray(0, 5000)]]), "params")).toContain("params.onnx");
    expect(await refusal(new Map([["params.onnx", Uint8Array.of(1, 2, 3)]]), "params")).toContain("it is no ONNX file");
    expect(await refusal(new Map([["params.onnx", new Uint8Array()]]), "params")).toContain("is not an anb_onnx artifact");
  });

  it("those that are missing, or too many for one benchmark", async () => {
    const model = await read("params.onnx");
    const manifest = await read("manifest.json");
    expect(await refusal(new Map([["manifest.json", manifest]]), "params")).toBe('"params.onnx" is not among the files: "manifest.json"');
    expect(await refusal(new Map([["notes.txt", model]]), "params")).toContain("no ONNX file among");
    expect(await refusal(new Map([["a.onnx", model], ["b.onnx", model]]), "params")).toBe('b.onnx: another file is of "params", too');
    const [folder] = folders;
    const small = await filesOf(join(CONFORMANCE, folder.name));
    const [name, content] = [...small].find(([file]) => file.endsWith(".onnx"))!;
    expect(await refusal(new Map([["params.onnx", model], [name, content]]), "params")).toContain("the files are of several benchmarks");
  });

  it("one that is larger than what is taken", async () => {
    const files = new Map([["params.onnx", await read("params.onnx")]]);
    await expect(Catalog.fromFiles(files, { maxArtifactBytes: 1000 })).rejects.toThrow("at most 1000 are allowed");
  });
});
