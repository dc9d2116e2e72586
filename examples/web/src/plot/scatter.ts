import type { Data } from "../data";
import { formatPlain, ticks } from "../format";
import type { Estimate, Filters, Range, TargetInfo } from "../worker/protocol";
import { drawDensity } from "./density";
import { Nearest } from "./nearest";
import { extent, Scale } from "./scale";
import { theme } from "./theme";

/** Most architectures of a file that are drawn. */
const MOST_GIVEN = 10_000;
const MARGIN = { left: 54, right: 18, top: 14, bottom: 46 };

export interface ScatterView {
  x: TargetInfo;
  y: TargetInfo;
  filters: Filters;
  /** The current architecture, and what a change to it would give. */
  current: Record<string, Estimate> | null;
  preview: Record<string, Estimate> | null;
  /** The one that was kept to compare with. */
  kept: Record<string, Estimate> | null;
  /** Those of a file. */
  given: Record<string, Estimate> | null;
  /** The front while a search is going on. */
  searching: { x: Float32Array; y: Float32Array } | null;
  /** The exact front, of all architectures. */
  proven: { x: Float32Array; y: Float32Array } | null;
}

/** Draws the sample on two canvases: the cloud below, all that changes often above. */
export class Scatter {
  x = new Scale(0, 1, 0, 1);
  y = new Scale(0, 1, 1, 0);
  /** Row under the pointer, or walked to by keys; -1 for none. */
  hovered = -1;
  #ratio = 1;
  #width = 0;
  #height = 0;
  #nearest: Nearest | null = null;
  #cloudIsOld = true;
  #frame = 0;
  readonly #density: HTMLCanvasElement;
  readonly #overlay: HTMLCanvasElement;

