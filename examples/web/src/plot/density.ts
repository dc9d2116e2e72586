import type { Scale } from "./scale";

export type Colour = readonly [number, number, number];

export interface Cloud {
  x: Float32Array;
  y: Float32Array;
  n: number;
  mask: Uint8Array;
}

export interface Ink {
  /** From one point to many. */
  low: Colour;
  high: Colour;
  /** Points that do not pass the filters. */
  off: Colour;
}

/**
 * Draw a cloud of points so that its density stays visible: every point is a small disc, and the
 * colour follows the logarithm of how many cover a pixel.
 */
export function drawDensity(
  canvas: HTMLCanvasElement,
  cloud: Cloud,
  x: Scale,
  y: Scale,
  ratio: number,
  ink: Ink,
): void {
  const { width, height } = canvas;
  const context = canvas.getContext("2d")!;
  const on = new Float32Array(width * height);
  const off = new Uint8Array(width * height);
  const disc = stamp(ratio * (cloud.n > 300_000 ? 0.9 : 1.15), width);
  const ax = ((x.to - x.from) / (x.high - x.low)) * ratio;
  const bx = (x.from * ratio) - x.low * ax;
  const ay = ((y.to - y.from) / (y.high - y.low)) * ratio;
  const by = (y.from * ratio) - y.low * ay;
  // Nothing beyond the axes, nor so close to the border that a disc would wrap around.
  const [left, right] = limits(x, ratio, width);
  const [upper, bottom] = limits(y, ratio, height);
  for (let i = 0; i < cloud.n; i++) {
    const px = (cloud.x[i] * ax + bx) | 0;
    const py = (cloud.y[i] * ay + by) | 0;
    if (px < left || py < upper || px > right || py > bottom) continue;
    const at = py * width + px;
    if (cloud.mask[i]) for (const step of disc) on[at + step]++;
    else for (const step of disc) off[at + step] = 1;
  }
  let top = 1;
  for (let i = 0; i < on.length; i++) if (on[i] > top) top = on[i];
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const palette = ramp(ink, top);
  const faint = rgba(ink.off, 0.5);
  for (let i = 0; i < on.length; i++) {
    if (on[i] > 0) pixels[i] = palette[on[i]] ?? palette[palette.length - 1];
    else if (off[i]) pixels[i] = faint;
  }
  context.putImageData(image, 0, 0);
}

function limits(scale: Scale, ratio: number, size: number): [number, number] {
  const ends = [scale.from * ratio, scale.to * ratio];
  return [Math.max(4, Math.min(...ends)), Math.min(size - 5, Math.max(...ends))];
}

/** Offsets of the pixels of a disc. */
function stamp(radius: number, width: number): Int32Array {
  const steps: number[] = [];
  const reach = Math.ceil(radius);
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      if (dx * dx + dy * dy <= radius * radius) steps.push(dy * width + dx);
    }
  }
  return Int32Array.from(steps);
}

function ramp(ink: Ink, top: number): Uint32Array {
  const colours = new Uint32Array(Math.min(Math.ceil(top), 65_535) + 1);
  const scale = 1 / Math.log1p(top);
  for (let count = 1; count < colours.length; count++) {
    const t = top > 1 ? Math.log1p(count) * scale : 1;
    const mix = ink.low.map((c, k) => c + (ink.high[k] - c) * t) as unknown as Colour;
    colours[count] = rgba(mix, 0.55 + 0.45 * Math.min(1, t * 1.6));
  }
  return colours;
}

/** A pixel as ImageData holds it in a little-endian Uint32Array. */
function rgba([r, g, b]: Colour, alpha: number): number {
  return ((Math.round(alpha * 255) << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;
}
