/** What `console.log` and `String` say: one line each, in Node and elsewhere. */

import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { Catalog, EFFICIENTNET_B0, loadPure, MNASNET } from "../src/index.js";
import { catalog, CONFORMANCE } from "./artifacts.js";

const accuracy = await loadPure("accuracy", { artifacts: catalog });
const one = await accuracy.queryOne(EFFICIENTNET_B0);
const { lower, upper } = one.interval(0.9);
const range = `90 % interval ${Number(lower.toPrecision(6))} to ${Number(upper.toPrecision(6))}`;
const b0 = `${Number(one.mean.toPrecision(6))} %, ${range}`;

const macs = await loadPure("macs", { artifacts: catalog });
const single = await Catalog.open(CONFORMANCE, { benchmark: "one-block" });
const golden = await catalog.readGolden();
const truth = (await catalog.readTruth())!.get("accuracy");

describe("values that are shown", () => {
  it.each<[unknown, string]>([
    [accuracy, "Surrogate(accuracy [%], 8 members, engine pure)"],
    [one, `Prediction(accuracy: ${b0})`],
    [accuracy.querySync([EFFICIENTNET_B0]), `Prediction(accuracy: ${b0})`],
    [accuracy.querySync("0", { members: true }), ", 8 members)"],
    [macs.querySync("efficientnet-b0"), " M, exact)"],
    [accuracy.querySync([0, 1]), "Prediction(accuracy: 2 architectures, "],
    [accuracy.querySync([]), "Prediction(accuracy: 0 architectures)"],
    [MNASNET, "SearchSpace(mnasnet: 28 genes in 7 blocks, 104,485,552,128 architectures)"],
    [catalog, "Catalog(accel-nasbench: "],
    [accuracy.tables, "TableEngine(8 members, "],
    [single, "Catalog(one-block: 1 target of "],
    [accuracy.calibration, "Calibration(spread "],
    [truth, "Truth(accuracy: "],
    [golden, "Golden("],
  ])("are one line: %s", (value, expected) => {
    const shown = inspect(value);
    expect(shown).toContain(expected);
    expect(shown).not.toContain("\n");
    expect(shown.length).toBeLessThan(200);
    expect(String(value)).toBe(shown);
    const kind = shown.split("(")[0];
    expect(Object.prototype.toString.call(value)).toBe(`[object ${kind}]`);
    expect(inspect({ value })).toContain(shown);
  });
});
