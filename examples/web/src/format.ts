import type { TargetInfo } from "./worker/protocol";

// Maps: an object has properties that nobody put there.
const DEVICES = new Map([
  ["a100", "A100"],
  ["3090", "RTX 3090"],
  ["tpuv2", "TPU v2"],
  ["tpuv3", "TPU v3"],
  ["zcu102", "ZCU102"],
  ["vck190", "VCK190"],
]);
const METRICS = new Map([
  ["accuracy", "Accuracy"],
  ["throughput", "throughput"],
  ["latency", "latency"],
  ["train_time", "Training time"],
  ["macs", "Multiply-adds"],
  ["params", "Parameters"],
]);

/** Order and groups in which targets are listed. */
const GROUPS: [string, (t: TargetInfo) => boolean][] = [
  ["Accuracy", (t) => t.metric === "accuracy"],
  ["Your device", (t) => t.own],
  ["GPU and TPU throughput", (t) => t.metric === "throughput" && /^(a100|3090|tpu)/.test(t.device ?? "")],
  ["FPGA throughput", (t) => t.metric === "throughput"],
  ["FPGA latency", (t) => t.metric === "latency"],
  ["Cost", () => true],
];
const DEVICE_ORDER = ["a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190"];

export function grouped(targets: readonly TargetInfo[]): { title: string; targets: TargetInfo[] }[] {
  const left = new Set(targets);
  const groups = GROUPS.map(([title, fits]) => {
    const found = [...left].filter(fits);
    found.forEach((t) => left.delete(t));
    const place = (t: TargetInfo) =>
      t.device ? DEVICE_ORDER.indexOf(t.device) : [...METRICS.keys()].indexOf(t.metric);
    return { title, targets: found.sort((a, b) => place(a) - place(b)) };
  });
  return groups.filter((group) => group.targets.length);
}

/** The device, or the metric of what depends on none. */
export function shortName(t: TargetInfo): string {
  return t.device ? (DEVICES.get(t.device) ?? t.device) : (METRICS.get(t.metric) ?? t.metric);
}

export function longName(t: TargetInfo): string {
  return t.device ? `${shortName(t)} ${METRICS.get(t.metric) ?? t.metric}` : shortName(t);
}

export function unitOf(t: TargetInfo): string {
  return t.unit === "images/s" ? "img/s" : t.unit;
}

/** A value to the digits that its half-interval leaves meaningful. */
export function formatValue(value: number, half: number): string {
  return grouping(value, half > 0 ? 1 - Math.floor(Math.log10(half)) : 3 - magnitude(value));
}

/** A value with about four digits. */
export function formatPlain(value: number): string {
  return grouping(value, 3 - magnitude(value));
}

export function formatDelta(delta: number, half: number): string {
  const text = grouping(Math.abs(delta), half > 0 ? 1 - Math.floor(Math.log10(half)) : 2 - magnitude(delta));
  if (Number(text.replaceAll(",", "")) === 0) return "±0";
  return `${delta < 0 ? "−" : "+"}${text}`;
}

function magnitude(value: number): number {
  return value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
}

function grouping(value: number, decimals: number): string {
  const digits = Math.max(0, Math.min(3, decimals));
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return value.toLocaleString("en", options);
}

/** A share in per cent, with two digits of what is missing where it is nearly none or all. */
export function formatShare(share: number): string {
  const rest = Math.min(share, 1 - share);
  if (rest <= 0) return share < 0.5 ? "0 %" : "100 %";
  const digits = rest < 0.01 ? Math.min(9, 1 - Math.floor(Math.log10(100 * rest))) : 0;
  return `${(100 * share).toFixed(digits)} %`;
}

/** The same in few characters. */
export function shortShare(share: number): string {
  if (share > 0.9999 && share < 1) return "> 99.99 %";
  if (share < 0.0001 && share > 0) return "< 0.01 %";
  return formatShare(share);
}

/** A rank, or what it lies between. */
export function formatRank([least, most]: readonly [number, number]): string {
  const [a, b] = [least, most].map((rank) => rank.toLocaleString("en"));
  return least === most ? `no. ${a}` : `between no. ${a} and ${b}`;
}

export function formatRate(rate: number): string {
  return rate >= 1e6 ? `${(rate / 1e6).toFixed(1)} M` : `${Math.round(rate / 1000)} k`;
}

/** Round numbers between low and high, about `count` of them. */
export function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count;
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((s) => s * power >= rough) ?? 10);
  const found: number[] = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}
