/** What an entry of the form "vector" says of its outputs, and of the curve that they make. */

import { Calibration } from "./calibration.js";
import type { Target } from "./catalog.js";
import { CurveForm, hasKeys } from "./curves.js";
import { ArtifactError, show } from "./errors.js";
import { isName } from "./json.js";
import { Link } from "./link.js";
import type { SearchSpace } from "./space.js";

/** The form of artifacts of several outputs. */
export const VECTOR = "vector";

/** Keys that entries of this form may have, and no others. */
export const VECTOR_KEYS = ["outputs", "curve", "seed_noise"];

/** Most outputs of an artifact. */
export const MAX_OUTPUTS = 64;

const LINK_KEYS = ["inverse", "offset", "hinges", "regime"] as const;

/** One of several outputs: a metric, or a coefficient of a curve. */
export interface Output {
  readonly name: string;
  readonly unit: string;
  readonly direction: Target["direction"];
  readonly link: Link;
  readonly calibration: Calibration | null;
  readonly document: Readonly<Record<string, unknown>>;
}

/** What a card says of several outputs. */
export interface VectorCard {
  readonly outputs: readonly Output[];
  readonly curve: CurveForm | null;
  /** The number of the output that predicts the noise between seeds, and what intervals are made of then. */
  readonly seedNoise: { readonly output: number; readonly calibration: Calibration } | null;
}

/** Read a card; throws `ArtifactError` naming the key and what is allowed. */
export function readVectorCard(card: Readonly<Record<string, unknown>>, space: SearchSpace, source: string): VectorCard {
  const { outputs: listed, curve = null, seed_noise: noise = null } = card;
  if (!Array.isArray(listed) || listed.length < 1 || listed.length > MAX_OUTPUTS) {
    throw new ArtifactError(`${source}: key "outputs" must be a list of 1 to ${MAX_OUTPUTS} objects, not ${show(listed)}`);
  }
  const outputs = listed.map((output, k) => readOutput(output, space, `${source}: output ${k}`));
  const names = outputs.map(({ name }) => name);
  const double = names.find((name, k) => names.indexOf(name) < k);
  if (double !== undefined) throw new ArtifactError(`${source}: two outputs are called ${show(double)}`);
  let form: CurveForm | null = null;
  if (curve !== null) {
    form = CurveForm.fromDocument(curve, Link.fromDocument(card.link, source, space), outputs.length, source);
  } else {
    checkFirst(outputs[0], card, source);
  }
  return { outputs, curve: form, seedNoise: noise === null ? null : readNoise(noise, names, source) };
}

function readOutput(document: unknown, space: SearchSpace, source: string): Output {
  const needed = ["name", "unit", "direction", "link"];
  if (!hasKeys(document, needed, ["calibration", "quality"])) {
    const keys = `${needed.join(", ")}, and calibration and quality if any`;
    throw new ArtifactError(`${source} must be an object of ${keys}, not ${show(document)}`);
  }
  const { name, unit, direction, calibration = null } = document;
  if (!isName(name) || !isName(unit) || (direction !== "max" && direction !== "min")) {
    throw new ArtifactError(`${source} must have a name, an unit and the direction max or min, not ${show(document)}`);
  }
  const where = `${source} (${name})`;
  const link = Link.fromDocument(document.link, where, space);
  const read = calibration === null ? null : Calibration.fromDocument(calibration, where);
  return { name, unit, direction, link, calibration: read, document };
}

/** Without a curve the first output is the target. */
function checkFirst(first: Output, card: Readonly<Record<string, unknown>>, source: string): void {
  const [own, link] = [first.document.link, card.link].map((value) => value as Record<string, unknown> | undefined);
  const same = LINK_KEYS.every((key) => JSON.stringify(own?.[key]) === JSON.stringify(link?.[key]));
  if (same && first.unit === card.unit && first.direction === card.direction) return;
  throw new ArtifactError(
    `${source}: key "outputs": without a curve, unit, direction and link of the first output must be those of the target`,
  );
}

function readNoise(document: unknown, names: readonly string[], source: string): NonNullable<VectorCard["seedNoise"]> {
  const where = `${source}: key "seed_noise"`;
  if (!hasKeys(document, ["output", "calibration"])) {
    throw new ArtifactError(`${where} must be an object of output and calibration, not ${show(document)}`);
  }
  const output = names.indexOf(document.output as string);
  if (output < 0) {
    throw new ArtifactError(`${where}: its output must be one of ${names.join(", ")}, not ${show(document.output)}`);
  }
  return { output, calibration: Calibration.fromDocument(document.calibration, where) };
}
