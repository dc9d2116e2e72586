import { formatPlain, formatRank, formatShare, longName } from "./format";
import type { Estimate, Place, Proven, TargetInfo } from "./worker/protocol";

/** What is proven of an architecture and of two targets, in words; null where nobody counted them. */
export function proofOf(
  proven: Proven,
  current: Readonly<Record<string, Estimate>>,
  y: TargetInfo,
  x: TargetInfo,
  size: bigint,
): string | null {
  const [a, b] = [y, x].map(({ name }) => current[name]?.place);
  if (!a || !b) return null;
  const count = (n: number | bigint) => n.toLocaleString("en");
  const called = (target: TargetInfo) => (target.device ? longName(target) : longName(target).toLowerCase());
  const best = (target: TargetInfo) => `${formatPlain(proven.optima[target.name])} ${target.unit}`;
  const place = ({ rank, better }: Place) => `${formatRank(rank)}, better than ${formatShare(better)}`;
  const front = proven.fronts[`${x.name} ${y.name}`];
  const b0 = [proven.b0[y.name], proven.b0[x.name]];
  const isB0 = b0[0] === a.rank[0] && b0[1] === b.rank[0];
  return [
    `Among all ${count(size)} this network is ${place(a)}, in ${called(y)}, and ${place(b)}, in ${called(x)}.`,
    b0.every(Boolean) && !isB0 ? `EfficientNet-B0 is no. ${count(b0[0])} and no. ${count(b0[1])}.` : "",
    `The best there are have ${best(y)}, and ${best(x)}.`,
    front ? `The broad line is the exact front, of ${count(front.x.length)}.` : "",
    "This is proven of the surrogates' predictions, not of measurements.",
  ].filter(Boolean).join(" ");
}
