import { Catalog, codesToIndices, MNASNET, type PureSurrogate, toCodes, type Truth } from "../anb";
import { paretoFront } from "../pareto";
import type { Call, Estimate, Event, Found, Place, Proven, Requests, SampleFacts, TargetInfo } from "./protocol";
import { infoOf, loadGiven, sameSpace } from "./own";
import { neighbours, sampleCodes } from "./sample";
import { Shelf } from "./shelf";

// Predictive intervals hold this share of new measurements.
const LEVEL = 0.9;
// Rows between two looks at the mailbox: some milliseconds.
const CHUNK = 8192;
const HISTOGRAM_BINS = 72;
const N_QUANTILES = 1001;

let catalog: Catalog;
let shelf: Shelf;
let truths: ReadonlyMap<string, Truth> | null = null;
let latestSample = 0;
/** Targets that the page has asked for last: the sample goes on with them. */
let urgent: readonly string[] = [];
let latestSearch = 0;

function tell(event: Event, transfer: Transferable[] = []): void {
  self.postMessage(event, { transfer });
}

/** Let waiting messages in; a timer would be clamped to 4 ms. */
const channel = new MessageChannel();
function breathe(): Promise<void> {
  return new Promise((resolve) => {
    channel.port1.onmessage = () => resolve();
    channel.port2.postMessage(null);
  });
}

async function open({ artifacts, benchmark }: Requests["open"]["args"]): Promise<Requests["open"]["result"]> {
  catalog = await Catalog.open(artifacts, { benchmark });
  if (!sameSpace(catalog.space, MNASNET)) {
    throw new Error(`the page draws architectures of the space mnasnet, these are of ${catalog.space.name}, or of other choices`);
  }
  shelf = new Shelf(catalog, (target) => tell({ event: "loaded", target }));
  return { targets: shelf.bundled };
}

/** Add targets of files; one of the same name that was added before is replaced. */
async function add({ files }: Requests["add"]["args"]): Promise<TargetInfo[]> {
  const bundled = new Set(catalog.targets.map(({ name }) => name));
  const added = await loadGiven(new Map(files), catalog.space, (name) => bundled.has(name));
  for (const surrogate of added) shelf.put(surrogate);
  return added.map((surrogate) => infoOf(surrogate, true));
}

async function predict({ codes, names }: Requests["predict"]["args"]): Promise<Record<string, Estimate>> {
  if (names.length) urgent = names;
  await Promise.all(names.map(needed));
  const found: Record<string, Estimate> = {};
  for (const [name, surrogate] of shelf.loaded) {
    const p = surrogate.querySync(codes);
    const exact = surrogate.metadata.exact === true;
    const calibrated = p.calibration && !exact;
    const { lower, upper } = calibrated ? p.interval(LEVEL) : { lower: p.mean, upper: p.mean };
    const predictiveStd = calibrated ? p.predictiveStd : exact ? new Float32Array(p.mean.length) : null;
    found[name] = { mean: p.mean, std: p.std, predictiveStd, lower, upper, place: p.mean.length ? placeOf(name, p.mean[0]) : null };
  }
  return found;
}

/** Load a target; null, and an event, where that fails. */
function needed(name: string): Promise<PureSurrogate | null> {
  return shelf.need(name).catch((error: Error) => {
    tell({ event: "failed", target: name, message: error.message });
    return null;
  });
}

/** Read what is proven; it is checked as the artifacts are. */
async function prove(): Promise<Proven | null> {
  truths = await catalog.readTruth();
  if (!truths) return null;
  const proven: Proven = { optima: {}, b0: {}, fronts: {} };
  for (const [name, truth] of truths) {
    proven.optima[name] = truth.optimum.value;
    const b0 = truth.landmarks.get("efficientnet-b0");
    if (b0) proven.b0[name] = Number(b0.better) + 1;
    for (const { targets, values, codes } of truth.fronts) {
      const other = targets[0] === name ? 1 : 0;
      const column = (k: number) => values.filter((_, i) => i % 2 === k);
      proven.fronts[`${name} ${targets[other]}`] = { x: column(1 - other), y: column(other), codes };
    }
  }
  return proven;
}

function placeOf(name: string, mean: number): Place | null {
  const truth = truths?.get(name);
  if (!truth?.distribution) return null;
  const [least, most] = truth.rankBounds(mean);
  return { better: truth.betterThan(mean), rank: [Number(least), Number(most)] };
}

