/** The built page, driven as a person would. */

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Catalog, codesToIndex, codesToValues, EFFICIENTNET_B0, loadPure, MNASNET, toCodes, type Truth } from "../src/anb";
import { folderOf, givenFolder } from "../build/artifacts";
import { BENCHMARK } from "../src/benchmark";
import { browse, ready, RESULTS, serve, type Site, type Watched } from "./browser";
import { serveCards } from "./hostile";

const B0 = "2169626640";
const ARTIFACTS = folderOf(givenFolder(), BENCHMARK);

let site: Site;
beforeAll(async () => {
  site = await serve();
  await mkdir(RESULTS, { recursive: true });
});
afterAll(() => site.close());

const shot = (page: Page, name: string) =>
  page.screenshot({ path: join(RESULTS, `${name}.png`), fullPage: true });
const text = (page: Page, selector: string) => page.locator(selector).innerText();
const value = (page: Page, target: string) => text(page, `[data-target=${target}] .value`);
const index = (page: Page) => page.locator("#architecture").inputValue();
const option = (page: Page, gene: string, choice: string) =>
  page.locator(`input[name=${gene}][value="${choice}"]`);
const counts = (page: Page) => text(page, "#counts");
const front = async (page: Page) => Number(/([\d,]+) on the Pareto/.exec(await counts(page))![1].replaceAll(",", ""));

