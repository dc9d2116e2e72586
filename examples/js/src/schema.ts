import { ArtifactError, show } from "./errors.js";

/** Version of `manifest.json`, and of the metadata in ONNX files, that this package reads. */
export const SCHEMA = 2;

/** Refuse another schema, with what mends it: an older one is converted, a newer one needs a newer package. */
export function checkSchema(found: unknown, source: string): void {
  if (found === SCHEMA) return;
  if (found === 1) {
    const mend = "convert its folder with: anb-export upgrade OLD_FOLDER --out NEW_FOLDER";
    throw new ArtifactError(`${source} has schema 1, this package reads ${SCHEMA}; ${mend}`);
  }
  if (Number.isInteger(found) && (found as number) > SCHEMA) {
    throw new ArtifactError(`${source} has schema ${show(found)}, this package reads ${SCHEMA}; update the package`);
  }
  throw new ArtifactError(`${source}: key "schema" must be ${SCHEMA}, not ${show(found)}`);
}
