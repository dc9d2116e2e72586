/** Values of genes as text: the same in every language. */

import { type Choice, type Gene, isFloat } from "./space.js";

// A number of so many digits before the point, or zeros behind it, has no exponent in Python's notation.
const MOST_PLAIN = 16;
const LEAST_PLAIN = -4;

/**
 * Return a finite number as Python writes a float: the fewest digits that read back as the same number, with
 * a point or an exponent of two digits at least (0.0005, 1e-05, 1.0, 1e+16).
 */
export function formatFloat(value: number): string {
  const [, sign, first, rest = "", power] = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(value.toExponential())!;
  const minus = sign || (Object.is(value, -0) ? "-" : "");
  const exponent = Number(power);
  if (exponent < LEAST_PLAIN || exponent >= MOST_PLAIN) {
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${minus}${first}${rest && `.${rest}`}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  const digits = first + rest;
  if (exponent < 0) return `${minus}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${minus}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

/** Return a value of a gene as it stands in a message. */
export function formatValue(gene: Gene, value: Choice): string {
  return typeof value === "number" && isFloat(gene) ? formatFloat(value) : String(value);
}

/** Return all choices of a gene as they stand in a message. */
export function formatChoices(gene: Gene): string {
  return gene.choices.map((choice) => formatValue(gene, choice)).join(", ");
}
