/** The built page on a server of its own, and a browser to drive it as a person would. */

import { existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { preview, type PreviewServer } from "vite";

const CANDIDATES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Where screenshots go, for people to look at. */
export const RESULTS = process.env.ANB_WEB_RESULTS || "test-results";

export function chromiumPath(): string {
  const found = [process.env.CHROMIUM, ...CANDIDATES].find((path) => path && existsSync(path));
  if (!found) throw new Error("no Chromium: apt-get install chromium, or set CHROMIUM to its path");
  return found;
}

export interface Site {
  url: string;
  /** Bytes that have gone out to browsers so far, with all headers. */
  sent(): number;
  /** Let go of what was held back. */
  release(): void;
  close(): Promise<void>;
}

/**
 * Serve the built page as a plain web server does: whole files, with an ETag, compressed by nobody.
 *
 * @param held Paths that are answered only after `release`.
 */
export async function serve(held: (path: string) => boolean = () => false): Promise<Site> {
  const built: PreviewServer = await preview({
    preview: { port: 0, host: "127.0.0.1", strictPort: false },
    logLevel: "silent",
  });
  const sockets = new Set<Socket>();
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  const server = createServer(async (request, response) => {
    if (held(request.url ?? "")) await released;
    delete request.headers["accept-encoding"];
    built.middlewares(request, response);
  });
  server.on("connection", (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    sent: () => [...sockets].reduce((total, socket) => total + socket.bytesWritten, 0),
    release,
    async close() {
      release();
      server.closeAllConnections();
      await Promise.all([new Promise((resolve) => server.close(resolve)), built.close()]);
    },
  };
}

/** Everything a page has complained about or asked another host for. */
export interface Watched {
  page: Page;
  problems: string[];
  close(): Promise<void>;
}

/** One browser for all tests of a file; it ends with their process. */
let browser: Promise<Browser> | undefined;

function launched(): Promise<Browser> {
  browser ??= chromium.launch({
    executablePath: chromiumPath(),
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  return browser;
}

/** Open a page with an empty profile and watch what it does. */
export async function browse(url: string, options: BrowserContextOptions = {}): Promise<Watched> {
  const context: BrowserContext = await (await launched()).newContext({
    viewport: { width: 1440, height: 1040 },
    permissions: ["clipboard-read", "clipboard-write"],
    ...options,
  });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
  context.on("request", (request) => {
    const { protocol, hostname } = new URL(request.url());
    const inside = ["data:", "blob:"].includes(protocol) || hostname === "127.0.0.1";
    if (!inside) problems.push(`request: ${request.url()}`);
  });
  await page.goto(url);
  return {
    page,
    problems,
    close: () => context.close(),
  };
}

/** Wait until the sample is predicted: the measured rate is shown then. */
export async function ready(page: Page): Promise<void> {
  await page.waitForSelector("[data-testid=rate][data-value]", { timeout: 60_000 });
}
