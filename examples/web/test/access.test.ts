/** For everyone: rules that axe-core checks, on screens of both sizes and in both colour schemes. */

import { createRequire } from "node:module";
import type { BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { browse, ready, serve, type Site } from "./browser";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

let site: Site;
beforeAll(async () => {
  site = await serve();
});
afterAll(() => site.close());

/** What axe-core finds wrong with the page as it is. */
async function violations(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const { violations } = await (globalThis as any).axe.run();
    return violations.flatMap(({ id, help, nodes }: any) =>
      nodes.map((node: any) => `${id}: ${help}: ${node.target} ${node.any[0]?.message ?? ""}`),
    );
  });
}

describe("the page", () => {
  it.each<[string, BrowserContextOptions]>([
    ["a desk", {}],
    ["a phone", { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true }],
  ])("breaks no rule of axe-core on %s, light or dark", async (_, options) => {
    // Its script may be put into the page, whose policy would refuse it.
    const watched = await browse("about:blank", { bypassCSP: true, ...options });
    const { page } = watched;
    await page.goto(`${site.url}#c=77&f=accuracy:60~`);
    await ready(page);
    await page.addScriptTag({ path: AXE });
    await expect.poll(() => page.locator("#list tbody tr").count()).toBeGreaterThan(5);
    await expect.poll(() => page.locator("[data-compared]").count()).toBe(12);
    expect(await violations(page)).toEqual([]);
    // With changes, a point, and something that is wrong.
    await page.locator("input[name=block0_k][value='5']").check({ force: true });
    await page.locator("#architecture").fill("nothing");
    await page.locator("#architecture").press("Enter");
    await page.setInputFiles("#files", [{ name: "a.csv", mimeType: "", buffer: Buffer.from("index\nno") }]);
    await expect.poll(() => page.locator("#refused").innerText()).toContain("no index");
    await page.locator("#plot").focus();
    await page.keyboard.press("End");
    for (const colorScheme of ["dark", "light"] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await violations(page), colorScheme).toEqual([]);
    }
    expect(watched.problems).toEqual([]);
    await watched.close();
  });

  it("moves nothing by itself where that is not wanted, and shows where the focus is", async () => {
    const watched = await browse(site.url, { reducedMotion: "reduce" });
    const { page } = watched;
    await ready(page);
    expect(await page.evaluate(() => getComputedStyle(document.documentElement).scrollBehavior)).toBe("auto");
    const moving = await page.evaluate(() => document.getAnimations().length);
    expect(moving).toBe(0);
    // Every stop of the Tab key has an outline, of the element or of what stands for it.
    const seen = new Set<string>();
    for (let stop = 0; stop < 60; stop++) {
      await page.keyboard.press("Tab");
      const found = await page.evaluate(() => {
        const element = document.activeElement as HTMLElement;
        const shown = element.matches("[type=radio]") ? element.nextElementSibling! : element;
        const { outlineStyle, outlineWidth } = getComputedStyle(shown);
        return [element.id || (element as HTMLInputElement).name || element.dataset.target || element.tagName, outlineStyle !== "none" && parseFloat(outlineWidth) >= 2] as const;
      });
      seen.add(found[0]);
      expect(found[1], found[0]).toBe(true);
    }
    for (const stop of ["architecture", "block0_e", "block6_se", "accuracy", "params", "pin", "x-target", "y-target", "plot"]) {
      expect([...seen]).toContain(stop);
    }
    await watched.close();
  });
});