describe("the page", () => {
  let watched: Watched;
  let page: Page;
  beforeAll(async () => {
    watched = await browse(site.url);
    page = watched.page;
    await ready(page);
  });
  beforeEach(async () => {
    await page.mouse.move(2, 2);
    await page.evaluate(() => (location.hash = "#a=2169626640&x=throughput_a100"));
    await expect.poll(() => index(page)).toBe(B0);
    await expect.poll(() => page.locator("#x-target").inputValue()).toBe("throughput_a100");
  });
  afterEach(() => expect(watched.problems).toEqual([]));
  afterAll(() => watched.close());

  it("predicts EfficientNet-B0 as the engine does, with all targets listed", async () => {
    const surrogate = await loadPure("accuracy", { artifacts: ARTIFACTS });
    const expected = await surrogate.queryOne(EFFICIENTNET_B0);
    expect(Number(await value(page, "accuracy"))).toBeCloseTo(expected.mean, 1);
    expect(await page.locator(".row").count()).toBe(12);
    for (const row of await page.locator(".row").all()) {
      expect(await row.innerText()).toMatch(/\d/);
      await expect.poll(() => row.locator(".better").innerText()).toMatch(/^([<>] )?\d+(\.\d+)? %$/);
    }
    await shot(page, "light");
  });

  it("ranks the network among all, exactly, and draws the exact front behind the sample", async () => {
    const truths = (await (await Catalog.open(ARTIFACTS)).readTruth())!;
    const [accuracy, a100] = ["accuracy", "throughput_a100"].map((name) => truths.get(name)!);
    const rank = (truth: Truth) => `no. ${(truth.landmarks.get("efficientnet-b0")!.better + 1n).toLocaleString("en")}`;
    const all = `Among all 104,485,552,128 this network is ${rank(accuracy)}, better than 9\\d\\.\\d+ %, in accuracy, `;
    await expect.poll(() => text(page, "#proof")).toMatch(new RegExp(`^${all}and ${rank(a100)}, better than `));
    const [front] = a100.fronts;
    expect(await text(page, "#proof")).toContain(`the exact front, of ${front.codes.length / 28}.`);
    expect(await text(page, "#proof")).not.toContain("EfficientNet-B0");
    const better = page.locator("[data-target=accuracy] .better");
    expect(await better.getAttribute("title")).toBe(`${rank(accuracy)} of all architectures`);
    // The best one there is.
    const { codes } = accuracy.optimum;
    await page.evaluate((hash) => (location.hash = hash), `#a=${codesToIndex(codes, MNASNET)}&x=throughput_a100`);
    await expect.poll(() => text(page, "#proof")).toContain("this network is no. 1, better than 99.999999999 %, in accuracy");
    expect(await text(page, "#proof")).toContain(`EfficientNet-B0 is ${rank(accuracy)} and ${rank(a100)}.`);
    // Behind the cloud, in a colour of its own.
    const proven = await page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>(".density")!;
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
      const hex = getComputedStyle(document.documentElement).getPropertyValue("--proven").trim().slice(1);
      const [r, g, b] = [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16));
      let count = 0;
      for (let i = 0; i < data.length; i += 4) if (data[i] === r && data[i + 1] === g && data[i + 2] === b) count++;
      return count / canvas.width;
    });
    expect(proven).toBeGreaterThan(1); // a line from left to right, some pixels high
    await shot(page, "best");
  });

  it("shows the rate it has measured", async () => {
    const rate = Number(await page.locator("#figure-rate").getAttribute("data-value"));
    console.log(`browser, while sampling: ${(rate / 1e6).toFixed(2)} M predictions/s`);
    expect(await text(page, "#figure-rate")).toMatch(rate >= 1e6 ? /^[\d.]+ M$/ : /^\d+ k$/);
  });

  it.each([
    ["pure", 1e6], // measured at best of some runs, so that a busy machine does not matter
    ["ort", 5e4],
  ])("gives every golden bit with the engine %s, at least %d a second", async (engine, least) => {
    await page.click(`#verify-${engine}`);
    await expect.poll(() => text(page, "#verdict"), { timeout: 90_000 }).toMatch(/^[✓✗]/);
    const verdict = await text(page, "#verdict");
    expect(verdict).toMatch(/^✓ 12 targets × 4,096 golden vectors: all [\d,]+ values equal to the last bit/);
    const rate = Number(await page.locator("#verdict").getAttribute("data-rate"));
    console.log(`browser, ${engine}: ${(rate / 1e6).toFixed(2)} M predictions/s`);
    expect(rate).toBeGreaterThan(least);
  });

  it("changes the numbers when a control changes, and previews the change", async () => {
    const before = await value(page, "throughput_a100");
    const label = page.locator("label", { has: option(page, "block3_k", "5") });
    await label.hover();
    await expect.poll(() => page.locator(".row.bad, .row.good").count()).toBeGreaterThan(6);
    expect(await text(page, "[data-target=macs] .better")).toMatch(/^\+/);
    expect(await value(page, "throughput_a100")).toBe(before);
    await label.click();
    await expect.poll(() => value(page, "throughput_a100")).not.toBe(before);
    const expected = toCodes({ ...EFFICIENTNET_B0, kernel: [3, 3, 5, 5, 5, 5, 3] }, MNASNET);
    expect(codesToValues(toCodes(BigInt(await index(page)), MNASNET), MNASNET)).toEqual(codesToValues(expected, MNASNET));
    expect(page.url()).toContain(`a=${await index(page)}`);
    expect(await page.locator(".row.bad, .row.good").count()).toBe(0);
  });

  it("is used by keyboard alone", async () => {
    await option(page, "block1_e", "6").focus();
    await page.keyboard.press("ArrowLeft");
    await expect.poll(() => option(page, "block1_e", "4").isChecked()).toBe(true);
    await expect.poll(() => index(page)).not.toBe(B0);
    await page.keyboard.press("Tab"); // from one gene's options to the next gene
    expect(await page.evaluate(() => (document.activeElement as HTMLInputElement).name)).toBe("block1_k");
    const before = await index(page);
    await page.locator("#plot").focus();
    await page.keyboard.press("End");
    expect(await text(page, "#announce")).toMatch(/Accuracy [\d.]+ %, A100 throughput/);
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("Enter");
    await expect.poll(() => index(page)).not.toBe(before);
    await page.keyboard.press("Escape");
    expect(await page.locator(".tip").isHidden()).toBe(true);
  });

  it("filters by dragging along an axis, and the filter outlives a change of axis", async () => {
    const whole = await counts(page);
    const box = (await page.locator(".axis-x").boundingBox())!;
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * 0.3, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, y, { steps: 5 });
    await page.mouse.up();
    await expect.poll(() => counts(page)).toMatch(/^[\d,]+ of 200,000/);
    const narrow = await counts(page);
    const fields = page.locator(".filter[data-target=throughput_a100] input");
    const low = Number(await fields.first().inputValue());
    const high = Number(await fields.last().inputValue());
    expect(high).toBeGreaterThan(low);
    expect(decodeURIComponent(page.url())).toContain(`f=throughput_a100:${low}~${high}`);
    await shot(page, "filtered");
    // Hold the lower end and drag it to the left: more pass.
    await page.mouse.move(box.x + box.width * 0.3, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.1, y, { steps: 5 });
    await page.mouse.up();
    await expect.poll(async () => Number(await fields.first().inputValue())).toBeLessThan(low);
    expect(await counts(page)).not.toBe(narrow);
    await page.click("[data-target=params]");
    await expect.poll(() => page.locator("#x-target").inputValue()).toBe("params");
    expect(await counts(page)).toContain(" of 200,000");
    await page.click("[aria-label='Clear the filter on A100 throughput']");
    await page.click("[data-target=throughput_a100]");
    await expect.poll(() => counts(page)).toBe(whole);
  });

  it("filters by typing, and by a rectangle", async () => {
    await page.locator(".filter[data-target=accuracy] input").first().fill("65");
    await expect.poll(() => counts(page)).toMatch(/ of 200,000/);
    expect(page.url()).toContain("accuracy%3A65~".replace("%3A", ":"));
    await page.locator(".filter[data-target=accuracy] input").first().fill("99"); // none passes
    await expect.poll(() => counts(page)).toMatch(/^0 of 200,000 .* 0 on the Pareto front$/);
    await expect.poll(() => text(page, "#list-note")).toMatch(/^Nothing is on a front/);
    await page.locator(".filter[data-target=accuracy] input").first().fill("");
    await expect.poll(() => counts(page)).toMatch(/^200,000 random/);
    const box = (await page.locator(".overlay").boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.2, box.y + box.height * 0.2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.4, box.y + box.height * 0.5, { steps: 4 });
    await page.mouse.up();
    await expect.poll(() => page.locator(".filter.active").count()).toBe(2);
    expect(await index(page)).toBe(B0);
  });

  it("draws nothing where there is no room, and everything once there is", async () => {
    const drawn = () =>
      page.evaluate(() => {
        const canvas = document.querySelector<HTMLCanvasElement>(".density")!;
        return canvas.width * canvas.height === 0 ? 0 : canvas.toDataURL().length;
      });
    const show = (display: string) =>
      page.evaluate((value) => {
        document.querySelector<HTMLElement>(".density")!.parentElement!.style.display = value;
      }, display);
    await expect.poll(drawn).toBeGreaterThan(20_000);
    await show("none");
    await expect.poll(drawn).toBe(0);
    await show("");
    await expect.poll(drawn).toBeGreaterThan(20_000);
  });

  it("shows a point under the pointer and loads it by a click", async () => {
    const box = (await page.locator(".overlay").boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.2, box.y + box.height * 0.5);
    const tip = page.locator(".tip");
    await expect.poll(() => tip.isVisible()).toBe(true);
    const shown = await tip.innerText();
    const found = /no\. ([\d,]+)/.exec(shown)![1].replaceAll(",", "");
    await page.mouse.down();
    await page.mouse.up();
    await expect.poll(() => index(page)).toBe(found);
    const accuracy = /Accuracy ([\d.]+) %/.exec(shown)![1];
    await expect.poll(async () => Number(await value(page, "accuracy"))).toBeCloseTo(Number(accuracy), 1);
  });

  it("loads what is pasted, and says what is wrong with it", async () => {
    const field = page.locator("#architecture");
    const values = codesToValues(toCodes(12_345_678_901n, MNASNET), MNASNET);
    await field.fill(JSON.stringify(values).replaceAll("true", "True").replaceAll('"', "'"));
    await field.press("Enter");
    await expect.poll(() => page.url()).toContain("a=12345678901");
    await field.fill(JSON.stringify({ ...values, block4_k: 7 }));
    await field.press("Enter");
    expect(await text(page, "#paste-error")).toBe('gene "block4_k": 7 is not allowed; choose from 3, 5');
    await field.fill("104485552128");
    await field.press("Enter");
    expect(await text(page, "#paste-error")).toContain("104485552127");
    await page.click("#to-b0"); // what is mended is not spoken of any more
    expect(await page.locator("#paste-error").isHidden()).toBe(true);
    // As every other door has it: the first and the last of some kinds of the shared cases.
    const fixtures = process.env.ANB_CONFORMANCE ? join(process.env.ANB_CONFORMANCE, "../fixtures") : "../../tests/fixtures";
    const { spaces } = JSON.parse(await readFile(join(fixtures, "architectures.json"), "utf8"));
    const valid = spaces[0].valid as { text: string; codes: number[] }[];
    for (const start of ["e", "[", "[[", "{", "(", "0", "{\"expansion"]) {
      for (const { text, codes } of [valid.find((c) => c.text.startsWith(start)), valid.findLast((c) => c.text.startsWith(start))].map((c) => c!)) {
        await field.fill(text);
        await field.press("Enter");
        await expect.poll(() => index(page), { message: text }).toBe(String(codesToIndex(Uint8Array.from(codes), MNASNET)));
        expect(await page.locator("#paste-error").isHidden()).toBe(true);
      }
    }
    await page.click("#to-b0");
    await expect.poll(() => page.url()).toContain(`a=${B0}`);
  });

  it("extends the front by search, and saves it as CSV", async () => {
    const before = await front(page);
    await page.click("#improve");
    await expect.poll(() => counts(page), { timeout: 60_000 }).toContain("more searched in");
    expect(await front(page)).toBeGreaterThan(before);
    await shot(page, "extended");
    const [saved] = await Promise.all([page.waitForEvent("download"), page.click("#csv-front")]);
    expect(saved.suggestedFilename()).toBe("anb-front-throughput_a100.csv");
    const lines = (await readFile(await saved.path(), "utf8")).trim().split("\n");
    const names = lines[0].split(",");
    expect(names.length).toBe(1 + 28 + 5 * 12);
    const rows = lines.slice(1).map((line) => line.split(","));
    expect(rows.length).toBe(await front(page));
    const column = (name: string) => rows.map((row) => Number(row[names.indexOf(`${name}_mean`)]));
    const [x, y] = [column("throughput_a100"), column("accuracy")];
    for (let i = 1; i < x.length; i++) {
      expect(x[i]).toBeGreaterThan(x[i - 1]);
      expect(y[i]).toBeLessThan(y[i - 1]);
    }
    for (const target of ["accuracy", "throughput_a100", "params"]) {
      const surrogate = await loadPure(target, { artifacts: ARTIFACTS });
      const { mean } = await surrogate.query(rows.map((row) => BigInt(row[0])));
      expect(column(target).map(Math.fround)).toEqual([...mean]);
    }
  });

  it.each([
    ["latency_zcu102", "params"], // both to be small
    ["throughput_a100", "accuracy"], // an exact front, its targets the other way round
    ["macs", "throughput_tpuv3"],
  ])("puts %s against %s", async (y, x) => {
    await page.selectOption("#y-target", y);
    await page.selectOption("#x-target", x);
    expect(await page.locator("#y-target").inputValue()).toBe(y); // not changed by the other
    expect(page.url()).toContain(`x=${x}&y=${y}`);
    await expect.poll(() => page.locator(".filter").evaluateAll((all) => all.map((f) => (f as HTMLElement).dataset.target))).toEqual([y, x]);
    const [saved] = await Promise.all([page.waitForEvent("download"), page.click("#csv-front")]);
    const [names, ...rows] = (await readFile(await saved.path(), "utf8")).trim().split("\n").map((line) => line.split(","));
    const sign = (target: string) => (/latency|params|macs/.test(target) ? -1 : 1);
    const column = (target: string) => rows.map((row) => Number(row[names.indexOf(`${target}_mean`)]) * sign(target));
    const [xs, ys] = [column(x), column(y)];
    expect(xs.length).toBe(await front(page));
    for (let i = 1; i < xs.length; i++) expect((xs[i] - xs[i - 1]) * (ys[i] - ys[i - 1])).toBeLessThan(0);
    await expect.poll(() => text(page, "#proof").then((proof) => proof.includes("exact front"))).toBe(x === "accuracy");
    await page.click("#improve");
    await expect.poll(() => counts(page), { timeout: 60_000 }).toContain("more searched in");
    await shot(page, `axes-${y}`);
    // What is chosen for the one changes places with the other.
    await page.selectOption("#x-target", y);
    await expect.poll(() => page.locator("#y-target").inputValue()).toBe(x);
  });

  it("lists fronts and one-gene changes, sorted by any target, and loads what is chosen", async () => {
    const rows = page.locator("#list tbody tr");
    const column = (k: number) => page.locator(`#list tbody tr > :nth-child(${k + 1})`).evaluateAll((all) => all.map((cell) => parseFloat(cell.textContent!.replaceAll(",", ""))));
    await page.selectOption("#list-source", "front");
    await expect.poll(() => rows.count()).toBe(await front(page));
    expect(await text(page, "#list-note")).toMatch(/of the sample that no other dominates .*not of all 104,485,552,128/);
    const best = await column(1);
    expect(best).toEqual([...best].sort((a, b) => b - a)); // accuracy, the best first
    await page.click("#list [data-sort=params]");
    await expect.poll(() => page.locator("#list [aria-sort=ascending]").innerText()).toMatch(/^Parameters/);
    const params = await column(12);
    expect(params).toEqual([...params].sort((a, b) => a - b));
    await page.selectOption("#list-source", "exact");
    await expect.poll(() => rows.count()).toBe(474);
    expect(await text(page, "#list-note")).toMatch(/^Exact: of all 104,485,552,128 architectures no other dominates these 474/);
    await page.selectOption("#list-source", "changes");
    await expect.poll(() => rows.count()).toBe(43);
    const change = rows.filter({ hasText: "block1_e: 6 → 4" });
    const [promised] = /[\d.]+/.exec(await change.locator("td").first().innerText())!;
    await change.locator("button").click();
    await expect.poll(() => option(page, "block1_e", "4").isChecked()).toBe(true);
    await expect.poll(() => value(page, "accuracy")).toBe(promised);
    await page.selectOption("#list-source", "front");
    const [saved] = await Promise.all([page.waitForEvent("download"), page.click("#csv-list")]);
    const lines = (await readFile(await saved.path(), "utf8")).trim().split("\n").map((line) => line.split(","));
    const surrogate = await loadPure("accuracy", { artifacts: ARTIFACTS });
    const p = await surrogate.query(lines.slice(1).map(([index]) => BigInt(index)));
    const answers = { mean: p.mean, std: p.std, predictive_std: p.predictiveStd, ...p.interval(0.9) };
    for (const [name, values] of Object.entries(answers)) {
      const at = lines[0].indexOf(`accuracy_${name}`);
      expect(lines.slice(1).map((line) => Math.fround(Number(line[at])))).toEqual([...values]);
    }
  });

  it("takes architectures of files and of the clipboard, its own and those of the command line", async () => {
    const rows = page.locator("#list tbody tr");
    const give = (name: string, content: string | Buffer) => page.setInputFiles("#files", [{ name, mimeType: "", buffer: Buffer.from(content) }]);
    const [saved] = await Promise.all([page.waitForEvent("download"), page.click("#csv-front")]);
    const own = await readFile(await saved.path());
    await give("front.csv", own);
    await expect.poll(() => text(page, "#list-note")).toBe(`${await front(page)} architectures of front.csv.`);
    await expect.poll(() => rows.count()).toBe(await front(page));
    expect(await text(page, "#taken span")).toBe(`${await front(page)} architectures of front.csv.`);
    await shot(page, "imported");
    const line = JSON.stringify({ index: 5, architecture: codesToValues(toCodes(5n, MNASNET), MNASNET), predictions: {} });
    await give("answers.jsonl", `${line}\n${line.replaceAll('"index":5', '"index": 6')}`);
    await expect.poll(() => text(page, "#refused span")).toMatch(/answers\.jsonl: line 2: the index is 6, but the genes are those of 5/);
    await give("answers.jsonl", `${line}\n${line}\n`);
    await expect.poll(() => rows.count()).toBe(2);
    expect(await page.locator("#refused").isHidden()).toBe(true);
    await rows.first().locator("button").click();
    await expect.poll(() => index(page)).toBe("5");
    await give("one.json", line);
    await expect.poll(() => text(page, "#taken span")).toBe("1 architecture of one.json.");
    await page.evaluate(() => navigator.clipboard.writeText("7\n8\n9"));
    await page.locator("#list-title").click();
    await page.keyboard.press("Control+V");
    await expect.poll(() => rows.count()).toBe(3);
    await page.click("#taken button");
    expect(await page.locator("#taken").isHidden()).toBe(true);
    if (process.env.ANB_WRITTEN) {
      for (const name of await readdir(process.env.ANB_WRITTEN)) {
        await give(name, await readFile(join(process.env.ANB_WRITTEN, name)));
        await expect.poll(() => text(page, "#taken span"), { message: name }).toBe(`20 architectures of ${name}.`);
      }
      await mkdir(RESULTS, { recursive: true });
      await writeFile(join(RESULTS, "front.csv"), own);
      const [list] = await Promise.all([page.waitForEvent("download"), page.click("#csv-list")]);
      await list.saveAs(join(RESULTS, "list.csv"));
      await page.locator(".filter[data-target=accuracy] input").first().fill("67.2");
      await expect.poll(() => counts(page)).toMatch(/ of 200,000/);
      const [selection] = await Promise.all([page.waitForEvent("download"), page.click("#csv-selection")]);
      await selection.saveAs(join(RESULTS, "selection.csv"));
    }
  });

  it("compares two networks: genes, every target, and the difference", async () => {
    await page.click("#pin");
    await page.locator("label", { has: option(page, "block3_k", "5") }).click();
    const compared = (target: string) => page.locator(`[data-compared=${target}] td`).allInnerTexts();
    await expect.poll(() => page.locator("[data-compared]").count()).toBe(12);
    await expect.poll(async () => (await compared("macs"))[2]).toMatch(/^\+/);
    const [a, b, difference] = await compared("accuracy");
    expect(a).toBe("66.03 ± 0.40");
    expect(b).toMatch(/^66\.\d\d ± 0\.4\d$/);
    expect(difference).toMatch(/^[+−]0\.\d\d ± 0\.5\d$/); // as of two independent measurements
    expect(await page.locator(".differs").allInnerTexts()).toEqual(["3 → 5"]);
    expect(page.url()).toContain(`c=${B0}`);
    await page.mouse.move(2, 2);
    await shot(page, "compared");
    const changed = await index(page);
    await page.click("#swap");
    await expect.poll(() => index(page)).toBe(B0);
    expect(page.url()).toContain(`c=${changed}`);
    await page.click("#unpin");
    expect(await page.locator("[data-compared]").count()).toBe(0);
  });

  it("copies JSON and a link", async () => {
    await page.click("#copy-json");
    await expect.poll(() => text(page, "#copy-json")).toBe("Copied");
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(toCodes(JSON.parse(copied), MNASNET)).toEqual(toCodes(EFFICIENTNET_B0, MNASNET));
    await page.click("#copy-link");
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(page.url());
  });
});

