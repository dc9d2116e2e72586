/** Base of every error that the input of a user can cause. */
export class AnbError extends Error {
  override name = "AnbError";
}

/** An architecture, or a batch of them, is not a member of the search space. */
export class ArchitectureError extends AnbError {
  override name = "ArchitectureError";
}

/** A target, metric, device or benchmark is not one of those on offer. */
export class TargetError extends AnbError {
  override name = "TargetError";
}

/** An artifact or its manifest is missing, damaged or of another schema. */
export class ArtifactError extends AnbError {
  override name = "ArtifactError";
}

/** An engine was asked for that is unknown or cannot run here. */
export class EngineError extends AnbError {
  override name = "EngineError";
}

/** A fidelity was asked for that an artifact does not have, or not at this value. */
export class FidelityError extends AnbError {
  override name = "FidelityError";
}

/** An interval was asked for at a level that cannot be given. */
export class LevelError extends AnbError {
  override name = "LevelError";
}

/** What is asked for is not among what is proven of a target, or contradicts it. */
export class TruthError extends AnbError {
  override name = "TruthError";
}

/**
 * A value as text for a message: short, of one line, and without characters that would act on a
 * terminal or turn the text around.
 */
export function show(value: unknown): string {
  let text: string | undefined;
  try {
    text = typeof value === "bigint" ? `${value}` : (summary(value) ?? JSON.stringify(value, plain));
    text ??= String(value);
  } catch {
    text = `(${typeof value})`; // a cycle, for one
  }
  return escaped(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}

/** What something that was thrown says, which need not be an `Error`. */
export function messageOf(error: unknown): string {
  return escaped(error instanceof Error ? error.message : show(error));
}

/** Text from outside as it may stand in a message: see `show`. */
export function escaped(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

const plain = (_: string, value: unknown) => (typeof value === "bigint" ? `${value}` : value);

/** What is too long to be written out only to be cut off. */
function summary(value: unknown): string | undefined {
  if (typeof value === "string" && value.length > 80) return JSON.stringify(value.slice(0, 80));
  if (typeof value === "function") return `function ${value.name}`;
  const isMemory = ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
  if (isMemory) return `${Object.prototype.toString.call(value).slice(8, -1)} of ${value.byteLength} bytes`;
  if (Array.isArray(value) && value.length > 80) return `${JSON.stringify(value.slice(0, 80), plain)}`;
  return undefined;
}
