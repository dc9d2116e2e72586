// Prints what is proven of some means, for a comparison with another language's.
//
//     node truth.mjs FOLDER TARGET VALUES.json
//
// For each value a list: rank, its bounds, the share of all that is at most the value, and regret or,
// where it is better than the optimum, null. Ranks are texts, as they may exceed 2^53.

import { readFile } from "node:fs/promises";
import { failInOneLine } from "../bench/tool.mjs";
import { Catalog, TruthError } from "../dist/index.js";

failInOneLine();

const [folder, target, file] = process.argv.slice(2);
const truth = (await (await Catalog.open(folder)).readTruth()).get(target);
const regret = (value) => {
  try {
    return truth.regret(value);
  } catch (error) {
    if (error instanceof TruthError) return null;
    throw error;
  }
};
const found = JSON.parse(await readFile(file, "utf8")).map((value) => [
  ...[truth.rank(value), ...truth.rankBounds(value)].map(String),
  truth.quantile(value),
  regret(value),
]);
console.log(JSON.stringify({ resolution: truth.resolution, found }));
