import type { Range } from "../worker/protocol";
import type { Scatter, ScatterView } from "./scatter";
import type { Scale } from "./scale";

// Movement below which a press is a click.
const CLICK = 4;
// Distance within which a press takes hold of a range's end.
const HANDLE = 10;

/** Drags so far, which each have a number. */
let drags = 0;

export interface Gestures {
  /** @param run What is the same for all of one drag. */
  setRange(target: string, range: Range | null, run?: string): void;
  hover(row: number, px: number, py: number): void;
  load(row: number): void;
}

/** Mouse, touch and keys on the scatter plot. */
export function listen(
  root: HTMLElement,
  scatter: Scatter,
  view: () => ScatterView,
  front: () => readonly number[],
  act: Gestures,
): void {
  const axisX = root.querySelector<HTMLElement>(".axis-x")!;
  const axisY = root.querySelector<HTMLElement>(".axis-y")!;
  brush(axisX, root, "clientX", () => scatter.x, () => view().x.name, view, act);
  brush(axisY, root, "clientY", () => scatter.y, () => view().y.name, view, act);
  plane(root, scatter, view, act);
  keys(root, scatter, front, act);
}

/** Drag along an axis: a new range, one of its ends, or the whole range. */
function brush(
  axis: HTMLElement,
  root: HTMLElement,
  coordinate: "clientX" | "clientY",
  scale: () => Scale,
  target: () => string,
  view: () => ScatterView,
  act: Gestures,
): void {
  const pixel = (event: PointerEvent) => {
    const box = root.getBoundingClientRect();
    return event[coordinate] - (coordinate === "clientX" ? box.left : box.top);
  };
  axis.addEventListener("pointerdown", (down) => {
    if (down.button !== 0) return;
    down.preventDefault();
    axis.setPointerCapture(down.pointerId);
    const start = pixel(down);
    const s = scale();
    const range = view().filters[target()];
    const ends = range && ([s.at(range[0] ?? s.low), s.at(range[1] ?? s.high)] as const);
    const held = ends?.findIndex((end) => Math.abs(end - start) <= HANDLE) ?? -1;
    const inside = ends && held < 0 && start > Math.min(...ends) && start < Math.max(...ends);
    let moved = false;
    const run = `drag ${++drags}`;
    const move = (event: PointerEvent) => {
      const now = pixel(event);
      moved ||= Math.abs(now - start) >= CLICK;
      if (!moved) return;
      let between = [start, now];
      if (ends && held >= 0) between = [ends[1 - held], now];
      else if (ends && inside) between = ends.map((end) => end + now - start);
      const limits = [s.from, s.to].sort((a, b) => a - b);
      const values = between
        .map((p) => round(s.invert(Math.max(limits[0], Math.min(limits[1], p))), s))
        .sort((a, b) => a - b);
      act.setRange(target(), [values[0], values[1]], run);
    };
    const up = () => {
      axis.removeEventListener("pointermove", move);
      axis.removeEventListener("pointerup", up);
      axis.removeEventListener("pointercancel", up);
      if (!moved && held < 0 && !inside) act.setRange(target(), null);
    };
    axis.addEventListener("pointermove", move);
    axis.addEventListener("pointerup", up);
    axis.addEventListener("pointercancel", up);
  });
  axis.addEventListener("dblclick", () => act.setRange(target(), null));
}

/** Round a bound to what a pixel can tell apart. */
function round(value: number, scale: Scale): number {
  const pixel = Math.abs((scale.high - scale.low) / (scale.to - scale.from));
  const digits = Math.ceil(Math.log10(Math.abs(value) / pixel || 1)) + 1;
  return Number(value.toPrecision(Math.max(1, Math.min(15, digits))));
}

/** Hover and click in the plot; drag a rectangle with a mouse or a pen to filter both axes. */
function plane(root: HTMLElement, scatter: Scatter, view: () => ScatterView, act: Gestures): void {
  let down: { x: number; y: number; drags: boolean; moved: boolean } | null = null;
  const place = (event: PointerEvent) => {
    const box = root.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const canvas = root.querySelector<HTMLElement>(".overlay")!;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drags++;
    down = { ...place(event), drags: event.pointerType !== "touch", moved: false };
    if (down.drags) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const { x, y } = place(event);
    if (!down) return act.hover(scatter.nearest(x, y), x, y);
    down.moved ||= Math.hypot(x - down.x, y - down.y) >= CLICK;
    if (!down.moved || !down.drags) return;
    act.hover(-1, x, y);
    const range = (s: Scale, a: number, b: number): Range => {
      const limits = [s.from, s.to].sort((p, q) => p - q);
      const values = [a, b].map((p) => round(s.invert(Math.max(limits[0], Math.min(limits[1], p))), s));
      return [Math.min(...values), Math.max(...values)];
    };
    act.setRange(view().x.name, range(scatter.x, down.x, x), `drag ${drags}`);
    act.setRange(view().y.name, range(scatter.y, down.y, y), `drag ${drags}`);
  });
  canvas.addEventListener("pointerup", (event) => {
    const { x, y } = place(event);
    if (!down || down.moved) return void (down = null);
    const row = scatter.nearest(x, y);
    // Without a pointer that hovers, the first press shows what the second one loads.
    const seen = event.pointerType !== "touch" || scatter.hovered === row;
    down = null;
    if (!seen) return act.hover(row, x, y);
    if (row >= 0) act.load(row);
    if (event.pointerType === "touch") act.hover(-1, x, y); // else it would stay
  });
  canvas.addEventListener("pointercancel", () => (down = null));
  canvas.addEventListener("pointerleave", (event) => {
    if (!down && event.pointerType !== "touch") act.hover(-1, 0, 0);
  });
}

/** Arrow keys walk along the front, Enter loads, Escape leaves. */
function keys(
  root: HTMLElement,
  scatter: Scatter,
  front: () => readonly number[],
  act: Gestures,
): void {
  root.addEventListener("keydown", (event) => {
    const rows = front();
    const at = rows.indexOf(scatter.hovered);
    const last = rows.length - 1;
    const next: Record<string, number> = {
      ArrowRight: Math.min(last, at + 1),
      ArrowUp: Math.min(last, at + 1),
      ArrowLeft: at < 0 ? last : Math.max(0, at - 1),
      ArrowDown: at < 0 ? last : Math.max(0, at - 1),
      Home: 0,
      End: last,
    };
    if (event.key in next && rows.length) {
      event.preventDefault();
      act.hover(rows[next[event.key]], Number.NaN, Number.NaN);
    } else if (event.key === "Enter" && scatter.hovered >= 0) act.load(scatter.hovered);
    else if (event.key === "Escape") act.hover(-1, 0, 0);
  });
  root.addEventListener("blur", () => act.hover(-1, 0, 0));
}
