/** Where things stand on screens of several sizes, and whether they stay there. */

import type { BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { join } from "node:path";
import { browse, ready, RESULTS, serve, type Site } from "./browser";

const PHONE: BrowserContextOptions = { deviceScaleFactor: 2, isMobile: true, hasTouch: true };

let site: Site;
beforeAll(async () => {
  site = await serve();
});
afterAll(() => site.close());

/** Open the page with an eye on how far things have jumped, by the browser's own measure. */
async function open(width: number, height: number, options: BrowserContextOptions = {}) {
  const watched = await browse("about:blank", { viewport: { width, height }, ...options });
  const { page } = watched;
  await page.addInitScript(() => {
    const shifts: number[] = ((globalThis as any).shifts = []);
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as any[]) if (!entry.hadRecentInput) shifts.push(entry.value);
    }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(site.url);
  await ready(page);
  await expect.poll(() => page.locator("#proof").innerText()).toContain("Among all");
  await expect.poll(() => page.locator("#offline").innerText(), { timeout: 30_000 }).toContain("offline");
  const shifts = await page.evaluate(() => (globalThis as any).shifts as number[]);
  return { ...watched, shifted: shifts.reduce((sum, shift) => sum + shift, 0) };
}

const bottom = async (page: Page, selector: string) => {
  const box = (await page.locator(selector).first().boundingBox())!;
  return box.y + box.height;
};
const overflow = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

describe("on a desk", () => {
  it.each([
    [1440, 900, ["#blocks", "#x-target", "#y-target", "#plot", "#filters", "#counts", "[data-target=params]", "[data-target=train_time]"]],
    [1280, 720, ["#blocks", "#x-target", "#y-target", "#plot", "#filters", "[data-target=params]"]],
  ])("of %d x %d all that belongs together is above the fold, and nothing jumps", async (width, height, selectors) => {
    const { page, problems, shifted, close } = await open(width, height);
    const found = Object.fromEntries(await Promise.all(selectors.map(async (s) => [s, await bottom(page, s)] as const)));
    console.log(`${width} x ${height}: layout shift ${shifted.toFixed(4)}, plot ends at ${found["#plot"]}`);
    for (const [selector, at] of Object.entries(found)) expect(at, selector).toBeLessThanOrEqual(height);
    expect((await page.locator("#plot").boundingBox())!.height).toBeGreaterThanOrEqual(250);
    expect(shifted).toBeLessThan(0.02);
    expect(await overflow(page)).toBe(0);
    expect(problems).toEqual([]);
    await close();
  });
});

describe("on a phone", () => {
  it.each([[390, 844], [320, 640]])("of %d x %d a tap on a gene shows its effect where one is, and all is large enough for a thumb", async (width, height) => {
    const { page, problems, shifted, close } = await open(width, height, PHONE);
    const summary = page.locator("[data-summary=accuracy]");
    const inSight = async () => {
      const { y, height: high } = (await summary.boundingBox())!;
      return y >= 0 && y + high <= height;
    };
    const top = async (selector: string) => (await page.locator(selector).boundingBox())!.y;
    const [predictions, plot] = [await top("#rows"), await top("#plot")];
    console.log(`${width} x ${height}: layout shift ${shifted.toFixed(4)}, predictions at ${predictions}, plot at ${plot}`);
    expect(predictions).toBeLessThan(760);
    expect(plot).toBeLessThan(1560);
    expect(shifted).toBeLessThan(0.02);
    expect(await overflow(page)).toBe(0);
    const small = await page.evaluate(() =>
      [...document.querySelectorAll("button, select, input:not([type=radio]):not([type=file]), .segments label, summary")]
        .map((element) => [element.id || element.className || element.outerHTML.slice(0, 60), element.getBoundingClientRect()] as const)
        .filter(([, { width, height }]) => width > 0 && Math.min(width, height) < 43.9)
        .map(([name, { width, height }]) => `${name}: ${width} x ${height}`),
    );
    expect(small).toEqual([]);
    await page.locator(".picker button").nth(6).tap();
    const gene = page.locator("label", { has: page.locator("input[name=block6_l][value='3']") });
    await gene.tap();
    await expect.poll(() => summary.locator(".change").innerText()).toMatch(/^[+−]\d/);
    expect(await inSight()).toBe(true);
    expect(await page.evaluate(() => scrollY)).toBe(0);
    expect(await page.locator("#announce").innerText()).toMatch(/^Accuracy [\d.]+ %, [+−][\d.]+; A100 throughput/);
    await page.screenshot({ path: join(RESULTS, `phone-${width}.png`), fullPage: true });
    await page.evaluate(() => document.getElementById("plot")!.scrollIntoView({ behavior: "instant" }));
    expect(await inSight()).toBe(true);
    await summary.tap(); // leads to the whole prediction
    await expect.poll(() => page.evaluate(() => (document.activeElement as HTMLElement).dataset.target)).toBe("accuracy");
    // A point of the plot shows what it is at the first tap, and is loaded by the second.
    const network = await page.locator("#architecture").inputValue();
    await page.locator(".overlay").evaluate((canvas) => canvas.scrollIntoView({ block: "center", behavior: "instant" }));
    const box = (await page.locator(".overlay").boundingBox())!;
    await page.touchscreen.tap(box.x + box.width * 0.25, box.y + box.height * 0.4);
    await expect.poll(() => page.locator(".tip").innerText()).toMatch(/Accuracy [\d.]+ %.*Press to load no\. /s);
    expect(await page.locator("#architecture").inputValue()).toBe(network);
    await page.touchscreen.tap(box.x + box.width * 0.25, box.y + box.height * 0.4);
    await expect.poll(() => page.locator("#architecture").inputValue()).not.toBe(network);
    expect(await page.locator(".tip").isHidden()).toBe(true);
    // The best network of all, whose numbers are the longest, beside EfficientNet-B0: all are in sight.
    await page.evaluate(() => (location.hash = "#a=104483310874&x=throughput_a100&c=2169626640"));
    await expect.poll(() => page.locator("[data-compared=train_time] .difference").count()).toBe(1);
    await expect.poll(() => page.locator("[data-target=accuracy] .better").innerText()).toBe("> 99.99 %");
    expect(await overflow(page)).toBe(0);
    const right = async (selector: string) => {
      const box = (await page.locator(selector).first().boundingBox())!;
      return box.x + box.width;
    };
    expect(await right("[data-compared=train_time] .difference")).toBeLessThanOrEqual(Math.max(width, 360));
    await expect.poll(() => right(".list tbody td")).toBeLessThan(width);
    expect(problems).toEqual([]);
    await close();
  });
});