describe("a shared link", () => {
  it("opens the same view", async () => {
    const hash = "#a=98765432101&x=latency_vck190&f=latency_vck190:~4,params:3~5&n=100000";
    const watched = await browse(site.url + hash);
    const { page } = watched;
    await ready(page);
    expect(await index(page)).toBe("98765432101");
    expect(await page.locator("#x-target").inputValue()).toBe("latency_vck190");
    await expect.poll(() => counts(page)).toMatch(/ of 100,000 random/);
    expect(await page.locator(".filter.active").count()).toBe(2);
    expect(await page.locator(".filter[data-target=params] input").last().inputValue()).toBe("5");
    expect(page.url()).toContain(hash);
    expect(watched.problems).toEqual([]);
    await watched.close();
  });

  it("with nonsense in it opens the default view", async () => {
    const watched = await browse(`${site.url}#a=999999999999999&x=none&f=foo:1~2,params:a~b&n=7`);
    await ready(watched.page);
    expect(await index(watched.page)).toBe(B0);
    expect(await counts(watched.page)).toMatch(/^200,000 random/);
    expect(watched.problems).toEqual([]);
    await watched.close();
  });
});

describe("the browser's history", () => {
  it("takes back one step after the other, then leaves", async () => {
    const watched = await browse("about:blank");
    const { page } = watched;
    await page.goto(`${site.url}#a=${B0}`);
    await ready(page);
    const steps: [string, () => Promise<unknown>][] = [
      ["a gene", () => page.locator("label", { has: option(page, "block1_e", "4") }).click()],
      ["the same gene", () => page.locator("label", { has: option(page, "block1_e", "1") }).click()],
      ["an architecture", () => page.click("#to-random")],
      ["an axis", () => page.selectOption("#x-target", "params")],
      ["a filter, typed", () => page.locator(".filter[data-target=accuracy] input").first().pressSequentially("65.5")],
      ["a filter, dragged", async () => {
        const box = (await page.locator(".axis-x").boundingBox())!;
        await page.mouse.move(box.x + 40, box.y + 20);
        await page.mouse.down();
        await page.mouse.move(box.x + 200, box.y + 20, { steps: 6 });
        await page.mouse.up();
      }],
      ["a sample", () => page.selectOption("#sample-size", "100000")],
    ];
    const seen: string[] = [];
    for (const [, step] of steps) {
      seen.push(page.url());
      await step();
      await expect.poll(() => page.url()).not.toBe(seen.at(-1));
    }
    for (const url of [...seen].reverse()) {
      await page.goBack();
      expect(page.url()).toBe(url);
      const view = new URLSearchParams(new URL(url).hash.slice(1));
      await expect.poll(() => index(page)).toBe(view.get("a"));
      await expect.poll(() => page.locator("#x-target").inputValue()).toBe(view.get("x"));
      expect(await page.locator(".filter.active").count()).toBe(view.get("f")?.split(",").length ?? 0);
    }
    await page.goForward();
    await expect.poll(() => option(page, "block1_e", "4").isChecked()).toBe(true);
    await page.goBack();
    await page.goBack();
    expect(page.url()).toBe("about:blank");
    expect(watched.problems).toEqual([]);
    await watched.close();
  });
});

