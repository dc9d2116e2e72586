import { codesToIndex, codesToValues, EFFICIENTNET_B0, encode, type SearchSpace, toCodes } from "./anb";
import { answersOf, meansOf } from "./answers";
import { Comparison } from "./compare";
import { type Shown, Lists } from "./lists";
import { copy, verify, whileDisabled } from "./actions";
import { download, toCsv } from "./csv";
import { Data } from "./data";
import type { Designer } from "./designer";
import { find, make } from "./dom";
import { FilterFields } from "./filters";
import { formatRate, grouped, longName } from "./format";
import { listenForFiles, readFiles, readTexts } from "./given";
import { miniGlyph } from "./glyph";
import { readArchitectures } from "./imports";
import { Message } from "./messages";
import { parseArchitecture } from "./parse";
import { listen } from "./plot/gestures";
import { Scatter, type ScatterView } from "./plot/scatter";
import { proofOf } from "./proof";
import { Readout } from "./readout";
import { DEFAULT_Y, type How, readHash, SAMPLE_SIZES, type Store, writeHash } from "./state";
import { saidOf, Summary } from "./summary";
import type { Client } from "./worker/client";
import type { Estimate, Event, Proven, TargetInfo } from "./worker/protocol";
import { sampleCodes } from "./worker/sample";

const SEED = 1;

/** Ties the parts together: the store changes, the parts draw. */
export class Page {
  readonly #data: Data;
  readonly #readout: Readout;
  readonly #summary: Summary;
  readonly #comparison: Comparison;
  readonly #lists: Lists;
  readonly #scatter: Scatter;
  readonly #filters: FilterFields;
  #current: Record<string, Estimate> | null = null;
  /** Predictions of the network before the last change. */
  #before: Record<string, Estimate> | null = null;
  #preview: Record<string, Estimate> | null = null;
  /** Predictions of the network that was kept to compare with. */
  #ofKept: Record<string, Estimate> | null = null;
  #searching: ScatterView["searching"] = null;
  #proven: Proven | null = null;
  /** What the last search has found, in words. */
  #found = "";
  #previewed = 0;
  /** The latest search; what an earlier one says is of another view. */
  #search = 0;
  /** The codes that #current is of. */
  #predicted: Uint8Array | null = null;
  /** Targets that have failed to come, and why. */
  readonly #failed = new Map<string, string>();
  readonly #lacking = new Message(find("lacking"));
  readonly #refused = new Message(find("refused"));
  readonly #taken = new Message(find("taken"));
  /** Architectures of a file, and their predictions. */
  #given: Shown["given"] = null;
  #ofGiven: Record<string, Estimate> | null = null;
  /** Whether the whole sample has been predicted. */
  #sampled = false;

