/** Base of every error that the input of a user can cause. */
export class AnbError extends Error {
  override name = "AnbError";
}

/** An architecture, or a batch of them, is not a member of the search space. */
export class ArchitectureError extends AnbError {
  override name = "ArchitectureError";
}

/** A target, metric or device is not one of those on offer. */
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

/** An interval was asked for at a level that cannot be given. */
export class LevelError extends AnbError {
  override name = "LevelError";
}

/** A value as text for a message: short, and of one line. */
export function show(value: unknown): string {
  if (typeof value === "bigint") return `${value}`;
  let text: string | undefined;
  try {
    text = JSON.stringify(value, (_, v) => (typeof v === "bigint" ? `${v}` : v));
  } catch {
    // A cycle, for one.
  }
  text ??= String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