describe("other ways to look at it", () => {
  it("follows a dark system", async () => {
    const watched = await browse(site.url, { colorScheme: "dark" });
    await ready(watched.page);
    const dark = await watched.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    expect(Math.max(...dark.match(/\d+/g)!.slice(0, 3).map(Number))).toBeLessThan(40);
    await shot(watched.page, "dark");
    expect(watched.problems).toEqual([]);
    await watched.close();
  });

  it("works offline once loaded", async () => {
    const own = await serve();
    const watched = await browse(own.url);
    await ready(watched.page);
    await expect.poll(() => text(watched.page, "#offline"), { timeout: 30_000 }).toBe("Now available offline.");
    await own.close();
    await watched.page.reload();
    await ready(watched.page);
    expect(await watched.page.locator(".row").count()).toBe(12);
    expect(watched.problems).toEqual([]);
    await watched.page.click("#verify-pure"); // of which the files have not come down
    await expect.poll(() => text(watched.page, "#verdict")).toMatch(/^✗ nothing was compared, as what it takes could not be fetched/);
    await watched.close();
  });

  it("says why what is proven cannot be shown, and works without", async () => {
    const watched = await browse("about:blank");
    await watched.page.route(`**/artifacts/${BENCHMARK}/truth.bin`, (route) => route.fulfill({ body: "no truth" }));
    await watched.page.goto(site.url);
    await ready(watched.page);
    await expect.poll(() => text(watched.page, "#proof")).toMatch(/^What is proven cannot be shown: .*truth\.bin is damaged/);
    expect(await text(watched.page, "[data-target=accuracy] .better")).toMatch(/^\d+(\.\d)? %$/);
    expect(watched.problems).toEqual([]);
    await watched.close();
  });

  it("says which target cannot be shown, shows the others, and forgets it once it is mended", async () => {
    const watched = await browse("about:blank");
    const { page } = watched;
    const file = `**/artifacts/${BENCHMARK}/macs.onnx`;
    await page.route(file, (route) => route.fulfill({ body: "no tables" }));
    await page.goto(site.url);
    await ready(page);
    expect(await text(page, "#lacking")).toMatch(/^Multiply-adds cannot be shown: .*macs\.onnx is damaged/);
    expect(await value(page, "macs")).toBe("");
    expect(await value(page, "params")).toMatch(/\d/);
    await page.unroute(file);
    await page.click("#lacking button");
    await expect.poll(() => value(page, "macs")).toBe("415.1");
    expect(await page.locator("#lacking").isHidden()).toBe(true);
    expect(watched.problems).toEqual([]);
    await watched.close();
  });

  it("says why it cannot start", async () => {
    const watched = await browse("about:blank");
    await watched.page.route(`**/artifacts/${BENCHMARK}/manifest.json`, (route) => route.abort());
    await watched.page.goto(site.url);
    await expect.poll(() => text(watched.page, "#failure")).toMatch(/cannot start: .*manifest\.json cannot be fetched/);
    await watched.page.click("#failure button >> text=Close");
    expect(await watched.page.locator("#failure").isHidden()).toBe(true);
    await watched.close();
  });
});