  constructor(
    private readonly client: Client,
    private readonly space: SearchSpace,
    private readonly targets: Map<string, TargetInfo>,
    private readonly store: Store,
    private readonly designer: Designer,
  ) {
    this.#data = new Data(targets);
    this.#readout = new Readout(find("rows"), [...targets.values()], (x) => store.setAxis("x", x));
    designer.onChange = (codes) => store.set({ codes });
    designer.onPreview = (codes) => void this.#showPreview(codes);
    this.#comparison = new Comparison(find("comparison"), space);
    this.#lists = new Lists(client, space, () => this.#shown(), (codes) => store.set({ codes }));
    this.#summary = new Summary(find("summary"), (target) => this.#readout.reveal(target));
    this.#filters = new FilterFields(find("filters"), targets, (t, range, run) => store.setFilter(t, range, run));
    const view = () => this.#scatterView();
    this.#scatter = new Scatter(find("plot"), this.#data, view, longName);
    listen(find("plot"), this.#scatter, view, () => this.#data.front, {
      setRange: (target, range, run) => store.setFilter(target, range, run),
      hover: (row, px, py) => this.#hover(row, px, py),
      load: (row) => store.set({ codes: toCodes(this.#data.indices[row], space) }),
    });
    this.#fillTargets();
    this.#fillSizes();
    this.#listenToButtons();
    store.subscribe((_, changed, how) => this.#onChange(changed, how));
    // Back, forward, and an address that someone has changed.
    addEventListener("popstate", () => store.restore(readHash(location.hash, space, [...targets.keys()])));
    find("figure-size").textContent = space.size.toLocaleString("en");
  }

  /** Show the view; what can be seen first comes down first. Resolves when all has. */
  async begin(): Promise<void> {
    this.#onChange(new Set(["codes", "x", "y", "filters", "kept"]), "replace");
    await this.#predict(this.store.view.codes, this.#axes.slice(0, 1));
    find("app").setAttribute("aria-busy", "false");
    await this.#predict(this.store.view.codes, this.#needed());
    await this.#sample(this.store.view.n);
    await this.#prove();
  }

  /** Targets that the view cannot do without. */
  #needed(): string[] {
    return [...new Set([...this.#axes, ...Object.keys(this.store.view.filters)])];
  }

  #scatterView(): ScatterView {
    const { x, y, filters } = this.store.view;
    return {
      x: this.targets.get(x)!,
      y: this.targets.get(y)!,
      filters,
      current: about(this.#current, x, y),
      preview: about(this.#preview, x, y),
      kept: about(this.#ofKept, x, y),
      given: about(this.#ofGiven, x, y),
      searching: this.#searching,
      proven: this.#proven?.fronts[`${x} ${y}`] ?? null,
    };
  }

  #onChange(changed: ReadonlySet<string>, how: How): void {
    const { codes, x, y, filters, n } = this.store.view;
    const hash = writeHash(this.store.view, this.space);
    if (location.hash !== hash) history[how === "push" ? "pushState" : "replaceState"](null, "", hash);
    if (changed.has("n")) void this.#sample(n);
    find<HTMLSelectElement>("sample-size").value = String(n);
    if (changed.has("codes")) {
      this.designer.show(codes);
      find<HTMLTextAreaElement>("architecture").value = String(codesToIndex(codes, this.space));
      find("paste-error").textContent = "";
      void this.#predict(codes);
    }
    if (changed.has("kept")) void this.#keep();
    const axes = changed.has("x") || changed.has("y");
    if (axes) {
      this.#readout.choose(x, y);
      this.#showSummary();
      this.#showProof();
      find<HTMLSelectElement>("x-target").value = x;
      find<HTMLSelectElement>("y-target").value = y;
      this.#hover(-1, 0, 0);
    }
    if (axes || changed.has("filters")) {
      // What the view has come to need comes before what else is on its way.
      if (!this.#sampled && this.#current) void this.#predict(codes, this.#needed());
      this.#endSearch();
      this.#filters.show([y, x], filters);
      this.#select(axes);
    }
  }

  /** Apply the filters and draw; `fit` chooses the axes' ranges anew. */
  #select(fit: boolean): void {
    const { x, y, filters } = this.store.view;
    if (!this.#data.select(filters, x, y)) return;
    if (fit) this.#scatter.fit();
    else this.#scatter.redraw();
    this.#showCounts();
    this.#lists.refresh();
  }

  #showCounts(): void {
    const { nSelected, nSampled, front } = this.#data;
    const count = (n: number) => n.toLocaleString("en");
    const part = nSelected < nSampled ? `${count(nSelected)} of ${count(nSampled)}` : count(nSampled);
    find("counts").textContent =
      `${part} random architectures · ${count(front.length)} on the Pareto front${this.#found}`;
  }

  /** Show what is proven of all architectures, once it is there. */
  async #prove(): Promise<void> {
    try {
      this.#proven = await this.client.call("prove", {});
    } catch (error) {
      const again = make("button", { type: "button" }, "Try again");
      again.addEventListener("click", () => void this.#prove());
      find("proof").replaceChildren(`What is proven cannot be shown: ${(error as Error).message} `, again);
      return;
    }
    if (!this.#proven) return;
    this.#scatter.fit();
    await this.#predict(this.store.view.codes);
  }

  #showProof(): void {
    const proven = this.#proven;
    if (!proven) return;
    const [y, x] = this.#axes.map((name) => this.targets.get(name)!);
    const text = proofOf(proven, this.#current ?? {}, y, x, this.space.size);
    find("proof").textContent = text ?? ""; // what it said may be of another target
  }

  /** The targets of both axes, the vertical one first. */
  get #axes(): [string, string] {
    return [this.store.view.y, this.store.view.x];
  }

  /** Show what is predicted of an architecture: of the targets named, once they are there, and of others that are. */
  async #predict(codes: Uint8Array, names: string[] = []): Promise<void> {
    const estimates = await this.client.call("predict", { codes, names });
    if (codes !== this.store.view.codes) return; // a newer architecture is on its way
    if (codes !== this.#predicted) this.#before = this.#current;
    this.#predicted = codes;
    this.#current = estimates;
    void this.#showPreview(null);
    this.#readout.showEstimates(estimates);
    this.#showSummary();
    this.#showProof();
    this.#showComparison();
    this.#lists.refresh();
    this.#scatter.refresh();
  }

  /** Predict the network that is kept. */
  async #keep(): Promise<void> {
    const { kept } = this.store.view;
    const estimates = kept && (await this.client.call("predict", { codes: kept, names: [] }));
    if (kept !== this.store.view.kept) return;
    this.#ofKept = estimates;
    this.#showComparison();
    this.#scatter.refresh();
  }

  #showComparison(): void {
    const { kept, codes } = this.store.view;
    find("pin").textContent = kept ? "Keep this one instead" : "Keep this network as A";
    find("swap").hidden = find("unpin").hidden = !kept;
    if (!kept) this.#comparison.clear();
    else if (this.#ofKept && this.#current) this.#comparison.show(kept, codes, this.#ofKept, this.#current, [...this.targets.values()]);
  }

  /** What the lists are made of. */
  #shown(): Shown {
    const { codes, x, y, filters } = this.store.view;
    const front = Float64Array.from(this.#data.front, (row) => this.#data.indices[row]);
    return {
      codes,
      targets: [...this.targets.values()],
      axes: [y, x],
      front,
      searched: this.#found !== "",
      filtered: Object.keys(filters).length > 0,
      exact: this.#proven?.fronts[`${x} ${y}`]?.codes ?? null,
      given: this.#given,
    };
  }

  /** The axes' targets, and one more: what is filtered, or what a network costs. */
  #showSummary(): void {
    const names = [...new Set([...this.#needed(), "macs", ...this.targets.keys()])];
    const shown = names.flatMap((name) => this.targets.get(name) ?? []).slice(0, 3);
    this.#summary.show(shown, this.#current ?? {}, this.#before);
    if (this.#before) find("announce").textContent = saidOf(shown, this.#current ?? {}, this.#before);
  }

  async #showPreview(codes: Uint8Array | null): Promise<void> {
    const asked = ++this.#previewed;
    const estimates = codes && (await this.client.call("predict", { codes, names: [] }));
    if (asked !== this.#previewed) return;
    this.#preview = estimates;
    this.#readout.showPreview(estimates);
    this.#scatter.refresh();
  }

  async #sample(n: number): Promise<void> {
    this.#sampled = false;
    this.#endSearch();
    this.#failed.clear();
    this.#lacking.clear();
    const args = { n, seed: SEED, first: this.#needed() };
    const facts = await this.client.call("sample", args).catch(passSuperseded);
    if (!facts) return;
    this.#sampled = true;
    this.#setImprovable(true);
    find("figure-rate").textContent = formatRate(facts.rate);
    find("figure-rate").dataset.value = String(Math.round(facts.rate));
    const total = `${(facts.predictions / 1e6).toFixed(1)} M predictions`;
    find("readout-note").textContent = `${total} in ${facts.seconds.toFixed(1)} s`;
  }

  onEvent(event: Event): void {
    if (event.event === "progress") showProgress(event.done, event.total);
    else if (event.event === "loaded") void Promise.all([this.#predict(this.store.view.codes), this.#keep(), this.#predictGiven()]);
    else if (event.event === "failed") this.#showFailed(event.target, event.message);
    else if (event.event === "indices") this.#data.startSample(event.indices);
    else if (event.event === "column") {
      const { target, mean, quantiles, histogram } = event;
      this.#data.addColumn(target, mean);
      this.#readout.showDistribution(target, { quantiles, histogram });
      if (this.#needed().includes(target)) this.#select(true);
    } else if (event.event === "searching" && event.search === this.#search) {
      this.#searching = { x: event.x, y: event.y };
      find("counts").textContent =
        `searching: ${event.evaluated.toLocaleString("en")} architectures looked at, ${event.x.length} on the front`;
      this.#scatter.refresh();
    }
  }

  /** Say which target has not come, and why; the others are shown without it. */
  #showFailed(target: string, message: string): void {
    this.#failed.set(target, message);
    const names = [...this.#failed.keys()].map((name) => longName(this.targets.get(name)!)).join(", ");
    this.#lacking.show(`${names} cannot be shown: ${message}`, ["Try again", () => void this.#sample(this.store.view.n)]);
  }

  async #improve(): Promise<void> {
    const search = this.#endSearch();
    this.#setImprovable(false);
    const { x, y, filters } = this.store.view;
    const start = Float64Array.from(this.#data.front, (row) => this.#data.indices[row]);
    const found = await this.client.call("improve", { search, x, y, filters, start }).catch(passSuperseded);
    // The view or the sample may have become another one; what was found does not belong to it.
    if (!found || search !== this.#search) return;
    this.#endSearch();
    this.#data.setFound(found);
    const looked = found.evaluated.toLocaleString("en");
    this.#found = `, ${looked} more searched in ${found.seconds.toFixed(1)} s`;
    this.#select(true);
  }

  /** Let go of a search that may be going on; returns the number of the next one. */
  #endSearch(): number {
    this.#found = "";
    this.#searching = null;
    this.#setImprovable(this.#sampled);
    return ++this.#search;
  }

  #setImprovable(may: boolean): void {
    find<HTMLButtonElement>("improve").disabled = !may;
  }

  #hover(row: number, px: number, py: number): void {
    const tip = find("plot").querySelector<HTMLElement>(".tip")!;
    this.#scatter.hovered = row;
    this.#scatter.refresh();
    tip.hidden = row < 0;
    if (row < 0) return;
    const { x, y } = this.store.view;
    const byKey = Number.isNaN(px);
    const left = byKey ? this.#scatter.x.at(this.#data.columns[x][row]) : px;
    const top = byKey ? this.#scatter.y.at(this.#data.columns[y][row]) : py;
    const index = this.#data.indices[row];
    const what = this.#scatter.describe(row);
    const picture = make("div");
    picture.innerHTML = miniGlyph(toCodes(index, this.space), this.space); // numbers only
    const words = make("p", {}, ...what.split(", ").flatMap((text, k) => (k ? [make("br"), text] : [text])));
    const hint = `${byKey ? "Enter" : "Press"} to load no. ${index.toLocaleString("en")}`;
    tip.replaceChildren(...picture.children, words, make("p", { class: "hint" }, hint));
    placeTip(tip, left, Math.max(8, top));
    if (byKey) find("announce").textContent = what;
  }

  /** Take a device of one's own, and show it on the horizontal axis. */
  async #add(given: Promise<File[]>): Promise<void> {
    this.#refused.clear();
    this.#taken.clear();
    let added: TargetInfo[];
    try {
      const all = await given;
      const texts = await readTexts(all);
      if (texts.length) return this.#import(texts);
      added = await this.client.call("add", { files: await readFiles(all) });
    } catch (error) {
      this.#refused.show(`This cannot be added: ${(error as Error).message}`);
      return;
    }
    for (const target of added) this.targets.set(target.name, target);
    const ordered = grouped([...this.targets.values()]).flatMap((group) => group.targets);
    this.#readout.setTargets(ordered);
    this.#fillTargets();
    await Promise.all([this.#predict(this.store.view.codes), this.#keep(), this.#predictGiven()]);
    const { x, n } = this.store.view;
    if (this.#axes.includes(added[0].name)) this.#readout.choose(x, this.store.view.y);
    else this.store.setAxis("x", added[0].name);
    await this.#sample(n);
  }

  /** Take architectures of files: one is loaded, several are listed and drawn. */
  #import(texts: readonly [string, string][]): void {
    const n = this.space.nGenes;
    const read = texts.map(([name, text]) => {
      try {
        return readArchitectures(text, this.space);
      } catch (error) {
        throw new Error(`${name}: ${(error as Error).message}`);
      }
    });
    const codes = new Uint8Array(read.reduce((length, { codes }) => length + codes.length, 0));
    read.reduce((at, { codes: own }) => (codes.set(own, at), at + own.length), 0);
    const from = texts.map(([name]) => name).join(", ");
    const ignored = [...new Set(read.flatMap(({ ignored }) => ignored))];
    const passed = ignored.length ? `; passed over: ${ignored.slice(0, 8).join(", ")}` : "";
    const count = codes.length / n;
    this.#taken.show(`${count.toLocaleString("en")} architecture${count === 1 ? "" : "s"} of ${from}${passed}.`);
    if (count === 1) return this.store.set({ codes });
    this.#given = { codes, from };
    void this.#predictGiven();
    this.#lists.choose("given");
  }

  async #predictGiven(): Promise<void> {
    const given = this.#given;
    const estimates = given && (await this.client.call("predict", { codes: given.codes, names: [] }));
    if (given !== this.#given) return;
    this.#ofGiven = estimates;
    this.#scatter.refresh();
  }

  #fillTargets(): void {
    for (const axis of ["x", "y"] as const) {
      const select = find<HTMLSelectElement>(`${axis}-target`);
      select.replaceChildren();
      for (const group of grouped([...this.targets.values()])) {
        const options = make("optgroup", { label: group.title });
        for (const target of group.targets) options.append(new Option(longName(target), target.name));
        select.append(options);
      }
      select.value = this.store.view[axis];
    }
    find("figure-targets").textContent = String(this.targets.size);
  }

  #fillSizes(): void {
    const size = find<HTMLSelectElement>("sample-size");
    for (const n of SAMPLE_SIZES) size.append(new Option(n.toLocaleString("en"), String(n)));
    size.addEventListener("change", () => this.store.set({ n: Number(size.value) }));
  }

  #listenToButtons(): void {
    const { store, space } = this;
    const click = (id: string, act: (button: HTMLButtonElement) => unknown) => {
      const button = find<HTMLButtonElement>(id);
      button.addEventListener("click", () => void act(button));
    };
    click("to-b0", () => store.set({ codes: toCodes(EFFICIENTNET_B0, space) }));
    click("to-random", () => {
      const seed = crypto.getRandomValues(new Uint32Array(1))[0];
      store.set({ codes: sampleCodes(1, seed, space) });
    });
    click("copy-json", (button) => copy(button, JSON.stringify(codesToValues(store.view.codes, space))));
    click("copy-link", (button) => copy(button, location.href));
    click("pin", () => store.set({ kept: store.view.codes }));
    click("unpin", () => store.set({ kept: null }));
    click("swap", () => store.set({ codes: store.view.kept!, kept: store.view.codes }));
    click("improve", () => this.#improve());
    click("csv-front", (button) => whileDisabled(button, this.#saveFront()));
    click("csv-selection", (button) => whileDisabled(button, this.#saveSelection()));
    click("verify-pure", (button) => whileDisabled(button, verify(this.client, "pure")));
    click("verify-ort", (button) => whileDisabled(button, verify(this.client, "ort-web")));
    listenForFiles(find("add"), find("files"), (files) => void this.#add(files));
    for (const axis of ["x", "y"] as const) {
      const select = find<HTMLSelectElement>(`${axis}-target`);
      select.addEventListener("change", () => store.setAxis(axis, select.value));
    }
    const field = find<HTMLTextAreaElement>("architecture");
    find("paste").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#take(field.value);
    });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault();
      this.#take(field.value);
    });
    field.addEventListener("focus", () => field.select());
    field.addEventListener("input", () => (find("paste-error").textContent = ""));
    document.addEventListener("paste", (event) => {
      if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
      const text = event.clipboardData?.getData("text/plain");
      if (text?.trim()) this.#take(text);
    });
  }

  /** Load the architecture of a text, or list those of several lines. */
  #take(text: string): void {
    find("paste-error").textContent = "";
    this.#refused.clear();
    try {
      this.store.set({ codes: parseArchitecture(text, this.space) });
    } catch (error) {
      if (!text.trim().includes("\n")) return void (find("paste-error").textContent = (error as Error).message);
      try {
        this.#import([["what was pasted", text]]);
      } catch (other) {
        find("paste-error").textContent = (other as Error).message;
      }
    }
  }

  async #saveFront(): Promise<void> {
    const codes = encode(Float64Array.from(this.#data.front, (row) => this.#data.indices[row]), this.space);
    const estimates = await this.client.call("predict", { codes, names: [...this.targets.keys()] });
    const table = answersOf(codes, estimates, this.space);
    download(await toCsv(table, this.#data.front.map((_, row) => row), this.space), this.#fileName("front"));
  }

  /** Means alone, as there may be a million of them. */
  async #saveSelection(): Promise<void> {
    const table = { indices: this.#data.indices, columns: meansOf(this.#data.columns) };
    download(await toCsv(table, this.#data.selectedRows(), this.space), this.#fileName("selection"));
  }

  #fileName(name: string): string {
    return `anb-${name}-${this.#axes.filter((target) => target !== DEFAULT_Y).join("-")}.csv`;
  }
}

export function showProgress(done: number, total: number): void {
  const bar = find("progress");
  bar.hidden = done >= total;
  bar.setAttribute("aria-valuenow", String(Math.round((100 * done) / total)));
  bar.querySelector("i")!.style.transform = `scaleX(${done / total})`;
}

/** Estimates, unless they were asked for before a target came. */
function about(estimates: Record<string, Estimate> | null, ...names: string[]): Record<string, Estimate> | null {
  return estimates && names.every((name) => name in estimates) ? estimates : null;
}

/** Undefined for what a newer call has ended; other errors go on. */
function passSuperseded(error: Error): undefined {
  if (error.message !== "superseded") throw error;
}

/** Put a tip beside a point of the plot; where it is too wide for either side, above or below. */
function placeTip(tip: HTMLElement, x: number, y: number): void {
  const { clientWidth: width, clientHeight: height } = tip.parentElement!;
  tip.style.left = "0"; // else its width is what is left of the plot's
  const { offsetWidth: own, offsetHeight: high } = tip;
  const beside = x > width / 2 ? x - own - 16 : x + 16;
  const left = Math.max(0, Math.min(beside, width - own));
  const away = left === beside ? 0 : (high / 2 + 16) * (y > height / 2 ? -1 : 1);
  tip.style.left = `${left}px`;
  tip.style.top = `${y + away}px`;
}
