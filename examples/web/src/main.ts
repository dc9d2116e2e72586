import { SearchSpace } from "./anb";
import { BENCHMARK } from "./benchmark";
import { find } from "./dom";
import { grouped } from "./format";
import { Page, showProgress } from "./page";
import { readHash, Store, Y } from "./state";
import { Client } from "./worker/client";
import type { Event } from "./worker/protocol";

let onEvent = (event: Event): void => {
  if (event.event === "loading") showProgress(event.done, event.total);
};
const client = new Client((event) => onEvent(event));

async function start(): Promise<void> {
  const artifacts = new URL("artifacts/", document.baseURI).href;
  const opened = await client.call("open", { artifacts, benchmark: BENCHMARK });
  const space = SearchSpace.fromDocument(opened.space);
  const ordered = grouped(opened.targets).flatMap((group) => group.targets);
  const targets = new Map(ordered.map((target) => [target.name, target]));
  if (!targets.has(Y)) throw new Error(`the artifacts lack the target ${Y}`);
  const names = [...targets.keys()];
  const page = new Page(client, space, targets, new Store(readHash(location.hash, space, names)));
  onEvent = (event) => page.onEvent(event);
}

/** Say what has gone wrong, at the top of the page. */
function showFailure(what: string): void {
  const failure = find("failure");
  if (!failure.hidden) return; // what went wrong first is what the rest follows from
  failure.hidden = false;
  failure.textContent = what;
}

// Nothing fails in silence: an error of the worker, or of the page itself, is one to read.
addEventListener("unhandledrejection", ({ reason }) => showFailure(`Something went wrong: ${reason?.message ?? reason}`));
addEventListener("error", ({ message }) => showFailure(`Something went wrong: ${message}`));

start().catch((error: Error) => showFailure(`The page cannot start: ${error.message}`));

if (import.meta.env.PROD && "serviceWorker" in navigator && isSecureContext) {
  navigator.serviceWorker
    .register("./sw.js")
    .then(() => navigator.serviceWorker.ready)
    .then(() => (find("offline").textContent = "Now available offline."))
    .catch(() => undefined); // the page works without
}
