/** A device of one's own, dropped on the built page as a person would. */

import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { folderOf, givenFolder } from "../build/artifacts";
import { Catalog, loadPure, sha256 } from "../src/anb";
import { BENCHMARK } from "../src/benchmark";
import { dropped, readFiles } from "../src/given";
import { browse, ready, RESULTS, serve, type Site, type Watched } from "./browser";
import { withCard } from "./hostile";

const ARTIFACTS = folderOf(givenFolder(), BENCHMARK);
/** A folder that `anb-onnx adapt` wrote, if the caller has one. */
const ADAPTED = process.env.ANB_ADAPTED;
const NAME = "latency_my-phone";

type Files = Map<string, Uint8Array>;

const read = async (folder: string, name: string) => new Uint8Array(await readFile(join(folder, name)));

/** The tables of a bundled device under another name: alone, and with a manifest. */
async function ownDevice(change: (card: any) => void = () => undefined): Promise<{ alone: Files; whole: Files }> {
  const { search_space, ...manifest } = JSON.parse(await readFile(join(ARTIFACTS, "manifest.json"), "utf8"));
  const { file: _, bytes, sha256: __, tables, verification, ...card } = manifest.targets.latency_zcu102;
  const named = { ...card, device: "my-phone" };
  change(named);
  const inside = { ...named, benchmark: "my-phone", search_space };
  const model = withCard(await read(ARTIFACTS, "latency_zcu102.onnx"), inside);
  const name = `${named.metric}_${named.device}`;
  const file = `${NAME}.onnx`;
  const entry = { ...named, file, bytes: model.length, sha256: await sha256(model), tables };
  const document = { schema: 2, benchmark: "my-phone", search_space, targets: { [name]: entry } };
  const text = new TextEncoder().encode(JSON.stringify(document));
  return { alone: new Map([[file, model]]), whole: new Map([["manifest.json", text], [file, model]]) };
}

async function choose(page: Page, files: Files): Promise<void> {
  const chosen = [...files].map(([name, content]) => ({ name, mimeType: "", buffer: Buffer.from(content) }));
  await page.setInputFiles("#files", chosen);
}

/** Drop files on the page: `dragover` first, as a browser does. */
async function drop(page: Page, files: Files): Promise<void> {
  const content = [...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")]);
  await page.evaluate((files) => {
    const transfer = new DataTransfer();
    for (const [name, text] of files) {
      transfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name));
    }
    for (const type of ["dragover", "drop"]) {
      const event = new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer });
      document.getElementById("plot")!.dispatchEvent(event);
      if (!event.defaultPrevented) throw new Error(`the browser would open the file: ${type}`);
      const marked = document.documentElement.classList.contains("dropping");
      if (marked !== (type === "dragover")) throw new Error(`${type}: marked is ${marked}`);
    }
  }, content);
}

const text = (page: Page, selector: string) => page.locator(selector).innerText();
const chosenX = (page: Page) => page.locator("#x-target").inputValue();

/** Wait until the sample is predicted anew, the device's own target with it. */
async function added(page: Page, name: string): Promise<void> {
  await expect.poll(() => chosenX(page)).toBe(name);
  await expect.poll(() => text(page, `[data-target="${name}"] .better`), { timeout: 60_000 }).toMatch(/\d/);
  await expect.poll(() => page.locator("#improve").isEnabled(), { timeout: 60_000 }).toBe(true);
}

/** The front that the page saves as CSV: columns by their names. */
async function savedFront(page: Page): Promise<(name: string) => string[]> {
  const [saved] = await Promise.all([page.waitForEvent("download"), page.click("#csv-front")]);
  const [header, ...lines] = (await readFile(await saved.path(), "utf8")).trim().split("\n").map((line) => line.split(","));
  return (name) => lines.map((line) => line[header.indexOf(name === "index" ? name : `${name}_mean`)]);
}

let site: Site;
beforeAll(async () => {
  site = await serve();
});
afterAll(() => site.close());

async function opened(): Promise<Watched> {
  const watched = await browse(site.url);
  await ready(watched.page);
  return watched;
}

