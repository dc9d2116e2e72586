import { MNASNET } from "./anb";
import { BENCHMARK } from "./benchmark";
import { Designer } from "./designer";
import { find } from "./dom";
import { grouped } from "./format";
import { Message } from "./messages";
import { Page } from "./page";
import { readCodes, readHash, Store } from "./state";
import { Client } from "./worker/client";
import type { Event } from "./worker/protocol";

const failure = new Message(find("failure"));
let onEvent = (_: Event): void => undefined;
const client = new Client((event) => onEvent(event));

/** Draw the network at once, and all else when the manifest is there. */
async function start(): Promise<void> {
  const space = MNASNET;
  let codes = readCodes(location.hash, space);
  const designer = new Designer(find("blocks"), space, (changed) => designer.show((codes = changed)));
  designer.show(codes);
  const artifacts = new URL("artifacts/", document.baseURI).href;
  const opened = await client.call("open", { artifacts, benchmark: BENCHMARK });
  const ordered = grouped(opened.targets).flatMap((group) => group.targets);
  const targets = new Map(ordered.map((target) => [target.name, target]));
  if (targets.size < 2) throw new Error("the artifacts have fewer than two targets");
  const view = { ...readHash(location.hash, space, [...targets.keys()]), codes };
  const page = new Page(client, space, targets, new Store(view), designer);
  onEvent = (event) => page.onEvent(event);
  await page.begin();
  keepOffline();
}

/** Keep the page for offline use, once all that it shows has come down. */
function keepOffline(): void {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator) || !isSecureContext) return;
  navigator.serviceWorker
    .register("./sw.js")
    .then(() => navigator.serviceWorker.ready)
    .then(() => (find("offline").textContent = "Now available offline."))
    .catch(() => undefined); // the page works without
}

// Nothing fails in silence: an error of the worker, or of the page itself, is one to read. What went
// wrong first is what the rest follows from.
function showFailure(what: string): void {
  if (!failure.shown) failure.show(what, ["Reload", () => location.reload()]);
}
addEventListener("unhandledrejection", ({ reason }) => showFailure(`Something went wrong: ${reason?.message ?? reason}`));
addEventListener("error", ({ message }) => showFailure(`Something went wrong: ${message}`));

start().catch((error: Error) => showFailure(`The page cannot start: ${error.message}`));
