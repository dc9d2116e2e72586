/** Folders of one benchmark, of several, and what they are called. */

import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AnbError, ArtifactError, benchmarks, Catalog, load, loadPure, TargetError } from "../src/index.js";
import { catalog } from "./artifacts.js";

const OWN = "accel-nasbench";
let folder: string;
let text: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "anb-js-"));
  const manifest = JSON.parse(await readFile(join(catalog.folder, "manifest.json"), "utf8"));
  manifest.targets = { macs: manifest.targets.macs };
  delete manifest.golden;
  text = JSON.stringify(manifest);
});
afterAll(() => rm(folder, { recursive: true }));

/** A root with folders of these names, whose manifests say that they are of these benchmarks. */
async function rootOf(names: Record<string, unknown>): Promise<string> {
  const root = await mkdtemp(join(folder, "root-"));
  for (const [name, benchmark] of Object.entries(names)) {
    await mkdir(join(root, name));
    const manifest = { ...JSON.parse(text), benchmark };
    await writeFile(join(root, name, "manifest.json"), JSON.stringify(manifest));
    await cp(join(catalog.folder, "macs.onnx"), join(root, name, "macs.onnx"));
  }
  return root;
}

async function refusal(work: Promise<unknown>): Promise<AnbError> {
  const error = await work.then(() => new Error("it was believed"), (reason) => reason);
  expect(error, String(error?.stack)).toBeInstanceOf(AnbError);
  expect(error.message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  return error;
}

describe("a folder of several benchmarks", () => {
  it("gives each by its name, and all names", async () => {
    const root = await rootOf({ [OWN]: OWN, other: "other", "a.b_c-1": "a.b_c-1" });
    await writeFile(join(root, "README.md"), "no benchmark");
    await cp(join(root, "other"), join(root, "Old other"), { recursive: true }); // no name of a benchmark
    await mkdir(join(root, "empty"));
    await symlink(join(root, "other"), join(root, "linked")); // a folder of another name
    expect((await refusal(benchmarks(root))).message).toContain('key "benchmark" is "other", but its folder is called "linked"');
    await rm(join(root, "linked"));
    for (const place of [root, `${root}/`, pathToFileURL(root), pathToFileURL(root).href]) {
      expect(await benchmarks(place)).toEqual(["a.b_c-1", OWN, "other"]);
      const opened = await Catalog.open(place, { benchmark: OWN });
      expect(opened.benchmark).toBe(OWN);
      expect(opened.folder).toMatch(/\/accel-nasbench\/$/);
      expect((await loadPure("macs", { artifacts: place, benchmark: OWN })).nMembers).toBe(1);
    }
  });

  it("is asked which one is meant, unless there is one only, or accel-nasbench", async () => {
    const one = await rootOf({ [OWN]: OWN });
    expect((await load("macs", { artifacts: one })).nMembers).toBe(1);
    expect((await Catalog.open(await rootOf({ only: "only" }))).benchmark).toBe("only");
    expect((await Catalog.open(await rootOf({ [OWN]: OWN, "a.b": "a.b" }))).benchmark).toBe(OWN);
    const several = await rootOf({ another: "another", other: "other" });
    const asked = await refusal(load("macs", { artifacts: several }));
    expect(asked).toBeInstanceOf(TargetError);
    expect(asked.message).toContain(`holds several benchmarks, say which by { benchmark: NAME }; valid benchmarks: another, other`);
  });

  it.each(["", "Other", "none", "../other", "other/", "__proto__", ".hidden", "a".repeat(65), "a\x1b[31m", 5, null])(
    "answers a wrong name with the valid ones: %j",
    async (name) => {
      const root = await rootOf({ [OWN]: OWN, other: "other" });
      const error = await refusal(Catalog.open(root, { benchmark: name as string }));
      expect(error).toBeInstanceOf(TargetError);
      expect(error.message).toMatch(/^unknown benchmark .*; valid benchmarks: accel-nasbench, other$/);
    },
  );

  it.each<[string, unknown]>([
    ["another name than its folder", "first"],
    ["no name", undefined],
    ["a number for a name", 5],
    ["a name that is none", "Other!"],
    ["an empty name", ""],
    ["a long name", "a".repeat(65)],
  ])("is refused with %s", async (_, benchmark) => {
    const root = await rootOf({ first: "first", other: benchmark });
    expect((await Catalog.open(root, { benchmark: "first" })).benchmark).toBe("first");
    for (const work of [() => Catalog.open(root, { benchmark: "other" }), () => benchmarks(root)]) {
      const error = await refusal(work());
      expect(error).toBeInstanceOf(ArtifactError);
      expect(error.message).toMatch(/other\/manifest\.json: key "benchmark" (is "first", but its folder|must be a name, not)/);
    }
  });

  it("that holds none says what is missing", async () => {
    const error = await refusal(Catalog.open(await rootOf({})));
    expect(error.message).toMatch(/manifest\.json cannot be read \(ENOENT.*pass a folder that holds manifest\.json, or one/);
  });
});

describe("the folder of a benchmark", () => {
  it("may have any name, and is not taken for another benchmark", async () => {
    const root = await rootOf({ [OWN]: OWN });
    await cp(join(root, OWN), join(root, "renamed"), { recursive: true });
    const renamed = join(root, "renamed");
    expect(await benchmarks(renamed)).toEqual([OWN]);
    expect((await Catalog.open(renamed)).benchmark).toBe(OWN);
    expect((await loadPure("macs", { artifacts: renamed, benchmark: OWN })).nMembers).toBe(1);
    const error = await refusal(Catalog.open(renamed, { benchmark: "other" }));
    expect(error.message).toBe(`unknown benchmark "other"; valid benchmarks: ${OWN}`);
    const opened = await Catalog.open(renamed);
    const wrong = await refusal(load("macs", { artifacts: opened, benchmark: "other" }));
    expect(wrong.message).toBe(`the catalog is of the benchmark ${OWN}, not "other"`);
  });

  it("must be that of which its files say they are", async () => {
    const root = await rootOf({ other: "other" });
    for (const engine of ["pure", "ort-node"] as const) {
      const error = await refusal(load("macs", { artifacts: root, engine }));
      expect(error.message).toContain(`key "benchmark" is "other", but "${OWN}" in the card inside`);
    }
  });
});

describe("over http, which has no listings", () => {
  it("the name goes into the address", async () => {
    const root = await rootOf({ [OWN]: OWN, wrong: "other" });
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url!);
      readFile(join(root, request.url!)).then((content) => response.end(content), () => response.writeHead(404).end());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    expect((await load("macs", { artifacts: url, benchmark: OWN })).nMembers).toBe(1);
    expect(asked).toEqual([`/${OWN}/manifest.json`, `/${OWN}/macs.onnx`]);
    expect((await load("macs", { artifacts: `${url}/${OWN}` })).nMembers).toBe(1);
    expect((await refusal(load("macs", { artifacts: url }))).message).toContain(
      "/manifest.json cannot be fetched (404); a folder of several benchmarks takes { benchmark: NAME }",
    );
    expect((await refusal(Catalog.open(url, { benchmark: "none" }))).message).toContain("/none/manifest.json cannot be fetched (404)");
    expect((await refusal(Catalog.open(url, { benchmark: "wrong" }))).message).toContain(
      'key "benchmark" is "other", but its folder is called "wrong"',
    );
    const count = asked.length;
    expect((await refusal(Catalog.open(url, { benchmark: "../wrong" }))).message).toContain('unknown benchmark "../wrong"');
    expect(asked.length).toBe(count); // nothing was asked for
    expect((await refusal(benchmarks(url))).message).toContain("cannot be listed; open a benchmark of it by name");
    server.close();
  });
});