describe("a device of one's own", () => {
  it.each([
    ["chosen, the ONNX file alone", choose, "alone"],
    ["dropped, with its manifest", drop, "whole"],
  ] as const)("is a target like any other: %s", async (_, give, which) => {
    const watched = await opened();
    const { page } = watched;
    await give(page, (await ownDevice())[which]);
    await added(page, NAME);
    expect(await page.locator(".row").count()).toBe(13);
    expect(await text(page, "#figure-targets")).toBe("13");
    expect(await page.locator("#rows h3").first().innerText()).toMatch(/your device/i);
    expect(await text(page, `[data-target="${NAME}"] .name`)).toMatch(/^my-phone ?ms$/);
    expect(await page.locator(`.row[data-target="${NAME}"]`).getAttribute("title")).toContain("my-phone latency");
    // The same tables give the same prediction, interval and place as where they came from.
    for (const part of [".value", ".half"]) {
      expect(await text(page, `[data-target="${NAME}"] ${part}`)).toBe(await text(page, `[data-target=latency_zcu102] ${part}`));
    }
    const column = await savedFront(page);
    expect(column(NAME).length).toBeGreaterThan(3);
    expect(column(NAME)).toEqual(column("latency_zcu102"));
    await page.screenshot({ path: join(RESULTS, `own-${which}.png`), fullPage: true });
    // It is searched, filtered and linked to as well.
    await page.click("#improve");
    await expect.poll(() => text(page, "#counts"), { timeout: 60_000 }).toContain("more searched in");
    await page.locator(`.filter[data-target="${NAME}"] input`).last().fill("4");
    await expect.poll(() => text(page, "#counts")).toMatch(/ of 200,000/);
    expect(page.url()).toContain(`x=${NAME}`);
    expect(watched.problems).toEqual([]);
    await watched.close();
  });

  it("is replaced by a newer one, and stays while the sample changes", async () => {
    const watched = await opened();
    const { page } = watched;
    await choose(page, (await ownDevice()).alone);
    await added(page, NAME);
    await choose(page, (await ownDevice((card) => (card.unit = "s"))).alone);
    await expect.poll(() => text(page, `[data-target="${NAME}"] .name`)).toMatch(/ ?s$/);
    await added(page, NAME);
    expect(await page.locator(".row").count()).toBe(13);
    await page.selectOption("#sample-size", "100000");
    await expect.poll(() => text(page, "#counts"), { timeout: 60_000 }).toMatch(/^100,000 random/);
    await page.click("[data-target=params]");
    await expect.poll(() => chosenX(page)).toBe("params");
    expect(watched.problems).toEqual([]);
    await watched.close();
  });

  it.runIf(ADAPTED)("as anb-onnx adapt wrote it: every bit is Python's", async () => {
    const folder = ADAPTED!;
    const names = (await readdir(folder)).filter((name) => name !== "golden.bin");
    const watched = await opened();
    const { page } = watched;
    await drop(page, new Map(await Promise.all(names.map(async (name) => [name, await read(folder, name)] as const))));
    const model = basename(names.find((name) => name.endsWith(".onnx"))!, ".onnx");
    await added(page, model);
    expect(await text(page, `[data-target="${model}"] .half`)).toMatch(/^± [\d.]+$/);
    // Python wrote the golden vectors; the package of this page's engine gives them, and the page its bits.
    const catalog = await Catalog.open(folder);
    const golden = (await catalog.readGolden())!;
    const surrogate = await loadPure(model, { artifacts: catalog });
    const { mean, std } = await surrogate.query(golden.codes);
    expect(new Uint8Array(mean.buffer)).toEqual(golden.bytes(model, "mean"));
    expect(new Uint8Array(std.buffer)).toEqual(golden.bytes(model, "std"));
    const column = await savedFront(page);
    const found = await surrogate.query(column("index").map(BigInt));
    expect(column(model).map((value) => Math.fround(Number(value)))).toEqual([...found.mean]);
    await page.screenshot({ path: join(RESULTS, "own-adapted.png"), fullPage: true });
    expect(watched.problems).toEqual([]);
    await watched.close();
  });
});

