import type { Colour, Ink } from "./density";

export interface Theme {
  text: string;
  muted: string;
  line: string;
  panel: string;
  you: string;
  front: string;
  proven: string;
  font: string;
  ink: Ink;
}

/** The colours of the style sheet, which follow the system's light or dark setting. */
export function theme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const get = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: get("text"),
    muted: get("muted"),
    line: get("line"),
    panel: get("panel"),
    you: get("you"),
    front: get("front"),
    proven: get("proven"),
    font: getComputedStyle(document.body).fontFamily,
    ink: { low: rgb(get("ink-low")), high: rgb(get("ink-high")), off: rgb(get("ink-off")) },
  };
}

function rgb(hex: string): Colour {
  const n = Number.parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}
