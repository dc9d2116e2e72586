/** What comes down before there is something to see and to do, and how steadily it stands. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { browse, ready, serve, type Site, type Watched } from "./browser";

const MB = 1e6;
const isTarget = (path: string) => path.endsWith(".onnx");

describe("the first prediction", () => {
  let site: Site;
  let watched: Watched;
  beforeAll(async () => {
    // All is held back but the page itself, the manifest, and the model of accuracy.
    site = await serve((path) => /\.(onnx|bin|wasm)$|sw\.js/.test(path) && !path.endsWith("/accuracy.onnx"));
    watched = await browse(site.url);
  });
  afterAll(async () => {
    await watched.close();
    await site.close();
  });

  it("stands when 1.4 MB have come, and a tap on a gene is answered", async () => {
    const { page } = watched;
    const accuracy = page.locator("[data-target=accuracy] .value");
    await expect.poll(() => accuracy.innerText()).toBe("66.03");
    await page.locator("label", { has: page.locator("input[name=block1_e][value='4']") }).click();
    await expect.poll(() => accuracy.innerText()).not.toBe("66.03");
    const changed = Number(await accuracy.innerText());
    expect(changed).toBeGreaterThan(60);
    expect(changed).toBeLessThan(66.03);
    const sent = site.sent();
    console.log(`bytes until the first prediction and a changed gene: ${sent.toLocaleString("en")}`);
    expect(sent).toBeLessThan(1.4 * MB);
    expect(await page.locator("[data-target=macs] .value").innerText()).toBe("");
  });

  it("is followed by all others, each of them once, and by what is proven", async () => {
    const { page } = watched;
    const asked: string[] = [];
    page.context().on("request", (request) => asked.push(new URL(request.url()).pathname));
    site.release();
    await ready(page);
    await expect.poll(() => page.locator("#proof").innerText()).toContain("Among all");
    await expect.poll(() => page.locator("#offline").innerText(), { timeout: 30_000 }).toBe("Now available offline.");
    const sent = site.sent();
    console.log(`bytes until all is there, kept for offline use: ${sent.toLocaleString("en")}`);
    expect(sent).toBeLessThan(15 * MB); // the ONNX files and what is proven have 11.8 MB; none comes twice
    expect(asked.filter(isTarget).length).toBeGreaterThan(8);
    expect(asked.some((path) => path.endsWith(".wasm"))).toBe(false);
    expect(watched.problems).toEqual([]);
  });
});