describe("files that are refused", () => {
  let watched: Watched;
  beforeAll(async () => {
    watched = await opened();
  });
  afterAll(() => watched.close());

  const html = '<img src=x onerror="document.title=1">';
  it.each<[string, () => Promise<Files>, RegExp]>([
    ["something else", async () => new Map([["notes.md", Uint8Array.of(1)]]), /there is no \.onnx file in it \(notes\.md\); .* \.csv, \.json/],
    ["text that holds none", async () => new Map([["notes.txt", Buffer.from("2169626640\nhello")]]), /notes\.txt: line 2: "hello" is no architecture/],
    ["no text", async () => new Map([["a.csv", Uint8Array.of(0xff, 0xfe, 0)]]), /a\.csv is no UTF-8 text/],
    ["Parquet", async () => new Map([["a.parquet", Uint8Array.of(1)]]), /a\.parquet is not read here; the command line does/],
    ["a manifest alone", async () => new Map([["manifest.json", (await ownDevice()).whole.get("manifest.json")!]]), /there is no \.onnx file in it/],
    ["no ONNX file", async () => new Map([["x.onnx", Uint8Array.of(1, 2, 3)]]), /x\.onnx: it is no ONNX file/],
    ["half a file", async () => new Map([["x.onnx", (await ownDevice()).alone.get(`${NAME}.onnx`)!.subarray(0, 90_000)]]), /x\.onnx/],
    ["a damaged one", async () => {
      const { whole } = await ownDevice();
      whole.get(`${NAME}.onnx`)![500_000] ^= 1;
      return whole;
    }, /latency_my-phone\.onnx is damaged: expected sha256/],
    ["one that the manifest does not list", async () => {
      const { whole } = await ownDevice();
      return whole.set("other.onnx", whole.get(`${NAME}.onnx`)!);
    }, /other\.onnx is not listed in the manifest\.json/],
    ["a name that the page has", async () => (await ownDevice((card) => (card.device = "zcu102"))).alone, /has a target latency_zcu102 already/],
    ["another form", async () => (await ownDevice((card) => delete card.terms)).alone, /has no tables/],
    ["another space", async () => {
      const folder = "../../tests/conformance/nasbench201-pairs";
      const place = process.env.ANB_CONFORMANCE ? join(process.env.ANB_CONFORMANCE, "nasbench201-pairs") : folder;
      const name = (await readdir(place)).find((file) => file.endsWith(".onnx"))!;
      return new Map([[name, await read(place, name)]]);
    }, /of the search space nasbench201, the page of mnasnet/],
    ["HTML", async () => new Map([[`${html}.onnx`, Uint8Array.of(1, 2, 3)]]), /<img src=x onerror=/],
  ])("%s", async (_, files, message) => {
    const { page } = watched;
    await choose(page, await files());
    await expect.poll(() => text(page, "#refused")).toMatch(message);
    expect(await text(page, "#refused")).toMatch(/^This cannot be added: /);
    expect(await page.locator(".row").count()).toBe(12);
    expect(await page.locator("img").count()).toBe(0);
    expect(watched.problems).toEqual([]);
  });

  it("are forgotten once one is taken", async () => {
    const { page } = watched;
    await choose(page, (await ownDevice()).alone);
    await added(page, NAME);
    expect(await page.locator("#refused").isHidden()).toBe(true);
  });
});

describe("what is read of a drop", () => {
  const file = (name: string, size = 3) => ({ name, size, arrayBuffer: async () => new ArrayBuffer(3) });

  it("is the manifest and the ONNX files, up to a size and a number", async () => {
    const found = await readFiles([file("manifest.json"), file("a.onnx"), file("golden.bin"), file("README.md")]);
    expect(found.map(([name]) => name)).toEqual(["manifest.json", "a.onnx"]);
    await expect(readFiles([file("a.onnx", 2 ** 27)])).rejects.toThrow("a.onnx has 134217728 bytes, at most 67108864");
    await expect(readFiles(Array.from({ length: 65 }, (_, k) => file(`${k}.onnx`)))).rejects.toThrow("65 files are too many");
    await expect(readFiles([])).rejects.toThrow("no .onnx file in it (nothing)");
  });

  it("is, of a folder, what lies directly in it", async () => {
    const entry = (name: string) => ({ isFile: true, isDirectory: false, file: (give: (file: unknown) => void) => give({ name }) });
    const parts = [[entry("manifest.json"), { isFile: false, isDirectory: true }], [entry("a.onnx")], []];
    const folder = { isDirectory: true, createReader: () => ({ readEntries: (give: (part: unknown) => void) => give(parts.shift()) }) };
    const items = [
      { webkitGetAsEntry: () => folder, getAsFile: () => null },
      { webkitGetAsEntry: () => null, getAsFile: () => ({ name: "b.onnx" }) },
    ];
    const found = await dropped({ items } as unknown as Pick<DataTransfer, "items">);
    expect(found.map(({ name }) => name)).toEqual(["manifest.json", "a.onnx", "b.onnx"]);
  });
});