describe("what a page must not believe", () => {
  it("HTML in names and units is shown as it is written", async () => {
    const html = '<img src=x onerror="document.title=1">';
    const watched = await browse("about:blank");
    const { page } = watched;
    await serveCards(page, ARTIFACTS, ["accuracy", "throughput_a100"], (name, card) => {
      card.unit = `${html}&amp;${name}`;
      if (card.device) card.device = `<b>${card.device}</b>`;
      else card.metric = "accuracy";
    });
    await page.goto(`${site.url}#f=accuracy:60~`);
    await ready(page);
    expect(await text(page, "[data-target=accuracy] .name")).toContain(`${html}&amp;accuracy`);
    expect(await text(page, "[data-target^=throughput] .name")).toContain("<b>a100</b>");
    expect(await text(page, ".filter[data-target=accuracy]")).toContain(`${html}&amp;accuracy`);
    await page.locator("#plot").focus();
    await page.keyboard.press("End");
    expect(await text(page, ".tip")).toContain("<b>a100</b> throughput");
    expect(await page.locator("img, #app b").count()).toBe(0);
    expect(await page.title()).toBe("Accel-NASBench in the browser");
    expect(watched.problems).toEqual([]);
    await watched.close();
  });

  it.each<[string, (manifest: any) => void, RegExp]>([
    ["something else than its file", (m) => (m.targets.accuracy.unit = "ppm"), /shown: .*key "unit" is "ppm", but "%" in the card/],
    ["another benchmark", (m) => (m.benchmark = "other"), /start: .*key "benchmark" is "other", but its folder is called/],
    ["another space", (m) => (m.search_space.name = "other"), /start: .*of the space mnasnet, these are of other/],
    ["other choices", (m) => m.search_space.blocks[0].genes[1].choices.reverse(), /start: .*of the space mnasnet/],
    ["an older schema", (m) => (m.schema = 1), /start: .*has schema 1, this package reads 2; convert its folder with: anb-export/],
  ])("a manifest that says %s", async (_, change, message) => {
    const watched = await browse("about:blank");
    const { page } = watched;
    await page.route(`**/artifacts/${BENCHMARK}/manifest.json`, async (route) => {
      const manifest = JSON.parse(await readFile(join(ARTIFACTS, "manifest.json"), "utf8"));
      change(manifest);
      await route.fulfill({ json: manifest });
    });
    await page.goto(site.url);
    await expect.poll(() => text(page, "[role=alert]:not(:empty)")).toMatch(message);
    await watched.close();
  });

  it.each([
    ["null", "must hold a JSON object, not null"],
    ["<html>", "is not valid JSON"],
    ['{"schema": 2, "schema": 2}', "stands twice"],
    ['{"schema": 2, "benchmark": "accel-nasbench", "targets": {"a": null}, "search_space": null}', "this does not describe a search space"],
  ])("a manifest that is %s", async (body, message) => {
    const watched = await browse("about:blank");
    await watched.page.route(`**/artifacts/${BENCHMARK}/manifest.json`, (route) => route.fulfill({ body }));
    await watched.page.goto(site.url);
    await expect.poll(() => text(watched.page, "#failure")).toContain(message);
    await watched.close();
  });
});

