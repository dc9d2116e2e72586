/** onnxruntime-web in a browser, on the page's thread and, with `wasm.proxy`, in its own worker. */

import { createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { browse } from "./browser";

let server: ViteDevServer;
let url: string;
beforeAll(async () => {
  server = await createServer({
    logLevel: "silent",
    server: { port: 0, host: "127.0.0.1", fs: { strict: false }, hmr: false },
    optimizeDeps: { noDiscovery: true, exclude: ["onnxruntime-web"] },
  });
  await server.listen();
  url = `http://127.0.0.1:${(server.httpServer!.address() as { port: number }).port}/test/engines.html`;
});
afterAll(() => server.close());

describe.each([false, true])("with wasm.proxy = %s", (proxy) => {
  it("a query leaves its input as it was, and gives the bits of the pure engine", async () => {
    const watched = await browse(url);
    await expect.poll(() => watched.page.title()).toBe("ready");
    const workers: string[] = [];
    watched.page.on("worker", (worker) => workers.push(worker.url()));
    const { found, intact } = await watched.page.evaluate(
      (on) => (globalThis as unknown as { run(on: boolean): Promise<any> }).run(on),
      proxy,
    );
    expect(workers.length).toBe(proxy ? 1 : 0); // so that it was the proxy that was tested
    expect(intact).toBe(true);
    for (const { rows, same, reused, wanted, last, late } of found) {
      expect({ rows, same, last, late }).toEqual({ rows: 5000, same: true, last: 5000, late: "EngineError" });
      expect(reused).toEqual(wanted);
    }
    expect(watched.problems).toEqual([]);
    await watched.close();
  });
});