async function sample(args: Requests["sample"]["args"]): Promise<SampleFacts> {
  const mine = ++latestSample;
  const started = performance.now();
  const { n, first } = args;
  const codes = sampleCodes(n, args.seed, catalog.space);
  const indices = Float64Array.from(codesToIndices(codes, catalog.space), Number);
  tell({ event: "indices", indices }, [indices.buffer]);
  const left = new Set([...first, ...shelf.names]);
  const total = left.size * n;
  let done = 0;
  let ensembleRows = 0;
  let ensembleTime = 0;
  while (left.size) {
    const name = urgent.find((name) => left.has(name)) ?? [...left][0];
    left.delete(name);
    const surrogate = await needed(name);
    if (mine !== latestSample) throw new Error("superseded");
    if (!surrogate) continue; // the page has been told
    const { tables, nMembers } = surrogate;
    const out = { mean: new Float32Array(n), std: new Float32Array(n), members: null };
    for (let start = 0; start < n; start += CHUNK) {
      const stop = Math.min(start + CHUNK, n);
      const from = performance.now();
      tables.predictInto(codes, start, stop, out);
      if (nMembers > 1) {
        ensembleTime += performance.now() - from;
        ensembleRows += stop - start;
      }
      tell({ event: "progress", done: done + stop, total });
      await breathe();
      if (mine !== latestSample) throw new Error("superseded");
    }
    done += n;
    tellColumn(name, out.mean);
  }
  const seconds = (performance.now() - started) / 1000;
  return { predictions: done, seconds, rate: (ensembleRows / ensembleTime) * 1000 };
}

/** Send the predictions of one target, and how they are distributed. */
function tellColumn(target: string, mean: Float32Array): void {
  const sorted = mean.slice().sort();
  const last = sorted.length - 1;
  const quantiles = new Float32Array(N_QUANTILES);
  for (let q = 0; q < N_QUANTILES; q++) {
    quantiles[q] = sorted[Math.round((q / (N_QUANTILES - 1)) * last)];
  }
  // Without the outermost thousandths, which would squeeze all others together.
  const low = quantiles[1];
  const high = quantiles[N_QUANTILES - 2];
  const histogram = new Float32Array(HISTOGRAM_BINS);
  const width = high > low ? HISTOGRAM_BINS / (high - low) : 0;
  for (const value of mean) {
    const bin = Math.floor((value - low) * width);
    if (bin >= 0 && bin < HISTOGRAM_BINS) histogram[bin]++;
  }
  const buffers = [mean.buffer, quantiles.buffer, histogram.buffer] as ArrayBuffer[];
  tell({ event: "column", target, mean, quantiles, histogram }, buffers);
}

/**
 * Push a Pareto front outwards: look at every one-gene change of every architecture on it, keep
 * what no other dominates, and go on until no change of any is better.
 */
async function improve({ search, x, y, filters, start }: Requests["improve"]["args"]): Promise<Found> {
  latestSearch = search;
  const started = performance.now();
  const { space } = catalog;
  const n = space.nGenes;
  const names = [...new Set([x, y, ...Object.keys(filters)])];
  const used = new Map(await Promise.all(names.map(async (name) => [name, await shelf.need(name)] as const)));
  const sign = (name: string) => (used.get(name)!.target.direction === "max" ? 1 : -1);
  const expanded = new Set<number>();
  let front = start;
  let evaluated = 0;
  for (;;) {
    const fresh = front.filter((index) => !expanded.has(index));
    if (!fresh.length || front.length > 20_000) break;
    fresh.forEach((index) => expanded.add(index));
    const pool = new Set(front);
    for (const index of fresh) {
      const changes = neighbours(toCodes(index, space), space);
      for (const found of codesToIndices(changes, space)) pool.add(Number(found));
    }
    const indices = Float64Array.from(pool);
    const codes = new Uint8Array(indices.length * n);
    indices.forEach((index, row) => codes.set(toCodes(index, space), row * n));
    const columns = new Map<string, Float32Array>();
    const allowed = new Uint8Array(indices.length).fill(1);
    for (const name of names) {
      const { mean } = used.get(name)!.tables.predict(codes);
      columns.set(name, mean);
      const [low, high] = filters[name] ?? [null, null];
      mean.forEach((value, row) => {
        if ((low !== null && value < low) || (high !== null && value > high)) allowed[row] = 0;
      });
    }
    evaluated += indices.length;
    const xs = columns.get(x)!;
    const ys = columns.get(y)!;
    const rows = paretoFront(xs, ys, sign(x), sign(y), allowed);
    front = Float64Array.from(rows, (row) => indices[row]);
    tell({
      event: "searching",
      search,
      evaluated,
      x: Float32Array.from(rows, (row) => xs[row]),
      y: Float32Array.from(rows, (row) => ys[row]),
    });
    await breathe();
    if (search !== latestSearch) throw new Error("superseded");
  }
  const codes = new Uint8Array(front.length * n);
  front.forEach((index, row) => codes.set(toCodes(index, space), row * n));
  const columns: Record<string, Float32Array> = {};
  for (const [name, surrogate] of shelf.loaded) columns[name] = surrogate.tables.predict(codes).mean;
  return { indices: front, columns, evaluated, seconds: (performance.now() - started) / 1000 };
}

const calls: { [K in keyof Requests]: (args: Requests[K]["args"]) => unknown } = {
  open,
  add,
  prove,
  predict,
  sample,
  improve,
  // Loaded when asked for: with ONNX Runtime it is far larger than the rest.
  verify: async ({ engine }) => (await import("./verify")).verify(catalog, engine),
};

self.onmessage = async ({ data }: MessageEvent<Call>) => {
  const { id, call, args } = data;
  try {
    self.postMessage({ id, result: await calls[call](args as never) });
  } catch (error) {
    self.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
};