describe("a worker that stops", () => {
  it.each([
    ["cannot be loaded", { status: 404, body: "" }, "the worker has stopped"],
    ["fails at once", { contentType: "text/javascript", body: "throw new Error('<b>no</b>')" }, "<b>no</b>"],
  ])("is spoken of where it %s", async (_, answer, message) => {
    const watched = await browse("about:blank");
    await watched.page.route("**/assets/worker-*.js", (route) => route.fulfill(answer));
    await watched.page.goto(site.url);
    await expect.poll(() => text(watched.page, "#failure")).toContain("cannot start: the worker has stopped");
    expect(await text(watched.page, "#failure")).toContain(message);
    await watched.close();
  });
});

describe("a search that another view interrupts", () => {
  it.each([
    ["another target", "#x=params"],
    ["a filter", "#x=throughput_a100&f=macs:~400"],
    ["another sample", "#x=throughput_a100&n=100000"],
  ])("leaves nothing behind: %s", async (_, hash) => {
    const fresh = await browse(site.url + hash);
    await ready(fresh.page);
    const expected = await counts(fresh.page);
    await fresh.close();
    const watched = await browse(`${site.url}#x=throughput_a100`);
    const { page } = watched;
    await ready(page);
    await page.evaluate((other) => {
      document.getElementById("figure-rate")!.removeAttribute("data-value");
      document.getElementById("improve")!.click();
      location.hash = other;
    }, hash);
    // When a search of the new view has been answered, the old one has been, too.
    await expect.poll(() => page.locator("#improve").isEnabled()).toBe(true);
    await expect.poll(() => counts(page)).toBe(expected);
    await page.click("#improve");
    await expect.poll(() => counts(page), { timeout: 60_000 }).toContain("more searched in");
    expect(watched.problems).toEqual([]);
    await watched.close();
  });
});

describe.runIf(process.env.ANB_SCREENSHOTS)("for the documentation", () => {
  it.each([
    ["web-desktop", { viewport: { width: 1240, height: 720 } }],
    ["web-phone", { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
  ] as const)("takes the picture %s", async (name, options) => {
    const watched = await browse(`${site.url}#a=${B0}&x=throughput_a100&n=100000`, { ...options, colorScheme: "light" });
    const { page } = watched;
    await ready(page);
    await expect.poll(() => text(page, "#proof")).toContain("Among all");
    if (name === "web-desktop") {
      await page.click("#improve");
      await expect.poll(() => counts(page)).toContain("more searched in");
      await page.mouse.move(2, 2);
    } else {
      await page.locator(".picker button").nth(3).tap();
      await page.locator("label", { has: option(page, "block3_k", "5") }).tap();
      await expect.poll(() => text(page, "[data-summary=accuracy] .change")).toMatch(/\d/);
    }
    await page.waitForTimeout(300);
    await page.screenshot({ path: join(process.env.ANB_SCREENSHOTS!, `${name}.png`) });
    expect(watched.problems).toEqual([]);
    await watched.close();
  });
});
