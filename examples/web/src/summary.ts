import { make } from "./dom";
import { formatDelta, formatPlain, formatValue, longName, shortName, unitOf } from "./format";
import type { Estimate, TargetInfo } from "./worker/protocol";

type Estimates = Readonly<Record<string, Estimate>>;

/** The predictions that matter most in one line that stays in sight, and what the last change did to them. */
export class Summary {
  /** @param onChoose Called with a target that is pressed. */
  constructor(
    private readonly root: HTMLElement,
    private readonly onChoose: (target: string) => void,
  ) {}

  /**
   * @param current Predictions of the network.
   * @param before Those of the one before the last change, if there was one.
   */
  show(targets: readonly TargetInfo[], current: Estimates, before: Estimates | null): void {
    const focused = [...this.root.children].indexOf(document.activeElement as Element);
    this.root.replaceChildren(...targets.map((target) => this.#cell(target, current[target.name], before?.[target.name])));
    if (focused >= 0) (this.root.children[focused] as HTMLElement | undefined)?.focus({ preventScroll: true });
  }

  #cell(target: TargetInfo, now: Estimate | undefined, before: Estimate | undefined): HTMLElement {
    const name = make("span", { class: "label" }, `${shortName(target)} ${unitOf(target)}`);
    const value = make("span", { class: "now" }, ...(now ? spelled(target, now) : ["…"]));
    const change = make("span", { class: "change" }, now && before ? changed(now, before) : "");
    const attributes = { type: "button", "data-summary": target.name };
    const cell = make("button", attributes, name, value, change, make("span", { class: "unseen" }, longName(target)));
    if (now && before) {
      const verdict = judged(target, now, before);
      if (verdict) cell.classList.add(verdict);
    }
    cell.addEventListener("click", () => this.onChoose(target.name));
    return cell;
  }
}

const half = (estimate: Estimate) => (estimate.upper[0] - estimate.lower[0]) / 2;

/** A value, and its half-interval in small; without units. */
function spelled(target: TargetInfo, now: Estimate): (string | Node)[] {
  if (target.exact || !(half(now) > 0)) return [formatPlain(now.mean[0])];
  return [formatValue(now.mean[0], half(now)), make("small", {}, ` ± ${formatValue(half(now), half(now))}`)];
}

function changed(now: Estimate, before: Estimate): string {
  return formatDelta(now.mean[0] - before.mean[0], half(now));
}

/** Whether a change is for the better, as far as it can be read. */
function judged(target: TargetInfo, now: Estimate, before: Estimate): "good" | "bad" | null {
  if (changed(now, before) === "±0") return null;
  return now.mean[0] > before.mean[0] === (target.direction === "max") ? "good" : "bad";
}

/** The same in a sentence, for who hears it. */
export function saidOf(targets: readonly TargetInfo[], current: Estimates, before: Estimates | null): string {
  const parts = targets.map((target) => {
    const now = current[target.name];
    if (!now) return "";
    const was = before?.[target.name];
    const how = was ? `, ${changed(now, was)}` : "";
    return `${longName(target)} ${half(now) > 0 ? formatValue(now.mean[0], half(now)) : formatPlain(now.mean[0])} ${target.unit}${how}`;
  });
  return parts.filter(Boolean).join("; ");
}
