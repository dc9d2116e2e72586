import { make } from "./dom";
import { formatDelta, formatPlain, formatRank, formatValue, grouped, longName, shortName, shortShare, unitOf } from "./format";
import type { Estimate, TargetInfo } from "./worker/protocol";

/** How the predictions of one target are distributed over the random sample. */
export interface Distribution {
  quantiles: Float32Array;
  histogram: Float32Array;
}

interface Row {
  target: TargetInfo;
  element: HTMLElement;
  value: HTMLElement;
  half: HTMLElement;
  better: HTMLElement;
  strip: HTMLElement;
  hills: SVGPathElement;
  marks: SVGGElement;
}

const WIDTH = 240;
const HEIGHT = 26;

/** One row per target: value, interval, where it lies among random architectures. */
export class Readout {
  readonly #rows = new Map<string, Row>();
  readonly #distributions = new Map<string, Distribution>();
  #estimates: Record<string, Estimate> | null = null;
  #preview: Record<string, Estimate> | null = null;

  constructor(
    private readonly root: HTMLElement,
    targets: readonly TargetInfo[],
    private readonly onChoose: (target: string) => void,
  ) {
    this.setTargets(targets);
  }

  /** List these targets, instead of those that were there. */
  setTargets(targets: readonly TargetInfo[]): void {
    this.root.replaceChildren();
    this.#rows.clear();
    this.#preview = null;
    for (const group of grouped(targets)) {
      const title = document.createElement("h3");
      title.textContent = group.title;
      if (group.title !== "Accuracy") this.root.append(title);
      for (const target of group.targets) this.root.append(this.#makeRow(target));
    }
  }

  showEstimates(estimates: Record<string, Estimate>): void {
    this.#estimates = estimates;
    this.#draw();
  }

  /** Show what a change would do, or, with null, no longer. */
  showPreview(estimates: Record<string, Estimate> | null): void {
    this.#preview = estimates;
    this.#draw();
  }

  showDistribution(target: string, distribution: Distribution): void {
    this.#distributions.set(target, distribution);
    const row = this.#rows.get(target)!;
    const { histogram } = distribution;
    const top = Math.max(...histogram) || 1;
    const step = WIDTH / histogram.length;
    let path = `M0 ${HEIGHT}`;
    histogram.forEach((count, bin) => {
      const y = HEIGHT - (count / top) * (HEIGHT - 3);
      path += `L${(bin * step).toFixed(1)} ${y.toFixed(1)}L${((bin + 1) * step).toFixed(1)} ${y.toFixed(1)}`;
    });
    row.hills.setAttribute("d", `${path}L${WIDTH} ${HEIGHT}Z`);
    this.#draw();
  }

  /** Bring a target into view, and its row into focus. */
  reveal(target: string): void {
    const row = this.#rows.get(target)?.element;
    row?.scrollIntoView({ block: "nearest" });
    row?.focus({ preventScroll: true });
  }

  /** Mark the targets that are on the axes. */
  choose(x: string, y: string): void {
    for (const [name, row] of this.#rows) {
      row.element.setAttribute("aria-pressed", String(name === x));
      row.element.classList.toggle("vertical", name === y);
    }
  }

  #makeRow(target: TargetInfo): HTMLElement {
    const cell = (name: string) => make("span", { class: name });
    const [value, half, strip, better] = ["value", "half", "strip", "better"].map(cell);
    strip.innerHTML = `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true"><path class="hills"/><g class="marks"/></svg>`;
    const name = make("span", { class: "name" }, shortName(target), make("small", {}, unitOf(target)));
    const title = `${longName(target)}: show on the horizontal axis`;
    const attributes = { type: "button", class: "row", title, "data-target": target.name };
    const element = make("button", attributes, name, value, half, strip, better);
    element.addEventListener("click", () => this.onChoose(target.name));
    this.#rows.set(target.name, {
      target,
      element,
      value,
      half,
      better,
      strip,
      hills: element.querySelector(".hills")!,
      marks: element.querySelector(".marks")!,
    });
    return element;
  }

  #draw(): void {
    if (!this.#estimates) return;
    for (const [name, row] of this.#rows) {
      const estimate = this.#estimates[name];
      if (!estimate) continue; // of a target that has just come
      const mean = estimate.mean[0];
      const half = (estimate.upper[0] - estimate.lower[0]) / 2;
      row.value.textContent = half > 0 ? formatValue(mean, half) : formatPlain(mean);
      row.half.textContent = row.target.exact ? "exact" : estimate.predictiveStd ? `± ${formatValue(half, half)}` : "± ?";
      const distribution = this.#distributions.get(name);
      const preview = this.#preview?.[name];
      row.better.classList.toggle("delta", preview !== undefined);
      row.element.classList.remove("good", "bad");
      if (preview) {
        const delta = preview.mean[0] - mean;
        row.better.textContent = formatDelta(delta, half);
        const gain = row.target.direction === "max" ? delta : -delta;
        if (row.better.textContent !== "±0") row.element.classList.add(gain > 0 ? "good" : "bad");
      } else if (estimate.place) {
        row.better.textContent = shortShare(estimate.place.better);
        row.better.title = `${formatRank(estimate.place.rank)} of all architectures`;
      } else if (distribution) {
        row.better.textContent = betterThan(mean, distribution.quantiles, row.target.direction);
      }
      if (distribution) row.marks.innerHTML = marks(estimate, preview, distribution.quantiles);
    }
  }
}

/** The share of random architectures that this one beats, in per cent. */
export function betterThan(value: number, quantiles: Float32Array, direction: "max" | "min"): string {
  let low = 0;
  let high = quantiles.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (quantiles[middle] < value) low = middle + 1;
    else high = middle;
  }
  const below = (100 * low) / (quantiles.length - 1);
  const share = Math.max(0, Math.min(100, direction === "max" ? below : 100 - below));
  if (share > 99 || share < 1) return `${share.toFixed(1)} %`;
  return `${Math.round(share)} %`;
}

function marks(estimate: Estimate, preview: Estimate | undefined, quantiles: Float32Array): string {
  const low = quantiles[1];
  const high = quantiles[quantiles.length - 2];
  const place = (v: number) => Math.max(1, Math.min(WIDTH - 1, ((v - low) / (high - low || 1)) * WIDTH));
  const from = place(estimate.lower[0]);
  const to = place(estimate.upper[0]);
  const at = place(estimate.mean[0]);
  const ghost = preview
    ? `<rect class="ghost" x="${(place(preview.mean[0]) - 1.5).toFixed(1)}" y="0" width="3" height="${HEIGHT}"/>`
    : "";
  return `<rect class="interval" x="${from.toFixed(1)}" y="4" width="${Math.max(0, to - from).toFixed(1)}" height="${HEIGHT - 4}"/>${ghost}<rect class="at" x="${(at - 1.25).toFixed(2)}" y="0" width="2.5" height="${HEIGHT}"/>`;
}