  constructor(
    private readonly root: HTMLElement,
    private readonly data: Data,
    private readonly view: () => ScatterView,
    private readonly labelX: (t: TargetInfo) => string,
  ) {
    this.#density = root.querySelector(".density")!;
    this.#overlay = root.querySelector(".overlay")!;
    new ResizeObserver(() => this.redraw()).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  /** Draw everything anew, in the next frame. */
  redraw(): void {
    this.#cloudIsOld = true;
    this.refresh();
  }

  /** Draw what lies above the cloud anew, in the next frame. */
  refresh(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#cloudIsOld) this.#drawCloud();
      this.#drawOverlay();
    });
  }

  /** Choose the axes' ranges; called when a target or the sample changes, not while filtering. */
  fit(): void {
    const { x, y, current, proven } = this.view();
    const xs = this.data.columns[x.name];
    const ys = this.data.columns[y.name];
    if (!xs || !ys) return;
    const n = this.data.nSampled;
    const also = (name: string, column: Float32Array) => [
      ...this.data.front.map((row) => column[row]),
      ...(current ? [current[name].mean[0]] : []),
    ];
    // Of the exact front what lies beside the sample: its ends are far away.
    const within = (values: Float32Array, others: Float32Array, [low, high]: readonly [number, number]) =>
      [...values].filter((_, i) => others[i] >= low && others[i] <= high);
    const near = extent(xs.subarray(0, n), also(x.name, xs));
    const above = proven ? within(proven.y, proven.x, near) : [];
    const [y0, y1] = extent(ys.subarray(0, n), [...also(y.name, ys), ...above]);
    const beside = proven ? within(proven.x, proven.y, [y0, y1]) : [];
    const [x0, x1] = extent(xs.subarray(0, n), [...also(x.name, xs), ...beside]);
    this.x = new Scale(x0, x1, this.x.from, this.x.to);
    this.y = new Scale(y0, y1, this.y.from, this.y.to);
    this.redraw();
  }

  nearest(px: number, py: number): number {
    const { x, y } = this.view();
    const xs = this.data.columns[x.name];
    const ys = this.data.columns[y.name];
    if (!xs || !ys) return -1;
    // The front first: its points are drawn larger and on top.
    let best = 12 ** 2;
    let found = -1;
    for (const row of this.data.front) {
      const distance = (this.x.at(xs[row]) - px) ** 2 + (this.y.at(ys[row]) - py) ** 2;
      if (distance < best) [best, found] = [distance, row];
    }
    if (found >= 0) return found;
    if (!this.#nearest) {
      const n = this.data.nSampled;
      const pixelX = new Float32Array(n);
      const pixelY = new Float32Array(n);
      for (let i = 0; i < n; i++) {
        pixelX[i] = this.data.mask[i] ? this.x.at(xs[i]) : Number.NaN;
        pixelY[i] = this.y.at(ys[i]);
      }
      this.#nearest = new Nearest(pixelX, pixelY, this.#width, this.#height);
    }
    return this.#nearest.find(px, py);
  }

  #resize(): void {
    const { clientWidth: width, clientHeight: height } = this.root;
    this.#ratio = Math.min(2, devicePixelRatio || 1);
    for (const canvas of [this.#density, this.#overlay]) {
      canvas.width = Math.round(width * this.#ratio);
      canvas.height = Math.round(height * this.#ratio);
    }
    this.#width = width;
    this.#height = height;
    const { left, right, top, bottom } = MARGIN;
    this.x = new Scale(this.x.low, this.x.high, left, width - right);
    this.y = new Scale(this.y.low, this.y.high, height - bottom, top);
  }

  #drawCloud(): void {
    this.#resize();
    this.#cloudIsOld = false;
    this.#nearest = null;
    const { x, y } = this.view();
    const xs = this.data.columns[x.name];
    const ys = this.data.columns[y.name];
    if (!xs || !ys) return;
    // No room, as while the page is hidden: the observer has it drawn once there is.
    if (this.#density.width === 0 || this.#density.height === 0) return;
    const cloud = { x: xs, y: ys, n: this.data.nSampled, mask: this.data.mask };
    drawDensity(this.#density, cloud, this.x, this.y, this.#ratio, theme().ink);
    this.#drawProven(this.#density.getContext("2d")!);
  }

  /** The exact front, behind the cloud. */
  #drawProven(c: CanvasRenderingContext2D): void {
    const { proven } = this.view();
    if (!proven) return;
    c.save();
    c.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    c.globalCompositeOperation = "destination-over";
    this.#clip(c);
    c.strokeStyle = theme().proven;
    c.lineWidth = 5;
    c.lineJoin = "round";
    this.#stairs(c, proven.x, proven.y);
    c.restore();
  }

  /** Draw nothing beyond the axes. */
  #clip(c: CanvasRenderingContext2D): void {
    const { left, right, top, bottom } = MARGIN;
    c.beginPath();
    c.rect(left - 6, top - 6, this.#width - left - right + 12, this.#height - top - bottom + 12);
    c.clip();
  }

  /** A staircase: up to the next better point, the one before is the best there is. */
  #stairs(c: CanvasRenderingContext2D, xs: Float32Array, ys: Float32Array): void {
    const { x } = this.view();
    // The front of a search is in the order of x, an exact one in that of its first target.
    const [px, py] = [Array.from(xs, (v) => this.x.at(v)), Array.from(ys, (v) => this.y.at(v))];
    const order = [...px.keys()].sort((a, b) => px[a] - px[b]);
    c.beginPath();
    order.forEach((i, k) => {
      const before = order[k - 1];
      if (k === 0) c.moveTo(px[i], py[i]);
      else if (x.direction === "max") c.lineTo(px[before], py[i]);
      else c.lineTo(px[i], py[before]);
      c.lineTo(px[i], py[i]);
    });
    c.stroke();
  }

  #drawOverlay(): void {
    const c = this.#overlay.getContext("2d")!;
    c.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    c.clearRect(0, 0, this.#width, this.#height);
    this.#drawAxes(c);
    const { x, y } = this.view();
    const xs = this.data.columns[x.name];
    const ys = this.data.columns[y.name];
    if (!xs || !ys) return;
    this.#drawRanges(c);
    const { searching } = this.view();
    if (searching) this.#drawFront(c, searching.x, searching.y);
    else {
      const pick = (column: Float32Array) => Float32Array.from(this.data.front, (row) => column[row]);
      this.#drawFront(c, pick(xs), pick(ys));
    }
    if (this.hovered >= 0) {
      const colours = theme();
      c.beginPath();
      c.arc(this.x.at(xs[this.hovered]), this.y.at(ys[this.hovered]), 6, 0, 2 * Math.PI);
      c.lineWidth = 2;
      c.strokeStyle = colours.text;
      c.stroke();
    }
    this.#drawGiven(c);
    this.#drawCurrent(c);
  }

  #drawAxes(c: CanvasRenderingContext2D): void {
    const { x, y } = this.view();
    const colours = theme();
    const { left, right, bottom } = MARGIN;
    const base = this.#height - bottom;
    c.font = `12px ${colours.font}`;
    c.fillStyle = colours.muted;
    c.strokeStyle = colours.line;
    c.lineWidth = 1;
    c.textBaseline = "middle";
    c.textAlign = "right";
    for (const tick of ticks(this.y.low, this.y.high, Math.max(3, this.#height / 70))) {
      const at = Math.round(this.y.at(tick)) + 0.5;
      c.globalAlpha = 0.45;
      line(c, left, at, this.#width - right, at);
      c.globalAlpha = 1;
      c.fillText(tick.toLocaleString("en"), left - 8, at);
    }
    c.textAlign = "center";
    c.textBaseline = "top";
    for (const tick of ticks(this.x.low, this.x.high, Math.max(4, this.#width / 110))) {
      const at = Math.round(this.x.at(tick)) + 0.5;
      line(c, at, base, at, base + 5);
      c.fillText(tick.toLocaleString("en"), at, base + 8);
    }
    c.strokeStyle = colours.muted;
    line(c, left, base + 0.5, this.#width - right, base + 0.5);
    c.fillStyle = colours.text;
    c.font = `600 12px ${colours.font}`;
    c.textAlign = "right";
    c.fillText(`${this.labelX(x)} (${x.unit})${x.direction === "max" ? " →" : ""}`, this.#width - right, base + 26);
    if (x.direction === "min") {
      c.textAlign = "left";
      c.fillText("← less is better", left, base + 26);
    }
    c.textAlign = "left";
    c.textBaseline = "top";
    c.fillText(`${y.direction === "max" ? "↑ " : ""}${this.labelX(y)} (${y.unit})${y.direction === "min" ? ", ↓ less is better" : ""}`, 8, 0);
  }

  /** The filters of both axes, as bands along them. */
  #drawRanges(c: CanvasRenderingContext2D): void {
    const { x, y, filters } = this.view();
    const colours = theme();
    const bottom = this.#height - MARGIN.bottom;
    const band = (range: Range | undefined, scale: Scale, draw: (a: number, b: number) => void) => {
      if (!range) return;
      const ends = [scale.from, scale.to].sort((a, b) => a - b);
      const clamp = (p: number) => Math.max(ends[0], Math.min(ends[1], p));
      const pixels = [range[0] ?? scale.low, range[1] ?? scale.high].map((v) => clamp(scale.at(v)));
      draw(Math.min(...pixels), Math.max(...pixels));
    };
    c.fillStyle = colours.you;
    band(filters[x.name], this.x, (a, b) => {
      c.globalAlpha = 0.9;
      c.fillRect(a, bottom - 1, b - a, 4);
      c.fillRect(a - 1.5, bottom - 5, 3, 12);
      c.fillRect(b - 1.5, bottom - 5, 3, 12);
    });
    band(filters[y.name], this.y, (a, b) => {
      c.globalAlpha = 0.9;
      c.fillRect(MARGIN.left - 4, a, 4, b - a);
      c.fillRect(MARGIN.left - 8, a - 1.5, 12, 3);
      c.fillRect(MARGIN.left - 8, b - 1.5, 12, 3);
    });
    c.globalAlpha = 1;
  }

  #drawFront(c: CanvasRenderingContext2D, xs: Float32Array, ys: Float32Array): void {
    if (!xs.length) return;
    const colours = theme();
    const px = Array.from(xs, (v) => this.x.at(v));
    const py = Array.from(ys, (v) => this.y.at(v));
    c.save();
    this.#clip(c);
    c.strokeStyle = colours.front;
    c.lineWidth = 1.75;
    this.#stairs(c, xs, ys);
    const crowded = px.length > 100;
    const radius = px.length > 300 ? 1.8 : crowded ? 2.5 : 3.6;
    for (let i = 0; i < px.length; i++) {
      c.beginPath();
      c.arc(px[i], py[i], radius, 0, 2 * Math.PI);
      c.fillStyle = colours.front;
      c.fill();
      if (crowded) continue;
      c.lineWidth = 1;
      c.strokeStyle = colours.panel;
      c.stroke();
    }
    c.restore();
  }

  /** Architectures of a file: small squares. */
  #drawGiven(c: CanvasRenderingContext2D): void {
    const { x, y, given } = this.view();
    if (!given) return;
    const [xs, ys] = [given[x.name].mean, given[y.name].mean];
    c.save();
    this.#clip(c);
    const colours = theme();
    c.fillStyle = colours.you;
    c.strokeStyle = colours.panel;
    c.lineWidth = 1;
    for (let i = 0; i < Math.min(xs.length, MOST_GIVEN); i++) {
      const [px, py] = [this.x.at(xs[i]), this.y.at(ys[i])];
      c.fillRect(px - 3, py - 3, 6, 6);
      c.strokeRect(px - 3.5, py - 3.5, 7, 7);
    }
    c.restore();
  }

  #drawCurrent(c: CanvasRenderingContext2D): void {
    const { x, y, current, preview, kept } = this.view();
    if (!current) return;
    const colours = theme();
    const at = (e: Record<string, Estimate>, part: "mean" | "lower" | "upper") =>
      [this.x.at(e[x.name][part][0]), this.y.at(e[y.name][part][0])] as const;
    const [cx, cy] = at(current, "mean");
    c.strokeStyle = c.fillStyle = colours.you;
    if (kept) this.#drawKept(c, ...at(kept, "mean"));
    if (preview) {
      const [px, py] = at(preview, "mean");
      c.lineWidth = 1.5;
      line(c, cx, cy, px, py);
      c.beginPath();
      c.arc(px, py, 5, 0, 2 * Math.PI);
      c.fillStyle = colours.panel;
      c.fill();
      c.stroke();
    }
    const lower = at(current, "lower");
    const upper = at(current, "upper");
    c.lineWidth = 2;
    line(c, lower[0], cy, upper[0], cy);
    line(c, cx, lower[1], cx, upper[1]);
    c.beginPath();
    c.arc(cx, cy, 6.5, 0, 2 * Math.PI);
    c.fillStyle = colours.you;
    c.fill();
    c.lineWidth = 2;
    c.strokeStyle = colours.panel;
    c.stroke();
    c.font = `600 12px ${colours.font}`;
    c.textBaseline = "middle";
    const text = "this network";
    const room = this.#width - MARGIN.right - c.measureText(text).width - 14;
    c.textAlign = cx < room ? "left" : "right";
    const tx = cx + (cx < room ? 12 : -12);
    c.lineWidth = 4;
    c.lineJoin = "round";
    c.strokeText(text, tx, cy + 14);
    c.fillStyle = colours.you;
    c.fillText(text, tx, cy + 14);
  }

  /** A ring with the letter that the comparison calls it by. */
  #drawKept(c: CanvasRenderingContext2D, x: number, y: number): void {
    const colours = theme();
    c.lineWidth = 2;
    c.beginPath();
    c.arc(x, y, 9, 0, 2 * Math.PI);
    c.fillStyle = colours.panel;
    c.fill();
    c.stroke();
    c.font = `600 12px ${colours.font}`;
    c.fillStyle = colours.you;
    c.textAlign = "center";
    c.textBaseline = "middle";
    c.fillText("A", x, y + 0.5);
  }

  /** Values of a row on both axes, for people. */
  describe(row: number): string {
    const { x, y } = this.view();
    const value = (t: TargetInfo) =>
      `${this.labelX(t)} ${formatPlain(this.data.columns[t.name][row])} ${t.unit}`;
    return `${value(y)}, ${value(x)}`;
  }
}

function line(c: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  c.beginPath();
  c.moveTo(x0, y0);
  c.lineTo(x1, y1);
  c.stroke();
}
