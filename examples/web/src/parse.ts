import { parseObject } from "../../js/src/json";
import { AnbError, type Architecture, type SearchSpace, toCodes } from "./anb";

// Far more than any architecture takes.
const MAX_LENGTH = 20_000;

/**
 * Read an architecture that someone has pasted: an index, JSON or a Python dict of the 28 genes or
 * of the four lists, a list of 28 codes or of the values in their order, or a link to this page.
 */
export function parseArchitecture(text: string, space: SearchSpace): Uint8Array {
  const trimmed = text.trim();
  if (!trimmed) throw new Error("paste an index, a dict, JSON or a link");
  if (trimmed.length > MAX_LENGTH) {
    throw new Error(`this has ${trimmed.length.toLocaleString("en")} characters; one architecture, please`);
  }
  const link = /[#?&]a=(\d+)/.exec(trimmed);
  if (link) return toCodes(BigInt(link[1]), space);
  const digits = trimmed.replaceAll(/[,_\s]/g, "");
  if (/^\d+$/.test(digits)) return toCodes(BigInt(digits), space);
  const json = trimmed
    .replace(/^\w+\(([^]*)\)$/, "$1") // OrderedDict(...), dict(...)
    .replaceAll("'", '"')
    .replaceAll(/\bTrue\b/g, "true")
    .replaceAll(/\bFalse\b/g, "false")
    .replaceAll('"true"', "true")
    .replaceAll('"false"', "false")
    .replaceAll("(", "[")
    .replaceAll(")", "]")
    .replaceAll(/,\s*([\]}])/g, "$1");
  let value: unknown;
  try {
    // In an object, so that lists are read as strictly.
    ({ value } = parseObject(`{"value":${json}}`, "this"));
  } catch (error) {
    const twice = error instanceof AnbError && /key .* stands twice/.exec(error.message)?.[0];
    throw new Error(twice ? `${twice}` : "this is neither an index nor a dict of genes");
  }
  const isCode = (v: unknown) => Number.isInteger(v) && (v as number) >= 0 && (v as number) < 256;
  if (Array.isArray(value) && value.every(isCode)) return toCodes(Uint8Array.from(value as number[]), space);
  return toCodes(value as Architecture, space);
}
